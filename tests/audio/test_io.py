"""Sound files: round trips, parts, rates, and files that are at fault."""

import numpy as np
import pytest
import soundfile

from brain2music._utils.errors import InputError
from brain2music.audio.find import find_audio
from brain2music.audio.io import duration_of, read_audio, resample, write_audio

SAMPLE_RATE = 22050


def tone(seconds=2.0, frequency=440.0, sample_rate=SAMPLE_RATE, peak=0.5):
    return (peak * np.sin(2 * np.pi * frequency * np.arange(round(seconds * sample_rate)) / sample_rate)).astype(
        np.float32
    )


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_lossless_formats_come_back_within_a_16_bit_step(tmp_path, suffix):
    write_audio(tmp_path / f"a{suffix}", tone(), SAMPLE_RATE)
    waveform, sample_rate = read_audio(tmp_path / f"a{suffix}")
    assert sample_rate == SAMPLE_RATE
    np.testing.assert_allclose(waveform, tone(), atol=1.01 / 2**15)


@pytest.mark.parametrize("suffix", [".ogg", ".mp3"])
def test_lossy_formats_keep_length_and_shape_and_are_small(tmp_path, suffix):
    music = tone() + tone(frequency=1234.5, peak=0.2)
    write_audio(tmp_path / f"a{suffix}", music, SAMPLE_RATE)
    waveform, _ = read_audio(tmp_path / f"a{suffix}")
    assert duration_of(tmp_path / f"a{suffix}") == pytest.approx(2.0, abs=0.001)
    assert np.corrcoef(waveform, music)[0, 1] > 0.98
    assert (tmp_path / f"a{suffix}").stat().st_size < 2 * SAMPLE_RATE


def test_a_part_is_the_same_as_cutting_the_whole(tmp_path):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, SAMPLE_RATE * 3).astype(np.float32)
    write_audio(tmp_path / "a.wav", noise, SAMPLE_RATE)
    whole, _ = read_audio(tmp_path / "a.wav")
    part, _ = read_audio(tmp_path / "a.wav", start=0.5, duration=1.0)
    np.testing.assert_array_equal(part, whole[SAMPLE_RATE // 2 : SAMPLE_RATE // 2 + SAMPLE_RATE])
    tail, _ = read_audio(tmp_path / "a.wav", start=2.5, duration=10.0)
    np.testing.assert_array_equal(tail, whole[round(2.5 * SAMPLE_RATE) :])


def test_channels_are_kept_or_averaged(tmp_path):
    stereo = np.stack([tone(), 0.5 * tone(frequency=660.0)])
    write_audio(tmp_path / "a.wav", stereo, SAMPLE_RATE)
    both, _ = read_audio(tmp_path / "a.wav", mono=False)
    mono, _ = read_audio(tmp_path / "a.wav")
    assert both.shape == stereo.shape
    np.testing.assert_allclose(mono, both.mean(axis=0), atol=1e-7)


def test_resampling_keeps_a_tone_and_removes_what_the_new_rate_cannot_hold():
    kept = resample(tone(frequency=1000.0), SAMPLE_RATE, 16000)
    assert kept.shape == (32000,)
    inner = slice(1000, -1000)
    np.testing.assert_allclose(kept[inner], tone(frequency=1000.0, sample_rate=16000)[inner], atol=1e-3)
    assert np.abs(resample(tone(frequency=9500.0), SAMPLE_RATE, 16000)[inner]).max() < 1e-3


def test_both_channels_are_resampled_alike(tmp_path):
    stereo = np.stack([tone(), tone(frequency=660.0)])
    np.testing.assert_array_equal(resample(stereo, SAMPLE_RATE, 16000)[1], resample(stereo[1], SAMPLE_RATE, 16000))


def test_nothing_is_clipped_a_loud_waveform_is_scaled_as_a_whole(tmp_path):
    write_audio(tmp_path / "a.wav", tone(peak=2.0), SAMPLE_RATE)
    waveform, _ = read_audio(tmp_path / "a.wav")
    np.testing.assert_allclose(waveform, tone(peak=2.0) / np.abs(tone(peak=2.0)).max(), atol=1e-4)


def test_files_are_found_below_a_folder_in_order_without_hidden_ones(tmp_path):
    for name in ("b/2.wav", "a/1.FLAC", "c.txt", ".part-x.wav", ".hidden/3.wav", "b/1.mp3"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [str(path.relative_to(tmp_path)) for path in find_audio(tmp_path)] == ["a/1.FLAC", "b/1.mp3", "b/2.wav"]


@pytest.fixture
def bad_file(request, tmp_path):
    path = tmp_path / "bad.wav"
    if request.param == "text":
        path.write_text("this is no sound")
    elif request.param == "empty":
        path.touch()
    elif request.param == "folder":
        path.mkdir()
    elif request.param == "no samples":
        soundfile.write(path, np.zeros((0, 1)), SAMPLE_RATE)
    elif request.param == "NaN":
        soundfile.write(path, np.where(np.arange(100) == 50, np.nan, 0.1), SAMPLE_RATE, subtype="FLOAT")
    elif request.param == "infinite":
        soundfile.write(path, np.where(np.arange(100) == 50, np.inf, 0.1), SAMPLE_RATE, subtype="FLOAT")
    return path


@pytest.mark.parametrize(
    "bad_file", ["missing", "text", "empty", "folder", "no samples", "NaN", "infinite"], indirect=True
)
def test_a_file_at_fault_is_named(bad_file):
    with pytest.raises(InputError) as caught:
        read_audio(bad_file)
    assert caught.value.file == bad_file
    assert caught.value.hint


@pytest.mark.parametrize("bad_file", ["missing", "text", "empty", "folder"], indirect=True)
def test_duration_names_an_unreadable_file_too(bad_file):
    with pytest.raises(InputError, match=r"bad\.wav"):
        duration_of(bad_file)


@pytest.mark.parametrize(("start", "duration"), [(3.0, None), (-1.0, None), (0.5, 0.0), (0.5, -1.0)])
def test_a_part_outside_the_file_is_refused(tmp_path, start, duration):
    write_audio(tmp_path / "a.wav", tone(), SAMPLE_RATE)
    with pytest.raises(InputError, match=r"of a sound file of 2\.00 s"):
        read_audio(tmp_path / "a.wav", start=start, duration=duration)


@pytest.mark.parametrize(("name", "sample_rate"), [("a.m4a", SAMPLE_RATE), ("a", SAMPLE_RATE), ("a.mp3", 96000)])
def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path, name, sample_rate):
    with pytest.raises(InputError, match="cannot write"):
        write_audio(tmp_path / name, tone(), sample_rate)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("waveform", [np.zeros(0, np.float32), np.array([0.1, np.nan], np.float32)])
def test_nothing_meaningless_is_written(tmp_path, waveform):
    with pytest.raises(ValueError, match="empty or holds NaN"):
        write_audio(tmp_path / "a.wav", waveform, SAMPLE_RATE)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_sound_is_refused(tmp_path):
    with pytest.raises(InputError, match="no sound files"):
        find_audio(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        find_audio(tmp_path / "missing")
