from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from brain2music._utils.errors import Brain2MusicWarning, InputError, LeakageError
from brain2music.audio.io import resample
from brain2music.training import decoded_audio
from brain2music.training.audio_data import Crops, FileCorpus, MemoryMappedCorpus, open_corpus
from brain2music.training.manifest import AudioSource, read_sources, refuse_held_out, split_sources

SAMPLE_RATE = 8000


def tone(seconds: float, sample_rate: int, channels: int, hertz: float = 440.0) -> np.ndarray:
    """A tone, left louder than right, (frames, channels)."""
    wave = np.sin(2 * np.pi * hertz * np.arange(round(seconds * sample_rate)) / sample_rate)
    return (wave[:, None] * np.linspace(0.5, 0.2, channels)).astype(np.float32)


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Four files of 1, 2, 3 and 0.2 s: other rates, other channels; and two that are none."""
    folder = tmp_path / "music"
    folder.mkdir()
    for name, seconds, sample_rate, channels in (
        ("a", 1, 8000, 1),
        ("b", 2, 44100, 2),
        ("c", 3, 192000, 6),
        ("d", 0.2, 8000, 1),
    ):
        soundfile.write(folder / f"{name}.wav", tone(seconds, sample_rate, channels), sample_rate, subtype="FLOAT")
    (folder / "text.wav").write_text("no sound")
    soundfile.write(folder / "nan.wav", np.full(800, np.nan, dtype=np.float32), 8000, subtype="FLOAT")
    return folder


def corpus_of(folder: Path, channels: int = 1, **more: float) -> MemoryMappedCorpus | FileCorpus:
    with pytest.warns(Brain2MusicWarning, match="left out"):
        return open_corpus(read_sources(folder), SAMPLE_RATE, channels, folder / ".cache", n_jobs=1, **more)  # type: ignore[return-value]


def test_decoding_gives_every_sound_at_one_rate(music: Path) -> None:
    with pytest.warns(Brain2MusicWarning) as warned:
        corpus = open_corpus(read_sources(music), SAMPLE_RATE, 2, music / ".cache", n_jobs=1)
    assert sorted(str(w.message).split(": ")[2].split(" (")[0] for w in warned) == [
        "the sound file holds NaN or infinite samples. Export it again.",
        "this is not a readable sound file",
    ]
    assert corpus.frames.tolist() == [8000, 16000, 24000, 1600]
    mono, stereo, surround = (corpus.read(n, 0, 8000) / 32767 for n in range(3))
    np.testing.assert_allclose(mono, tone(1, 8000, 1).repeat(2, axis=1), atol=1e-4)
    np.testing.assert_allclose(stereo[100:-100], tone(2, 8000, 2)[100:7900], atol=2e-3)
    np.testing.assert_allclose(surround[100:-100], tone(3, 8000, 6)[100:7900, :2], atol=2e-3)


def test_blocks_join_without_a_seam(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = resample(tone(2, 44100, 2).mean(axis=1), 44100, SAMPLE_RATE)
    monkeypatch.setattr(decoded_audio, "BLOCK_S", 0.0317)
    pieces = np.concatenate(list(decoded_audio.decoded_blocks(AudioSource(music / "b.wav"), SAMPLE_RATE, 1)))[:, 0]
    np.testing.assert_allclose(pieces, whole, atol=1e-4)


def test_decoded_sound_is_kept_until_a_file_changes(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = corpus_of(music)
    calls: list[object] = []
    monkeypatch.setattr(decoded_audio, "_decode_in_parallel", lambda *a: calls.append(a) or ([], []))
    again = corpus_of(music)
    assert not calls
    assert again.frames.tolist() == first.frames.tolist()
    soundfile.write(music / "a.wav", tone(4, 8000, 1), 8000)
    with pytest.raises(InputError, match="none of the sounds can be read"):
        corpus_of(music)
    assert len(calls) == 1


def test_processes_that_start_together_decode_once(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, decode = [], decoded_audio._decode_in_parallel

    def counted(*arguments: object) -> object:
        calls.append(arguments)
        return decode(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(decoded_audio, "_decode_in_parallel", counted)
    with ThreadPoolExecutor(3) as pool:
        jobs = [
            pool.submit(decoded_audio.decode_all, read_sources(music), SAMPLE_RATE, 1, music / ".cache", 1)
            for _ in range(3)
        ]
        assert len({str(job.result()) for job in jobs}) == 1
    assert len(calls) == 1


def test_decoding_that_is_interrupted_leaves_nothing(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(decoded_audio, "_decode_in_parallel", interrupted)
    with pytest.raises(KeyboardInterrupt):
        open_corpus(read_sources(music), SAMPLE_RATE, 1, music / ".cache")
    assert list((music / ".cache").iterdir()) == []


def test_past_the_limit_crops_come_from_the_files_and_are_the_same(music: Path) -> None:
    mapped, direct = corpus_of(music), corpus_of(music, limit_gb=0.0)
    assert isinstance(direct, FileCorpus)
    (music / "nan.wav").unlink()  # its header is sound, so only decoding finds out
    direct = corpus_of(music, limit_gb=0.0)
    assert direct.frames.tolist() == mapped.frames.tolist()
    ours, theirs = direct.read(1, 3200, 2000), mapped.read(1, 3200, 2000)
    np.testing.assert_allclose(ours[100:-100], theirs[100:-100], atol=100)  # the edges are resampled anew


def test_a_batch_is_a_function_of_seed_and_step(music: Path) -> None:
    crops = Crops(corpus_of(music), 500, 16, seed=3)
    first = crops.batch(7)
    assert first.shape == (16, 1, 500)
    assert first.dtype == torch.float32
    crops.batch(8)
    assert torch.equal(crops.batch(7), first)
    assert not torch.equal(crops.batch(8), first)
    assert not torch.equal(Crops(crops.corpus, 500, 16, seed=4).batch(7), first)


def test_crops_are_uniform_over_seconds_times_weight(tmp_path: Path) -> None:
    sounds = {"a": (1, 0.1), "b": (3, 0.2), "c": (2, 0.4)}  # seconds, level
    for name, (seconds, level) in sounds.items():
        soundfile.write(tmp_path / f"{name}.wav", np.full(seconds * SAMPLE_RATE, level), SAMPLE_RATE)
    sources = [AudioSource(tmp_path / f"{name}.wav", weight=2.0 if name == "c" else 1.0) for name in sounds]
    crops = Crops(open_corpus(sources, SAMPLE_RATE, 1, tmp_path / "cache", n_jobs=1), 80, 2000, gain_db=None)
    levels = crops.batch(0)[:, 0, 40]
    shares = [float((levels.sub(level).abs() < 0.01).float().mean()) for _, level in sounds.values()]
    assert shares == pytest.approx([1 / 8, 3 / 8, 4 / 8], abs=0.04)  # 3 standard errors of 2000 draws


def test_every_part_of_a_sound_is_drawn(tmp_path: Path) -> None:
    ramp = np.linspace(-0.5, 0.5, SAMPLE_RATE)
    soundfile.write(tmp_path / "ramp.wav", ramp, SAMPLE_RATE, subtype="FLOAT")
    crops = Crops(
        open_corpus([AudioSource(tmp_path / "ramp.wav")], SAMPLE_RATE, 1, tmp_path / "c", n_jobs=1),
        80,
        3000,
        gain_db=None,
    )
    first = crops.batch(0)[:, 0, 0] + 0.5
    counts = torch.histc(first, bins=10, min=0, max=float(ramp[SAMPLE_RATE - 80] + 0.5))
    assert counts.min() > 230  # 300 expected, standard error 16
    assert first.max() > 0.97


def test_silence_is_drawn_anew(tmp_path: Path) -> None:
    wave = np.zeros(10 * SAMPLE_RATE, dtype=np.float32)
    wave[: 5 * SAMPLE_RATE] = 0.3
    soundfile.write(tmp_path / "half.wav", wave, SAMPLE_RATE)
    corpus = open_corpus([AudioSource(tmp_path / "half.wav")], SAMPLE_RATE, 1, tmp_path / "c", n_jobs=1)
    silent = (Crops(corpus, 80, 1000).batch(0).abs().amax((1, 2)) == 0).float().mean()
    assert 0.02 < silent < 0.11  # one in 2⁴
    soundfile.write(tmp_path / "none.wav", np.zeros(SAMPLE_RATE), SAMPLE_RATE)
    silence = open_corpus([AudioSource(tmp_path / "none.wav")], SAMPLE_RATE, 1, tmp_path / "c", n_jobs=1)
    assert torch.equal(Crops(silence, 80, 4).batch(0), torch.zeros(4, 1, 80))


def test_a_short_sound_lies_between_zeros(music: Path) -> None:
    crops = Crops(corpus_of(music), 2000, 300, gain_db=None).batch(0)
    padded = crops[(crops == 0).sum((1, 2)) >= 400]
    assert len(padded) > 0
    assert all(float(crop.abs().max()) > 0.4 for crop in padded)


def test_gains_flip_scale_and_swap_but_never_clip(tmp_path: Path) -> None:
    wave = np.stack([np.full(SAMPLE_RATE, 0.4), np.full(SAMPLE_RATE, 0.1)], axis=1)
    soundfile.write(tmp_path / "x.wav", wave, SAMPLE_RATE, subtype="FLOAT")
    corpus = open_corpus([AudioSource(tmp_path / "x.wav")], SAMPLE_RATE, 2, tmp_path / "c", n_jobs=1)
    crops = Crops(corpus, 10, 400, gain_db=(-12.0, 20.0)).batch(0)[:, :, 0]
    loud, quiet = crops.abs().amax(1), crops.abs().amin(1)
    assert loud.max() == pytest.approx(1.0, abs=1e-4)
    assert loud.min() == pytest.approx(0.4 * 10 ** (-12 / 20), rel=0.05)
    torch.testing.assert_close(quiet, loud / 4, atol=1e-3, rtol=1e-3)
    assert 0.4 < float((crops[:, 0] > 0).float().mean()) < 0.6
    assert 0.4 < float((crops[:, 0].abs() > crops[:, 1].abs()).float().mean()) < 0.6


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".parquet"])
def test_manifests_of_every_kind_say_the_same(music: Path, suffix: str) -> None:
    rows = {"file": ["music/a.wav", str(music / "b.wav")], "start": [0.25, None], "seconds": [0.5, None]}
    table = pd.DataFrame(rows | {"weight": [3.0, 1.0]})
    path = music.parent / f"manifest{suffix}"
    if suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, sep="\t" if suffix == ".tsv" else ",", index=False, na_rep="n/a")
    assert read_sources(path) == [AudioSource(music / "a.wav", 0.25, 0.5, 3.0), AudioSource(music / "b.wav")]
    corpus = open_corpus(read_sources(path), SAMPLE_RATE, 1, music.parent / "cache", n_jobs=1)
    assert corpus.frames.tolist() == [4000, 16000]
    np.testing.assert_allclose(corpus.read(0, 0, 4000)[:, 0] / 32767, tone(1, SAMPLE_RATE, 1)[2000:6000, 0], atol=1e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows"),
        ("path\nx.wav\n", "no column 'file' but path"),
        ("file\tstart\nx.wav\t-1\n", "row 2 is wrong"),
        ("file\tseconds\nx.wav\tlong\n", "row 2 is wrong: could not convert"),
        ("file\tweight\ny.wav\t1\nx.wav\t0\n", "row 3 is wrong"),
    ],
)
def test_wrong_manifests_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.tsv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_sources(tmp_path / "m.tsv")


def test_what_is_no_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.xlsx").write_text("")
    (tmp_path / "m.parquet").write_text("none")
    for name, message in (("m.xlsx", "cannot be a '.xlsx'"), ("no", "no such folder"), ("m.parquet", "not a readable")):
        with pytest.raises(InputError, match=message):
            read_sources(tmp_path / name)


def test_held_out_files_are_refused_under_any_name(music: Path, tmp_path: Path) -> None:
    held = tmp_path / "held"
    held.mkdir()
    soundfile.write(held / "x.wav", tone(1.5, SAMPLE_RATE, 1), SAMPLE_RATE)
    refuse_held_out(read_sources(music), held)
    (music / "other name.wav").write_bytes((held / "x.wav").read_bytes())
    with pytest.raises(LeakageError, match=r"other name\.wav.*held out"):
        refuse_held_out(read_sources(music), held)


def test_the_split_keeps_files_apart() -> None:
    sources = [AudioSource(Path(f"{number % 40}.wav"), start=float(number)) for number in range(80)]
    training, validation = split_sources(sources)
    assert len({source.file for source in validation}) == 2
    assert {s.file for s in training} | {s.file for s in validation} == {s.file for s in sources}
    assert not {s.file for s in training} & {s.file for s in validation}
    assert split_sources(sources) == (training, validation)
    assert split_sources(sources[:1]) == (sources[:1], sources[:1])
