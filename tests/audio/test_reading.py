"""Files as recorders, pipes and accidents leave them: what decodes is read, by every way; the rest is named."""

import os
import struct
import warnings

import numpy as np
import pytest
import soundfile

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music.audio.info import audio_info
from brain2music.audio.io import duration_of, read_audio
from brain2music.audio.mp3 import count_frames
from brain2music.audio.reading import open_sound
from brain2music.models.codec_parts.files import read_blocks

SAMPLE_RATE = 22050
SECONDS = 3
FORMATS = {"wav": "WAV", "flac": "FLAC", "mp3": "MP3", "aiff": "AIFF", "au": "AU", "caf": "CAF", "w64": "W64"}


@pytest.fixture(scope="module")
def music():
    time = np.arange(SECONDS * SAMPLE_RATE) / SAMPLE_RATE
    noise = 0.2 * np.random.default_rng(0).standard_normal(len(time)) * (time > SECONDS / 2)  # louder later: VBR
    return (0.01 * np.sin(2 * np.pi * 440 * time) + noise).astype(np.float32)


@pytest.fixture
def written(music, tmp_path):
    def write(suffix, **options):
        path = tmp_path / f"whole.{suffix}"
        soundfile.write(path, music, SAMPLE_RATE, format=FORMATS.get(suffix, "RF64"), **options)
        return path

    return write


def changed(path, edits=(), cut=None, garbage=None):
    """A copy with some bytes changed: (offset, bytes), the end cut off, or noise in a share of it."""
    data = bytearray(path.read_bytes())
    for offset, new in edits:
        data[offset : offset + len(new)] = new
    if garbage is not None:
        first, last = (round(share * len(data)) for share in garbage)
        data[first:last] = np.random.default_rng(1).integers(0, 256, last - first, dtype=np.uint8).tobytes()
    copy = path.with_name(f"changed{path.suffix}")
    copy.write_bytes(bytes(data[: None if cut is None else round(cut * len(data))]))
    return copy


def place(path, name, after=0):
    return path.read_bytes().index(name) + len(name) + after


def unknown_length(suffix, path):
    """The edits that make a header say nothing of the length, as pipes leave it."""
    data = path.read_bytes()
    if suffix == "flac":
        return [(21, bytes([data[21] & 0xF0])), (22, bytes(4))]
    if suffix == "au":
        return [(8, bytes(4))]
    if suffix == "caf":
        return [(place(path, b"data"), b"\xff" * 8)]
    return [(4, bytes(4)), (place(path, b"data"), bytes(4))]


def blocks_of(path):
    return np.concatenate(list(read_blocks(path, SAMPLE_RATE, 1)), axis=1)[0]


@pytest.mark.parametrize("suffix", ["flac", "wav", "au", "caf"])
def test_a_header_without_a_length_costs_no_sample(suffix, written):
    whole = written(suffix)
    path = changed(whole, unknown_length(suffix, whole))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, sample_rate = read_audio(path)
        np.testing.assert_array_equal(found, read_audio(whole)[0])
        np.testing.assert_array_equal(blocks_of(path), found)
        assert (sample_rate, duration_of(path)) == (SAMPLE_RATE, SECONDS)
        part, _ = read_audio(path, start=1.0, duration=0.5)
    np.testing.assert_array_equal(part, found[SAMPLE_RATE : SAMPLE_RATE + SAMPLE_RATE // 2])


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF, 0x7FFFF000, 0x80000000])
def test_lengths_that_pipes_write_in_wav(length, written):
    whole = written("wav")
    path = changed(whole, [(place(whole, b"data"), struct.pack("<I", length))])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(read_audio(path)[0], read_audio(whole)[0])


def test_a_wav_whose_sound_is_really_empty_is_no_sound(tmp_path):
    path = tmp_path / "a.wav"
    head = b"RIFF\x28\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0" + struct.pack("<IIHH", SAMPLE_RATE, 2 * SAMPLE_RATE, 2, 16)
    path.write_bytes(head + b"data\0\0\0\0LIST\x04\0\0\0INFO")
    with pytest.raises(InputError, match="no samples"):
        read_audio(path)


