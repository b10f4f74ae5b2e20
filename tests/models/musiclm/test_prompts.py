"""What is asked for, and what cannot be: one text is one text, windows are not items, and nothing is told late."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner

from brain2music._utils.cpu import require_device
from brain2music._utils.destinations import is_ours
from brain2music._utils.errors import InputError
from brain2music.audio.formats import check_format, require_room
from brain2music.audio.io import read_audio, write_audio
from brain2music.audio.sound import Reconstruction
from brain2music.cli import app
from brain2music.embeddings.embeddings import Embeddings
from brain2music.models.generator_parts import prompts
from brain2music.models.generator_parts.prompts import (
    check_duration,
    check_guidance,
    check_seed,
    prompts_from_audio,
    prompts_from_embeddings,
    prompts_from_texts,
)
from brain2music.models.musiclm.condition import Conditioner
from brain2music.models.musiclm.model import MusicLM
from brain2music.models.musiclm.sampling import Sampling

from .conftest import SPACE

ROWS = np.random.default_rng(3).standard_normal((3, 8)).astype(np.float32)
RATE = 16_000


class Letters:
    """An embedder whose vectors tell apart all texts and all sounds."""

    space = SPACE

    def embed_text(self, texts: list[str]) -> np.ndarray:
        return np.array([[float(len(text)), *[float(ord(text[0]))] * 7] for text in texts], np.float32)

    def embed(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        from brain2music.audio.waveforms import as_waveform

        wave, _ = as_waveform(waveform, sample_rate)
        return np.array([[float(len(wave)), *[float(wave.std())] * 7]], np.float32)


@pytest.fixture(autouse=True)
def embedder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompts, "get_embedder", lambda *_: Letters())


def test_a_string_is_one_text(single: MusicLM) -> None:
    made = single.generate(text="rock", seconds=1.0)
    assert [each.source["text"] for each in made] == ["rock"]
    assert single.story("rock", seconds=1.0).source["story"] == ["rock"]


def test_windows_of_one_item_are_one_piece_or_refused(single: MusicLM) -> None:
    with pytest.raises(InputError, match=r"3 rows .* may be items, or windows of one"):
        single.generate(embedding=ROWS, seconds=1.0)
    by_name, whole = (
        single.generate(embedding=given, seconds=1.0, rows=rows)
        for given, rows in ((ROWS, "windows"), (ROWS[None], None))
    )
    assert len(by_name) == len(whole) == 1
    assert np.array_equal(by_name[0].waveform, whole[0].waveform)
    items = single.generate(embedding=ROWS, rows="items", seconds=1.0)
    named = single.generate(embedding=Embeddings(ROWS[:, None], ("a", "b", "c"), SPACE), seconds=1.0)
    assert [each.waveform.tobytes() for each in items] == [each.waveform.tobytes() for each in named]
    assert len(single.generate(embedding=ROWS[:1], seconds=1.0)) == 1


def test_a_sound_to_be_like_comes_either_way_round_alone_or_from_a_file(single: MusicLM, tmp_path: Path) -> None:
    wave = np.sin(np.arange(RATE)).astype(np.float32) / 2
    soundfile.write(tmp_path / "a.wav", wave, RATE, subtype="FLOAT")
    stereo = np.stack([wave, wave])
    given = [
        [(wave, RATE)],
        (wave, RATE),
        [(stereo, RATE)],
        [(stereo.T, RATE)],
        tmp_path / "a.wav",
        [str(tmp_path / "a.wav")],
    ]
    made = [single.generate(like=each, seconds=1.0) for each in given]
    assert [len(each) for each in made] == [1] * len(given)
    assert len({each[0].waveform.tobytes() for each in made}) == 1
    assert made[4][0].source["like"] == "a.wav"
    assert made[2][0].source["like_sha256"] == made[3][0].source["like_sha256"]


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda _: check_duration("3"), "no number"),
        (lambda _: check_duration(1.0, 2.0), "no whole number"),
        (lambda _: check_duration(1.0, 10**6), "1000000 samples"),
        (lambda _: check_seed(2**32), "seed is 4294967296"),
        (lambda _: check_seed(None), "no whole number"),
        (lambda _: check_guidance(float("nan")), "guidance is nan"),
        (lambda _: check_guidance(float("inf")), "guidance is inf"),
        (lambda _: check_guidance(-1.0), "guidance is -1"),
        (lambda by: prompts_from_texts(["rock", 3], by), "3 is no text"),
        (lambda by: prompts_from_texts([], by), "no text"),
        (lambda by: prompts_from_audio([], by), "no recording"),
        (lambda by: prompts_from_audio([ROWS], by), "waveform with its sample rate"),
        (lambda by: prompts_from_audio([(np.zeros(RATE), RATE)], by), "is silent"),
        (lambda by: prompts_from_embeddings("rock", by), "is a text, not an embedding"),
        (lambda by: prompts_from_embeddings(ROWS, by, "clips"), "rows cannot be 'clips'"),
        (lambda by: prompts_from_embeddings([["a"]], by), "not an embedding"),
        (lambda by: prompts_from_embeddings(np.ones((1, 1, 1, 8)), by), "shape"),
    ],
)
def test_what_is_no_question_is_refused_in_one_line(
    conditioner: Conditioner, ask: Callable[[Conditioner], object], told: str
) -> None:
    with pytest.raises(InputError, match=told) as refused:
        ask(conditioner)
    assert "\n" not in str(refused.value)


def test_what_cannot_be_made_is_refused_before_anything_is(single: MusicLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(single, "writer", None)
    for asked in ({"seed": 2**32}, {"guidance": float("nan")}, {"n_samples": 65}, {"seconds": 601.0}):
        with pytest.raises(InputError):
            single.generate(text="rock", **asked)


@pytest.mark.parametrize("temperature", [-1.0, float("nan"), float("inf")])
def test_no_stage_is_sampled_at_a_temperature_that_is_none(temperature: float) -> None:
    with pytest.raises(ValueError, match="cannot be sampled"):
        Sampling(temperature)


@pytest.mark.parametrize("name", ["cuda:99", "nonsense", ""])
def test_a_device_that_is_not_here_is_one_line(name: str) -> None:
    assert require_device("cpu") == torch.device("cpu")
    with pytest.raises(InputError, match="device here") as refused:
        require_device(name)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["-o", "new.xyz"], "cannot write '.xyz'"),
        (["-o", "new"], "without a suffix"),
        (["-o", "new.wav", "--guidance", "nan"], "guidance is nan"),
        (["-o", "new.wav", "--duration-s", "-3"], "-3 s of music"),
        (["-o", "mine.wav"], "did not make"),
        (["-o", "notes.wav"], "did not make"),
    ],
)
def test_nothing_is_made_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    soundfile.write("mine.wav", np.zeros(100), RATE)
    Path("notes.json").write_text('{"my": "notes"}')
    monkeypatch.setattr(MusicLM, "from_pretrained", None)  # nothing is loaded before
    for command in (["generate", "--text", "rock"], ["continue", "mine.wav"], ["story", "rock"]):
        if command[0] == "story" and "--duration-s" in options:
            continue
        refused = CliRunner().invoke(app, [*command, *options])
        assert isinstance(refused.exception, InputError), refused.output
        assert told in str(refused.exception) or "inputs are never" in str(refused.exception)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.wav", "notes.json"]


@pytest.mark.parametrize(("text", "told"), [("  ", "empty"), ("word " * 201, "201 words")])
@pytest.mark.parametrize("command", ["generate --text", "continue mine.wav --text", "inpaint mine.wav --text", "story"])
def test_a_text_is_refused_before_a_generator_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, text: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    soundfile.write("mine.wav", np.zeros(3 * RATE), RATE)
    monkeypatch.setattr("brain2music.models.generators.get_generator", None)
    gap = ["--from", "1", "--to", "2"] if command.startswith("inpaint") else []
    refused = CliRunner().invoke(app, [*command.split(), text, "-o", "new.wav", *gap])
    assert isinstance(refused.exception, InputError), refused.output
    assert told in str(refused.exception)


def test_a_disk_that_is_too_small_is_told_beforehand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    require_room(tmp_path / "not-yet" / "a.wav", 22_050, 1, 20.0)
    with pytest.raises(InputError, match=r"1\.3 MB, where 1\.0 MB are free"):
        require_room(tmp_path / "a.wav", 22_050, 1, 30.0)


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_sound_that_is_written_and_read_again_keeps_every_sample(tmp_path: Path, name: str) -> None:
    numbers = np.random.default_rng(0).integers(-32_768, 32_767, (2, 5000), dtype=np.int16)
    wave = (numbers / 32_768).astype(np.float32)
    write_audio(tmp_path / name, wave, RATE)
    assert np.array_equal(read_audio(tmp_path / name, mono=False)[0], wave)


@pytest.mark.parametrize(
    ("name", "sample_rate", "channels"), [("a.mp3", 96_000, 1), ("a.mp3", 44_100, 6), ("a.flac", 44_100, 9)]
)
def test_what_a_format_does_not_hold_is_known_beforehand(name: str, sample_rate: int, channels: int) -> None:
    check_format(Path("a.wav"), sample_rate, channels)
    with pytest.raises(InputError, match="cannot write"):
        check_format(Path(name), sample_rate, channels)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_what_was_made_may_be_made_again_in_its_place(tmp_path: Path, suffix: str) -> None:
    piece = Reconstruction(np.full((1, 9000), 0.3, np.float32), 22_050, {"text": "é🎸"})
    path = piece.save(tmp_path / f"a{suffix}")
    write_audio(tmp_path / f"b{suffix}", piece.waveform, piece.sample_rate)
    assert is_ours(path)
    assert is_ours(path.with_suffix(".json"))
    assert is_ours(tmp_path / f"b{suffix}")


def test_a_device_without_memory_is_none() -> None:
    assert require_device("cpu").type == "cpu"
    with pytest.raises(InputError, match="no meta device"):
        require_device("meta")


def test_the_file_of_an_embedding_that_does_not_fit_is_named(single: MusicLM, tmp_path: Path) -> None:
    np.save(tmp_path / "short.npy", np.ones(5, np.float32))
    with pytest.raises(InputError, match=r"short.npy: an embedding of shape \(5,\)"):
        prompts_from_embeddings(tmp_path / "short.npy", single.conditioner)


def test_whole_numbers_are_written_by_their_full_scale(tmp_path: Path) -> None:
    wave = np.array([-8192, 0, 16384], np.int16)
    write_audio(tmp_path / "x.wav", wave, RATE)
    np.testing.assert_array_equal(soundfile.read(tmp_path / "x.wav", dtype="int16")[0], wave)


def test_the_origin_of_a_sound_is_not_written_over_by_that_of_another_kind(tmp_path: Path) -> None:
    Reconstruction(np.zeros((1, 800), np.float32), RATE, {"seed": 1}).save(tmp_path / "x.wav")
    before = (tmp_path / "x.json").read_bytes()
    asked = ["generate", "--text", "rock", "--duration-s", "1", "-o"]
    refused = CliRunner().invoke(app, [*asked, str(tmp_path / "x.flac"), "--overwrite"]).exception
    assert isinstance(refused, InputError)
    assert "x.json: this tells where x.wav came from" in str(refused)
    assert (tmp_path / "x.json").read_bytes() == before
    again = CliRunner().invoke(app, [*asked, str(tmp_path / "x.wav"), "--generator", "none"]).exception
    assert "no generator 'none'" in str(again)  # the same sound again may be made
