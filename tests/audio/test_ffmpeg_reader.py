"""Formats that libsndfile does not know: through PyAV, by content; named where it is not installed."""

import numpy as np
import pytest
import soundfile

from brain2music._utils.errors import InputError
from brain2music.audio import ffmpeg_reader, find
from brain2music.audio.find import scan_folder
from brain2music.audio.io import duration_of, read_audio
from brain2music.models.codec_parts.files import read_blocks

SAMPLE_RATE = 48000
CODECS = {"m4a": "aac", "mp4": "aac", "webm": "libopus", "wma": "wmav2", "aac": "aac"}


@pytest.fixture(scope="module")
def stereo():
    time = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    return np.stack([0.3 * np.sin(2 * np.pi * hertz * time) for hertz in (440, 660)]).astype(np.float32)


@pytest.fixture
def write(stereo, tmp_path):
    av = pytest.importorskip("av")

    def encode(suffix):
        path = tmp_path / f"a.{suffix}"
        kind = {"m4a": "ipod", "wma": "asf", "aac": "adts"}.get(suffix, suffix)
        with av.open(str(path), "w", format=kind) as container:
            stream = container.add_stream(CODECS[suffix], rate=SAMPLE_RATE, layout="stereo")
            stream.bit_rate = 128_000
            frame = av.AudioFrame.from_ndarray(stereo, format="fltp", layout="stereo")
            frame.sample_rate = SAMPLE_RATE
            resampler = av.AudioResampler(stream.format, "stereo", SAMPLE_RATE, stream.frame_size or 1024)
            for part in (*resampler.resample(frame), *resampler.resample(None), None):
                container.mux(stream.encode(part))
        return path

    return encode


@pytest.mark.parametrize("suffix", CODECS)
def test_containers_are_read_whole_in_parts_and_in_blocks(suffix, write, stereo):
    path = write(suffix)
    found, sample_rate = read_audio(path, mono=False)
    assert (sample_rate, found.shape[0]) == (SAMPLE_RATE, 2)
    assert duration_of(path) == found.shape[1] / SAMPLE_RATE == pytest.approx(2, abs=0.06)
    for channel, hertz in zip(found, (440, 660), strict=True):
        spectrum = np.abs(np.fft.rfft(channel[:SAMPLE_RATE]))
        assert spectrum.argmax() == hertz
    part, _ = read_audio(path, mono=False, start=0.5, duration=1.0)
    np.testing.assert_array_equal(part, found[:, SAMPLE_RATE // 2 : 3 * SAMPLE_RATE // 2])
    np.testing.assert_array_equal(np.concatenate(list(read_blocks(path, SAMPLE_RATE, 2)), axis=1), found)


def test_the_bytes_say_what_it_is(write):
    path = write("m4a")
    renamed = path.rename(path.with_name("song.mp3"))
    assert duration_of(renamed) == pytest.approx(2, abs=0.06)


def test_damaged_containers_are_named(write, tmp_path):
    path = tmp_path / "b.mp3"
    path.write_bytes(write("m4a").read_bytes()[:3000])
    with pytest.raises(InputError, match="this m4a or mp4 file is damaged") as caught:
        read_audio(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["b.m4a", "c.aac", "d.wma", "e.webm", "f.mp4", "g.wav", "h.mp3"])
def test_noise_under_any_name_is_no_sound(name, tmp_path):
    (tmp_path / name).write_bytes(np.random.default_rng(0).integers(0, 256, 2000, dtype=np.uint8).tobytes())
    with pytest.raises(InputError, match="not a readable sound file"):
        read_audio(tmp_path / name)


def test_without_pyav_such_files_are_passed_over_by_name_and_say_what_they_need(write, monkeypatch, tmp_path):
    path = write("m4a")
    soundfile.write(tmp_path / "b.wav", np.zeros(8000), 8000)
    assert [each.name for each in scan_folder(tmp_path).files] == ["a.m4a", "b.wav"]
    monkeypatch.setattr(ffmpeg_reader, "is_available", lambda: False)
    monkeypatch.setattr(find, "is_available", lambda: False)
    found = scan_folder(tmp_path)
    assert [each.name for each in found.files] == ["b.wav"]
    assert found.passed_over[0][0] == path
    assert "PyAV" in found.passed_over[0][1]
    with pytest.raises(InputError, match="m4a or mp4 sound, which needs PyAV"):
        read_audio(path)
