"""Stimuli: found in every layout, cut where the events say, faded and levelled as in the experiment."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from brain2music._utils.errors import InputError
from brain2music.study import Clip, Stimuli
from brain2music.study.check import find_respelt
from brain2music.study.stimuli import StimulusError, fade

RATE = 22050
CLIP = Clip("blues.00017", 6.44, 21.44, genre="blues")


def write(path: Path, seconds: float = 30.0, channels: int = 1) -> np.ndarray:
    """Write noise as 32-bit float; returns it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (round(seconds * RATE), channels)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, shape).astype(np.float32)
    soundfile.write(path, noise, RATE, subtype="FLOAT")
    return noise


@pytest.mark.parametrize(
    ("clip", "place"),
    [
        (CLIP, "blues/blues.00017.wav"),
        (CLIP, "blues/blues.00017.au"),
        (CLIP, "blues/blues.00017.flac"),
        (CLIP, "genres_original/blues/blues.00017.wav"),
        (CLIP, "blues.00017.ogg"),
        (Clip("folk/song.wav", 0.0, 1.0), "folk/song.wav"),
        (Clip("folk/song", 0.0, 1.0), "folk/song.mp3"),
        (Clip("stim-tone", 0.0, 1.0), "stim-tone_audio.wav"),
    ],
)
def test_found_in_every_layout(tmp_path: Path, clip: Clip, place: str) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    assert Stimuli(tmp_path).find(clip) == path


@pytest.mark.parametrize(
    ("track", "place"),
    [
        ("song.wav", "song.WAV"),
        ("song", "Song.Wav"),
        ("Folk/Song.wav", "folk/SONG.wav"),
        ("B\u00e9la.wav", "Be\u0301la.wav"),
        ("be\u0301la/1.wav", "B\u00c9LA/1.wav"),
    ],
)
def test_case_and_accents_that_file_systems_change_are_read_around(tmp_path: Path, track: str, place: str) -> None:
    path, stimuli, clip = tmp_path / place, Stimuli(tmp_path), Clip(track, 0.0, 1.0)
    write(path)
    assert stimuli.find(clip) == path
    assert stimuli.respelt(clip) == path
    (finding,) = find_respelt([clip, Clip(track, 1.0, 2.0)], stimuli)
    assert place in finding.what
    write(tmp_path / track if "." in track else tmp_path / f"{track}.wav")
    assert stimuli.find(clip) != path
    assert find_respelt([clip], stimuli) == []


def test_of_several_spellings_none_is_guessed(tmp_path: Path) -> None:
    for name in ("SONG.wav", "Song.wav"):
        write(tmp_path / name)
    assert Stimuli(tmp_path).find(Clip("Song.wav", 0.0, 1.0)).name == "Song.wav"
    with pytest.raises(StimulusError, match=r"SONG\.wav.*Song\.wav"):
        Stimuli(tmp_path).find(Clip("song.wav", 0.0, 1.0))


def test_presented_as_in_the_experiment(tmp_path: Path) -> None:
    recording = write(tmp_path / "blues" / "blues.00017.wav")[:, 0]
    waveform, rate = Stimuli(tmp_path).waveform(CLIP)
    expected = recording[round(6.44 * RATE) :][: 15 * RATE].astype(float)
    ramp = np.sin(np.linspace(0, np.pi / 2, 2 * RATE))
    expected[: 2 * RATE] *= ramp
    expected[-2 * RATE :] *= ramp[::-1]
    expected *= 0.13210295550519335 / np.sqrt(np.mean(expected**2))
    assert (rate, waveform.dtype, waveform.shape) == (RATE, np.float32, (15 * RATE,))
    np.testing.assert_allclose(waveform, expected, atol=1e-6)
    assert waveform[0] == 0


def test_as_recorded(tmp_path: Path) -> None:
    recording = write(tmp_path / "blues" / "blues.00017.wav", channels=2)
    waveform, _ = Stimuli(tmp_path, fade_s=0.0, rms=None).waveform(CLIP)
    first = round(6.44 * RATE)
    np.testing.assert_allclose(waveform, recording[first : first + 15 * RATE].mean(axis=1), atol=1e-7)


def test_a_sliver_that_is_missing_at_the_end_is_silence(tmp_path: Path) -> None:
    recording = write(tmp_path / "blues" / "blues.00017.wav", seconds=21.40)[:, 0]
    waveform, _ = Stimuli(tmp_path, fade_s=0.0, rms=None).waveform(CLIP)
    there = len(recording) - round(6.44 * RATE)
    assert len(waveform) == 15 * RATE
    np.testing.assert_array_equal(waveform[:there], recording[-there:])
    assert not waveform[there:].any()


def test_fades_of_a_short_clip_meet_in_its_middle() -> None:
    gain = fade(9, fade_s=2.0, rate=RATE)
    assert gain.shape == (9,)
    assert gain.argmax() == 4 or gain[4] == 1
    np.testing.assert_array_equal(gain, gain[::-1])


@pytest.mark.parametrize("problem", ["missing", "short", "unreadable", "silent", "empty", "nan"])
def test_problems_name_the_file(tmp_path: Path, problem: str) -> None:
    path = tmp_path / "blues" / "blues.00017.wav"
    if problem == "short":
        write(path, seconds=20.0)
    elif problem != "missing":
        path.parent.mkdir()
        samples = {"silent": np.zeros(30 * RATE), "empty": np.zeros(0), "nan": np.full(30 * RATE, np.nan)}
        soundfile.write(path, samples.get(problem, np.ones(9)), RATE, subtype="FLOAT")
    if problem == "unreadable":
        path.write_bytes(b"RIFF" + bytes(40))
    with pytest.raises(StimulusError) as raised:
        Stimuli(tmp_path).waveform(CLIP)
    code = {"empty": "audio-short", "nan": "audio-unreadable"}.get(problem, f"audio-{problem}")
    assert raised.value.code == code
    assert "blues.00017" in str(raised.value)
    assert isinstance(raised.value, InputError)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder of stimuli here"):
        Stimuli(tmp_path / "nowhere").find(CLIP)


@pytest.mark.parametrize("settings", [{"fade_s": -1.0}, {"rms": 0.0}])
def test_settings_are_checked(tmp_path: Path, settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="negative"):
        Stimuli(tmp_path, **settings)