def tag_of(path):
    data = path.read_bytes()
    return max(data.find(b"Xing"), data.find(b"Info"))


@pytest.mark.parametrize("share", [0.25, 10])
def test_the_length_that_an_mp3_tells_is_not_believed(share, written):
    whole = written("mp3", bitrate_mode="VARIABLE")
    at = tag_of(whole) + 8
    told = struct.unpack(">I", whole.read_bytes()[at : at + 4])[0]
    path = changed(whole, [(at, struct.pack(">I", round(share * told)))])
    with pytest.warns(Brain2MusicWarning, match=r"header says .* 3\.00 s are there"):
        found, _ = read_audio(path)
    np.testing.assert_array_equal(found, read_audio(whole)[0])
    with pytest.warns(Brain2MusicWarning):
        np.testing.assert_array_equal(blocks_of(path), found)
    with pytest.warns(Brain2MusicWarning):
        assert duration_of(path) == SECONDS


def test_an_mp3_that_tells_no_length_is_read_to_its_end(written):
    whole = written("mp3", bitrate_mode="VARIABLE")
    path = changed(whole, [(tag_of(whole), bytes(4))])
    found, _ = read_audio(path)
    assert duration_of(path) == pytest.approx(SECONDS, abs=0.12)  # a tag tells the encoder's delay too
    assert len(found) == round(duration_of(path) * SAMPLE_RATE)
    expected = read_audio(whole)[0][-9000:-1000]
    lag = int(np.correlate(found[-12000:], expected, "valid").argmax())
    np.testing.assert_allclose(found[len(found) - 12000 + lag :][: len(expected)], expected, atol=1e-3)


def test_joined_mp3s_are_read_to_the_end_of_the_last(written, tmp_path):
    data = written("mp3", bitrate_mode="VARIABLE").read_bytes()
    (tmp_path / "joined.mp3").write_bytes(data + data)
    with pytest.warns(Brain2MusicWarning, match="header says"):
        assert duration_of(tmp_path / "joined.mp3") == pytest.approx(2 * SECONDS, abs=0.15)


def test_frames_are_counted_past_tags_and_rubbish(written, tmp_path):
    data = written("mp3", bitrate_mode="VARIABLE").read_bytes()
    picture = b"ID3\x04\0\0" + bytes([0, 0, 16, 0]) + b"\xff\xfb\x90\x44" * 512
    (tmp_path / "a.mp3").write_bytes(picture + data + b"TAG" + bytes(125))
    found = count_frames(tmp_path / "a.mp3")
    assert found is not None
    assert found.samples == SECONDS * SAMPLE_RATE
    np.testing.assert_array_equal(read_audio(tmp_path / "a.mp3")[0], read_audio(tmp_path / "whole.mp3")[0])


@pytest.mark.parametrize("suffix", ["wav", "flac", "aiff", "caf", "w64"])
def test_what_is_left_of_a_cut_file_is_used_if_it_is_most(suffix, written):
    whole = written(suffix)
    path = changed(whole, cut=0.8)
    with pytest.warns(Brain2MusicWarning, match=r"header says (3\.0|2\.9)\d s of sound, (2|1)\.\d\d s are there"):
        found, _ = read_audio(path)
    np.testing.assert_array_equal(found, read_audio(whole)[0][: len(found)])
    with pytest.warns(Brain2MusicWarning):
        np.testing.assert_array_equal(blocks_of(path), found)
    with pytest.warns(Brain2MusicWarning):
        assert duration_of(path) == len(found) / SAMPLE_RATE


