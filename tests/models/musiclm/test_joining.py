"""A recording and what goes on from it: the recording untouched, the join without a step, the level kept."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from brain2music._utils.errors import Brain2MusicWarning
from brain2music.audio.joining import extrapolate, join
from brain2music.audio.limiter import CEILING
from brain2music.audio.sound import scale_peak
from brain2music.models.musiclm.model import MusicLM

RATE = 44_100


def chord(seconds: float, sample_rate: int, level: float = 0.1, phase: float = 0.0) -> np.ndarray:
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    return level * sum(np.sin(2 * np.pi * hz * time + phase) for hz in (220.0, 277.2, 329.6, 1760.0))


@pytest.mark.parametrize("sample_rate", [8000, 22_050, 44_100, 96_000])
@pytest.mark.parametrize("phase", [0.0, 1.3, 2.9])
def test_there_is_no_step_where_new_music_begins(sample_rate: int, phase: float) -> None:
    own = np.stack([chord(1.5, sample_rate), chord(1.5, sample_rate, 0.05, 0.4)]).astype(np.float32)
    made = chord(3.0, 22_050, 0.1, phase).astype(np.float32)
    whole = join(own, sample_rate, made, 22_050, round(1.5 * 22_050), 1.5).waveform
    count = own.shape[1]
    assert np.array_equal(whole[:, :count], own)
    assert whole.shape == (2, count + round(1.5 * sample_rate))
    steps = np.abs(np.diff(whole, axis=1))
    near = steps[:, count - sample_rate // 4 : count - 1]
    assert (steps[:, count - 1 : count + sample_rate // 20].max(axis=1) <= 1.1 * np.quantile(near, 0.999, axis=1)).all()


def test_new_music_has_the_level_of_each_channel() -> None:
    own = np.stack([chord(2, RATE, 0.1), chord(2, RATE, 0.02), np.zeros(2 * RATE)]).astype(np.float32)
    made = chord(4.0, 22_050, 0.05).astype(np.float32)
    whole = join(own, RATE, made, 22_050, 2 * 22_050, 2.0)
    new = whole.waveform[:, 3 * RATE :]
    np.testing.assert_allclose(whole.gains, [2.0, 0.4, 0.0], rtol=0.01)
    np.testing.assert_allclose(new.std(axis=1), own.std(axis=1), rtol=0.03)


def test_after_silence_new_music_is_as_it_was_made_and_never_too_loud() -> None:
    silent, loud = np.zeros((1, RATE), np.float32), np.full((1, RATE), 0.9, np.float32)
    made = chord(2.0, 22_050, 0.1).astype(np.float32)
    assert join(silent, RATE, made, 22_050, 22_050, 1.0).gains == [1.0]
    assert np.abs(join(loud, RATE, made, 22_050, 22_050, 1.0).waveform[0, RATE:]).max() <= CEILING + 1e-6


def test_linear_prediction_goes_on_with_a_chord() -> None:
    wave = chord(0.3, RATE)
    known = round(0.25 * RATE)
    found = extrapolate(wave[:known], 400)
    np.testing.assert_allclose(found, wave[known : known + 400], atol=0.02 * np.abs(wave).max())
    assert np.array_equal(extrapolate(np.zeros(1000), 5), np.zeros(5))


def test_a_waveform_that_is_too_loud_is_scaled_as_a_whole_and_by_what_is_said() -> None:
    wave = np.array([[0.5, -2.0, 1.0]], np.float32)
    scaled, gain = scale_peak(wave)
    assert np.abs(scaled).max() < 1
    np.testing.assert_allclose(scaled, wave * gain, rtol=1e-6)
    same, one = scale_peak(wave / 2)
    assert one == 1.0
    assert np.array_equal(same, wave / 2)


@pytest.mark.parametrize(
    ("suffix", "subtype", "written"),
    [
        (".wav", "PCM_16", "PCM_16"),
        (".wav", "PCM_24", "PCM_24"),
        (".flac", "PCM_24", "PCM_24"),
        (".wav", "FLOAT", "FLOAT"),
    ],
)
def test_a_continued_file_keeps_channels_rate_and_every_bit(
    single: MusicLM, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, suffix: str, subtype: str, written: str
) -> None:
    monkeypatch.setattr("brain2music.models.musiclm.continuation.embed_sounds", lambda *_: torch.ones(1, 8))
    monkeypatch.setattr(single, "semantic", None)
    rng = np.random.default_rng(0)
    recording = tmp_path / f"own{suffix}"
    soundfile.write(recording, 0.9 * rng.uniform(-1, 1, (RATE + 7, 2)), RATE, subtype=subtype)
    made = single.continuation(recording, seconds=1.0).save(tmp_path / f"new{suffix}")
    before, after = (soundfile.read(path, dtype="float64")[0] for path in (recording, made))
    assert np.array_equal(after[: len(before)], before)
    assert after.shape == (len(before) + RATE, 2)
    assert (soundfile.info(made).samplerate, soundfile.info(made).subtype) == (RATE, written)
    source = json.loads(made.with_suffix(".json").read_text())["source"]
    assert source["continues"] == recording.name
    assert len(source["continues_sha256"]) == 64
    assert source["new_channels"].startswith("the same mono in each")


def test_a_recording_beyond_full_scale_is_turned_down_with_a_word(
    single: MusicLM, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("brain2music.models.musiclm.continuation.embed_sounds", lambda *_: torch.ones(1, 8))
    monkeypatch.setattr(single, "semantic", None)
    wave = chord(1.5, RATE, 1.0).astype(np.float32)
    soundfile.write(tmp_path / "loud.wav", wave, RATE, subtype="FLOAT")
    for recording, named in ((tmp_path / "loud.wav", "loud.wav: the recording"), ((wave, RATE), "the recording")):
        with pytest.warns(Brain2MusicWarning, match=rf"{named} reaches .*; it is turned down as a whole"):
            made = single.continuation(recording, seconds=1.0)
        assert np.abs(made.waveform).max() < 1
        np.testing.assert_allclose(made.waveform[0, : len(wave)], made.source["gain"] * wave, rtol=1e-4, atol=1e-6)
