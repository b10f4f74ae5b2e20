"""Lists of clips and files: embedded each by itself, cached while nothing changes, stored, read back."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as parquet
import pytest

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music._utils.files import digest_array, read_arrays, write_arrays
from brain2music.audio.io import write_audio
from brain2music.embeddings import Embeddings, embed_clips, embed_files, load_embeddings, save_embeddings
from brain2music.models.baselines import LogMel
from brain2music.models.embedders import get_embedder
from brain2music.study import Clip
from brain2music.study.study import name_clips

CLIPS = tuple(Clip(f"folder/{genre}.00001", 0.0, 2.0, genre=genre) for genre in ("blues", "jazz", "rock"))


class Noise:
    """Stimuli that are noise of a seed per clip."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def waveform(self, clip: Clip) -> tuple[np.ndarray, int]:
        rng = np.random.default_rng([self.seed, *clip.track.encode()])
        return rng.standard_normal(round(clip.duration * 16000)).astype(np.float32), 16000


class Nothing:
    """Stimuli that may not be asked."""

    def waveform(self, clip: Clip) -> tuple[np.ndarray, int]:
        raise AssertionError(f"the sound of {clip.name} was asked for")


class Counting(LogMel):
    """The log-mel baseline that counts how often it is asked."""

    calls = 0

    def embed(self, waveform: np.ndarray, rate: int) -> np.ndarray:
        self.calls += 1
        return super().embed(waveform, rate)


@pytest.fixture
def embedder() -> Counting:
    return Counting(window_s=1.0, step_s=0.5)


def test_two_clips_of_one_name_are_refused(embedder):
    alike = [Clip("piece 0!", 0.0, 2.0), Clip("piece 0#", 0.0, 2.0)]
    with pytest.raises(InputError, match=r"'piece 0!' and of 'piece 0#' are both named piece-0_0-2"):
        embed_clips(alike, Noise(), embedder)
    labels = name_clips(alike)
    labelled = [replace(clip, label=labels[clip]) for clip in alike]
    assert embed_clips([*labelled, labelled[0]], Noise(), embedder).data.shape[0] == 3


def test_clips_are_embedded_each_by_itself(embedder):
    together = embed_clips(CLIPS, Noise(), embedder)
    assert together.data.shape == (3, 3, 96)
    assert together.names == tuple(clip.name for clip in CLIPS)
    assert together.space == embedder.space
    for clip, row in zip(CLIPS, together.data, strict=True):
        np.testing.assert_array_equal(embed_clips([clip], Noise(), embedder).data[0], row)


def test_progress_is_told_after_each_clip(embedder):
    calls = []
    embed_clips(CLIPS, Noise(), embedder, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_cache_is_used_while_space_and_sound_are_the_same(tmp_path, embedder):
    first = embed_clips(CLIPS, Noise(), embedder, cache_dir=tmp_path)
    again = embed_clips(CLIPS, Noise(), embedder, cache_dir=tmp_path)
    assert embedder.calls == 3
    np.testing.assert_array_equal(again.data, first.data)
    np.testing.assert_array_equal(first.data, embed_clips(CLIPS, Noise(), embedder).data)

    other = embed_clips(CLIPS, Noise(seed=1), embedder, cache_dir=tmp_path)
    np.testing.assert_array_equal(other.data, embed_clips(CLIPS, Noise(seed=1), embedder).data)
    wide = embed_clips(CLIPS, Noise(seed=1), Counting(window_s=2.0, step_s=0.5), cache_dir=tmp_path)
    assert wide.data.shape == (3, 1, 96)


def test_cache_that_was_damaged_is_made_again(tmp_path, embedder):
    first = embed_clips(CLIPS[:1], Noise(), embedder, cache_dir=tmp_path)
    (file,) = tmp_path.rglob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-4])
    again = embed_clips(CLIPS[:1], Noise(), embedder, cache_dir=tmp_path)
    np.testing.assert_array_equal(again.data, first.data)
    assert embedder.calls == 2


def test_cached_clips_say_where_they_come_from(tmp_path, embedder):
    embed_clips(CLIPS[:1], Noise(), embedder, cache_dir=tmp_path)
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    provenance = read_arrays(file)[1]
    assert provenance["clip"] == CLIPS[0].name
    assert provenance["space"]["name"] == "logmel"
    assert provenance["waveform"] == digest_array(Noise().waveform(CLIPS[0])[0])


def test_a_cached_embedding_that_was_changed_is_made_again(tmp_path, embedder):
    embed_clips(CLIPS[:1], Noise(seed=1), embedder, cache_dir=tmp_path)
    (file,) = tmp_path.rglob("*.safetensors")
    arrays, metadata = read_arrays(file)
    write_arrays(file, {"embedding": arrays["embedding"] + 1}, metadata)
    np.testing.assert_array_equal(
        embed_clips(CLIPS[:1], Noise(seed=1), embedder, cache_dir=tmp_path).data,
        embed_clips(CLIPS[:1], Noise(seed=1), embedder).data,
    )


def test_of_clips_of_different_lengths_the_windows_that_all_have_are_taken(embedder):
    longer = Clip("other", 0.0, 3.0)
    alone = [embed_clips([clip], Noise(), embedder).data[0] for clip in (*CLIPS, longer)]
    with pytest.warns(Brain2MusicWarning, match="3 to 5 windows of logmel; the first 3"):
        embeddings = embed_clips([*CLIPS, longer], Noise(), embedder)
    np.testing.assert_array_equal(embeddings.data, [each[:3] for each in alone])