@pytest.mark.parametrize("suffix", ["wav", "flac", "aiff", "caf", "w64"])
def test_less_than_half_of_a_file_is_refused_by_every_way(suffix, written):
    path = changed(written(suffix), cut=0.05)
    for read in (read_audio, duration_of, blocks_of):
        with pytest.raises(InputError, match=r"only .* can be read"):
            read(path)


def test_damage_inside_a_flac_is_silent_and_what_follows_stays_in_its_place(written):
    whole = written("flac")
    path = changed(whole, garbage=(0.6, 0.62))
    with pytest.warns(Brain2MusicWarning, match="damaged, and silent"):
        found, _ = read_audio(path)
    expected = read_audio(whole)[0]
    assert len(found) == len(expected)
    same = found == expected
    assert same.mean() > 0.6
    assert same[-SAMPLE_RATE // 8 :].all()
    with pytest.warns(Brain2MusicWarning, match="damaged"):
        np.testing.assert_array_equal(blocks_of(path), found)


def test_damage_inside_an_mp3_is_passed_over(written):
    path = changed(written("mp3", bitrate_mode="VARIABLE"), garbage=(0.4, 0.5))
    with pytest.warns(Brain2MusicWarning, match="damaged parts are passed over"):
        found, _ = read_audio(path)
    assert 2 < len(found) / SAMPLE_RATE < SECONDS
    with pytest.warns(Brain2MusicWarning):
        np.testing.assert_array_equal(blocks_of(path), found)


@pytest.mark.parametrize(("garbage", "least"), [((0.1, 0.15), 9), ((0.9, 0.95), 11)])
def test_an_ogg_that_gives_less_than_its_last_page_says_is_warned_of(garbage, least, tmp_path, music):
    path = tmp_path / "whole.ogg"
    soundfile.write(path, np.tile(music, 4), SAMPLE_RATE, format="OGG")
    with pytest.warns(Brain2MusicWarning, match=r"12\.00 s of sound, 1\d\.\d\d s are there"):
        found, _ = read_audio(changed(path, garbage=garbage))
    assert least < len(found) / SAMPLE_RATE < 12


@pytest.mark.parametrize("subtype", ["GSM610", "IMA_ADPCM", "ULAW"])
def test_codecs_inside_wav_are_read(subtype, tmp_path, music):
    soundfile.write(tmp_path / "a.wav", music, 8000, subtype=subtype)
    found, sample_rate = read_audio(tmp_path / "a.wav")
    assert sample_rate == 8000
    np.testing.assert_array_equal(read_audio(tmp_path / "a.wav", start=1.0, duration=2.0)[0], found[8000:24000])


@pytest.mark.parametrize("suffix", ["caf", "w64", "rf64", "aifc", "wave"])
def test_rarer_formats_are_read(suffix, tmp_path, music):
    kind = {"caf": "CAF", "w64": "W64", "rf64": "RF64", "aifc": "AIFF", "wave": "WAV"}[suffix]
    soundfile.write(tmp_path / f"a.{suffix}", music, SAMPLE_RATE, format=kind)
    np.testing.assert_allclose(read_audio(tmp_path / f"a.{suffix}")[0], music, atol=1 / 2**14)


@pytest.mark.parametrize(("name", "kind"), [("a.mp3", "WAV"), ("a.wav", "MP3"), ("a.flac", "OGG"), ("a", "FLAC")])
def test_the_bytes_say_what_a_file_is_not_its_name(name, kind, tmp_path, music):
    soundfile.write(tmp_path / name, music, SAMPLE_RATE, format=kind)
    assert duration_of(tmp_path / name) == pytest.approx(SECONDS, abs=0.01)


def test_names_that_are_not_utf_8(tmp_path, written):
    path = tmp_path / b"caf\xe9.wav".decode("utf-8", "surrogateescape")
    path.write_bytes(written("wav").read_bytes())
    np.testing.assert_array_equal(read_audio(path)[0], read_audio(tmp_path / "whole.wav")[0])


def test_an_empty_file_is_called_empty(tmp_path):
    (tmp_path / "a.mp3").touch()
    for read in (read_audio, duration_of, blocks_of):
        with pytest.raises(InputError, match="is empty"):
            read(tmp_path / "a.mp3")


@pytest.mark.parametrize("milliseconds", [1, 20])
def test_next_to_no_sound_is_none(milliseconds, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.ones(milliseconds * 8), 8000)
    with pytest.raises(InputError, match=f"holds {milliseconds} ms"):
        open_sound(tmp_path / "a.wav")


def test_stereo_that_cancels_is_mixed_alike_as_a_whole_and_in_blocks(tmp_path, rng):
    wave = 0.1 * rng.standard_normal(12 * SAMPLE_RATE)
    soundfile.write(tmp_path / "a.wav", np.stack([wave, -wave], axis=1), SAMPLE_RATE, subtype="FLOAT")
    with pytest.warns(Brain2MusicWarning, match="cancel"):
        found, _ = read_audio(tmp_path / "a.wav")
    np.testing.assert_allclose(found, wave, atol=1e-6)
    with pytest.warns(Brain2MusicWarning, match="cancel"):
        np.testing.assert_array_equal(blocks_of(tmp_path / "a.wav"), found)


def test_what_is_no_file_is_named_for_what_it_is(tmp_path):
    (tmp_path / "folder.wav").mkdir()
    os.mkfifo(tmp_path / "pipe.wav")
    for name, told in ("folder.wav", "a folder"), ("pipe.wav", "a pipe or a device"), ("none.wav", "is missing"):
        with pytest.raises(InputError, match=told):
            read_audio(tmp_path / name)


@pytest.mark.parametrize("share", [1.0, 32768.0])
def test_floats_that_nobody_scaled_are_refused_like_those_of_an_array(music, tmp_path, share):
    soundfile.write(tmp_path / "x.wav", share * music, SAMPLE_RATE, subtype="FLOAT")
    if share == 1.0:
        np.testing.assert_array_equal(read_audio(tmp_path / "x.wav")[0], music)
        return
    for read in (lambda path: read_audio(path), lambda path: list(read_blocks(path, SAMPLE_RATE, 1))):
        with pytest.raises(InputError, match=r"x.wav: the sound file reaches .* floats are within ±1"):
            read(tmp_path / "x.wav")


@pytest.mark.parametrize(("subtype", "bits"), [("PCM_16", 16), ("PCM_U8", 16), ("PCM_24", 24), ("FLOAT", 32)])
def test_the_shape_of_a_file_is_what_is_read_of_it_whatever_the_header_says(written, subtype, bits):
    path = written("wav", subtype=subtype)
    at = path.read_bytes().find(b"data") + 4
    assert audio_info(path) == (SAMPLE_RATE, 1, SECONDS, bits)
    for size in (0, 0xFFFFFFFF, 0x7FFFFFFF):
        copy = changed(path, [(at, struct.pack("<I", size))])
        assert audio_info(copy)[:3] == (SAMPLE_RATE, 1, pytest.approx(len(read_audio(copy)[0]) / SAMPLE_RATE))
        assert audio_info(copy).seconds == pytest.approx(SECONDS, abs=0.01)


def test_a_damaged_mp3_is_spoken_of_by_us_alone(written, capfd):
    """libmpg123 prints several lines a place past Python; ours goes by a warning, and later output is seen again."""
    copy = changed(written("mp3"), garbage=(0.5, 0.6))
    with pytest.warns(Brain2MusicWarning):
        read_audio(copy)
    assert capfd.readouterr().err == ""
    os.write(2, b"seen")
    assert capfd.readouterr().err == "seen"


@pytest.mark.parametrize("asked", [{"start": float("nan")}, {"duration": float("nan")}, {"duration": float("inf")}])
def test_a_part_is_asked_for_in_seconds(written, asked):
    with pytest.raises(InputError, match="asked for"):
        read_audio(written("wav"), **asked)