def test_genres_need_no_sound():
    embeddings = embed_clips(CLIPS, Nothing(), get_embedder("genre-onehot"))
    np.testing.assert_array_equal(embeddings.mean, np.eye(10, dtype=np.float32)[[0, 5, 9]])


def test_no_clips_are_no_embeddings(embedder):
    assert embed_clips([], Noise(), embedder).data.shape == (0, 1, 96)


def write_noise(file: Path, seconds: float, rng: np.random.Generator) -> Path:
    write_audio(file, rng.uniform(-0.5, 0.5, round(seconds * 16000)).astype(np.float32), 16000)
    return file


def test_files_of_one_length_keep_their_windows(tmp_path, rng, embedder):
    files = [write_noise(tmp_path / f"{number}.wav", 2.0, rng) for number in range(2)]
    embeddings = embed_files(files, embedder)
    assert embeddings.data.shape == (2, 3, 96)
    assert embeddings.names == tuple(map(str, files))
    np.testing.assert_array_equal(embed_files(files[1:], embedder).data[0], embeddings.data[1])


def test_files_of_different_lengths_are_averaged(tmp_path, rng, embedder):
    short = write_noise(tmp_path / "short.wav", 1.0, rng)
    long = write_noise(tmp_path / "long.flac", 3.0, rng)
    both = embed_files([short, long], embedder)
    assert both.data.shape == (2, 1, 96)
    np.testing.assert_array_equal(both.data[1, 0], embed_files([long], embedder).mean[0])


def test_only_the_beginning_of_files_is_read(tmp_path, rng, embedder):
    long = write_noise(tmp_path / "long.wav", 3.0, rng)
    begun = embed_files([long], embedder, max_seconds=1.0)
    np.testing.assert_allclose(begun.data[0, 0, :], embed_files([long], embedder).data[0, 0], atol=0.02)
    assert begun.data.shape == (1, 1, 96)


def test_files_of_silence_and_files_shorter_than_a_window_are_counted(tmp_path, rng, embedder):
    sounds = {"music": (16000, 0.1), "silence": (16000, 0.0), "short": (4800, 0.1)}
    paths = [tmp_path / f"{name}.wav" for name in sounds]
    for path, (n, level) in zip(paths, sounds.values(), strict=True):
        write_audio(path, (level * rng.standard_normal(n)).astype(np.float32), 16000)
    with pytest.warns(Brain2MusicWarning) as said:
        found = embed_files(paths, embedder)
    assert len(found.names) == 3
    lines = [str(each.message) for each in said]
    assert any("1 of 3 files are silent" in line and "silence.wav" in line for line in lines)
    assert any("1 of 3 files are shorter than the 1 s" in line and "short.wav" in line for line in lines)
    assert len(lines) == 2


def test_a_file_that_is_missing_is_named(tmp_path, embedder):
    with pytest.raises(InputError) as caught:
        embed_files([tmp_path / "none.wav"], embedder)
    assert caught.value.file == tmp_path / "none.wav"


@pytest.mark.parametrize("clips", [0, 1, 3])
def test_stored_embeddings_come_back(tmp_path, rng, clips, embedder):
    data = rng.standard_normal((clips, 4 if clips else 1, 96)).astype(np.float32)
    stored = Embeddings(data, tuple(f"clip {row}" for row in range(clips)), embedder.space)
    save_embeddings(tmp_path / "made/here.parquet", stored)
    found = load_embeddings(tmp_path / "made/here.parquet")
    np.testing.assert_array_equal(found.data, stored.data)
    assert (found.names, found.space) == (stored.names, stored.space)


def test_stored_embeddings_are_a_plain_table(tmp_path, rng, embedder):
    data = rng.standard_normal((2, 2, 96)).astype(np.float32)
    save_embeddings(tmp_path / "e.parquet", Embeddings(data, ("a", "b"), embedder.space))
    table = pd.read_parquet(tmp_path / "e.parquet")
    assert list(table["name"]) == ["a", "a", "b", "b"]
    assert list(table["window"]) == [0, 1, 0, 1]
    np.testing.assert_array_equal(np.stack(table["vector"]), data.reshape(4, 96))


def test_what_are_no_embeddings_is_refused(tmp_path, rng, embedder):
    with pytest.raises(InputError, match="missing"):
        load_embeddings(tmp_path / "none.parquet")
    garbage, foreign, cut = (tmp_path / f"{name}.parquet" for name in ("garbage", "foreign", "cut"))
    garbage.write_bytes(rng.bytes(1000))
    pd.DataFrame({"name": ["a"], "vector": [[1.0]]}).to_parquet(foreign)
    data = rng.standard_normal((2, 2, 96)).astype(np.float32)
    save_embeddings(cut, Embeddings(data, ("a", "b"), embedder.space))
    table = parquet.read_table(cut)
    parquet.write_table(table.slice(0, 3), cut)
    for file in (garbage, foreign, cut):
        with pytest.raises(InputError, match="not a file of embeddings") as caught:
            load_embeddings(file)
        assert caught.value.file == file
