"""ManualFiles in and out, by the commands too; bad input; lengths that must not cost memory."""

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music._utils.files import digest_file
from brain2music.cli import app
from brain2music.models.codec_parts.block_codecs import AutoencoderCodec, SoundStreamCodec
from brain2music.models.codec_parts.codes import Codec, Codes
from brain2music.models.codec_parts.codes_file import CodesFile, write_codes
from brain2music.models.codec_parts.files import decode_file, encode_file, read_blocks
from brain2music.models.codecs import codec_names, get_codec
from brain2music.models.soundstream.model import SoundStream


@pytest.fixture(params=["soundstream_folder", "autoencoder_folder"])
def codec(request: pytest.FixtureRequest) -> SoundStreamCodec | AutoencoderCodec:
    return get_codec(str(request.getfixturevalue(request.param)))


def _sound(rng: np.random.Generator, samples: int, channels: int = 1) -> np.ndarray:
    return (0.1 * rng.standard_normal((channels, samples))).astype(np.float32)


def _written(path: Path, sound: np.ndarray, sample_rate: int) -> Path:
    soundfile.write(path, sound.T, sample_rate, subtype="FLOAT")
    return path


def test_both_are_codecs(codec: SoundStreamCodec | AutoencoderCodec) -> None:
    assert isinstance(codec, Codec)
    assert (codec.sample_rate, codec.channels) in ((24000, 1), (48000, 2))


@pytest.mark.parametrize("sample_rate", [8000, 24000, 44100, 192000])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_rate_in_mono_or_stereo(codec: Codec, rng: np.random.Generator, sample_rate: int, channels: int) -> None:
    codes = codec.encode(_sound(rng, sample_rate // 5, channels), sample_rate)
    decoded = codec.decode(codes)
    assert decoded.shape == (codec.channels, codes.samples)
    assert abs(codes.samples - codec.sample_rate // 5) <= 1
    assert np.isfinite(decoded).all()


@pytest.mark.parametrize(
    "sound",
    [np.zeros((1, 4000)), np.full((1, 4000), 0.5), np.full((2, 4000), 7.0), np.ones((1, 1))],
    ids=["silence", "DC", "clipped", "one sample"],
)
def test_odd_sounds_come_back_finite_and_whole(codec: Codec, sound: np.ndarray) -> None:
    decoded = codec.decode(codec.encode(sound, codec.sample_rate))
    assert decoded.shape == (codec.channels, sound.shape[1])
    assert np.isfinite(decoded).all()


@pytest.mark.parametrize(
    ("sound", "sample_rate", "what"),
    [
        (np.full((1, 100), np.nan), 24000, "NaN or infinite"),
        (np.full((1, 100), np.inf), 24000, "NaN or infinite"),
        (np.zeros((6, 100)), 24000, "6 channels"),
        (np.zeros((1, 0)), 24000, "no samples"),
        (np.zeros((1, 100)), 0, "rate of 0 Hz"),
        (np.zeros((1, 1)), 192000, "shorter than one sample"),
    ],
)
def test_what_cannot_be_coded_is_refused_by_name(codec: Codec, sound: np.ndarray, sample_rate: int, what: str) -> None:
    with pytest.raises(InputError, match=what):
        codec.encode(sound, sample_rate)


@pytest.mark.parametrize(("channels", "sample_rate"), [(1, 44100), (2, 24000), (2, 48000)])
def test_a_file_gives_the_codes_of_its_waveform(
    codec: Codec, rng: np.random.Generator, tmp_path: Path, channels: int, sample_rate: int
) -> None:
    sound = _sound(rng, 11 * sample_rate + 7, channels)  # more than one block
    encode_file(_written(tmp_path / "a.wav", sound, sample_rate), tmp_path / "a.codes", codec)
    stored, whole = CodesFile(tmp_path / "a.codes").read(), codec.encode(sound, sample_rate)
    assert (stored.codec, stored.samples) == (codec.name, whole.samples)
    assert stored.values.dtype == whole.values.dtype
    if stored.values.dtype == np.int16:
        assert (stored.values == whole.values).mean() > 0.999
    else:
        np.testing.assert_allclose(stored.values, whole.values, atol=2e-3)


def test_a_decoded_file_is_the_decoded_waveform(codec: Codec, rng: np.random.Generator, tmp_path: Path) -> None:
    codes = codec.encode(_sound(rng, 5 * codec.sample_rate, codec.channels), codec.sample_rate)
    write_codes(tmp_path / "a.codes", codes)
    decode_file(tmp_path / "a.codes", tmp_path / "a.wav")
    decoded, sample_rate = soundfile.read(tmp_path / "a.wav", always_2d=True, dtype="float32")
    assert sample_rate == codec.sample_rate
    np.testing.assert_allclose(decoded.T, codec.decode(codes).clip(-1, 1), atol=1e-4)


def test_blocks_do_not_change_what_is_loud(autoencoder_folder: Path, rng: np.random.Generator) -> None:
    """A quiet part keeps its loudness beside a loud one: nothing is scaled block by block."""
    codec = get_codec(str(autoencoder_folder))
    quiet = 0.01 * _sound(rng, 48000 * 12, 2)
    loud = quiet.copy()
    loud[:, 48000 * 8 :] *= 80
    one, two = (codec.decode(codec.encode(sound, 48000)) for sound in (quiet, loud))
    np.testing.assert_allclose(one[:, : 48000 * 7], two[:, : 48000 * 7], atol=1e-5)


def test_memory_does_not_grow_with_length(soundstream_folder: Path, rng: np.random.Generator, tmp_path: Path) -> None:
    peaks = []
    for minutes in (1, 4):
        file = _written(tmp_path / f"{minutes}.wav", np.tile(_sound(rng, 60 * 8000), minutes), 8000)
        codec = get_codec(str(soundstream_folder))
        tracemalloc.start()
        encode_file(file, tmp_path / "codes", codec)
        decode_file(tmp_path / "codes", tmp_path / "out.wav")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert soundfile.info(tmp_path / "out.wav").frames == minutes * 60 * 24000
    assert peaks[1] < 1.2 * peaks[0]


@pytest.mark.parametrize(
    ("sound", "what"),
    [
        (np.zeros((6, 2400)), "6 channels"),
        (np.full((1, 2400), np.nan), "NaN or infinite"),
        (np.zeros((1, 0)), "no samples"),
        (np.zeros((1, 24)), "1 ms of sound"),
    ],
)
def test_bad_files_are_refused_by_name(tmp_path: Path, sound: np.ndarray, what: str) -> None:
    file = _written(tmp_path / "bad.wav", sound, 24000)
    with pytest.raises(InputError, match=what) as refused:
        list(read_blocks(file, 24000, 1))
    assert refused.value.file == file


def test_a_failed_encoding_leaves_no_file(soundstream_folder: Path, tmp_path: Path) -> None:
    file = _written(tmp_path / "bad.wav", np.full((1, 2400), np.nan), 24000)
    with pytest.raises(InputError):
        encode_file(file, tmp_path / "out.codes", get_codec(str(soundstream_folder)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.wav", "soundstream"]


def test_quantizers_set_the_bitrate(soundstream_folder: Path, rng: np.random.Generator) -> None:
    all_quantizers, two = (get_codec(str(soundstream_folder), levels) for levels in (None, 2))
    sound = _sound(rng, 24000)
    assert (two.kbps, all_quantizers.kbps) == (0.5, 1.0)  # 50 Hz, 2 or 4 quantizers, 5 bits
    np.testing.assert_array_equal(two.encode(sound, 24000).values, all_quantizers.encode(sound, 24000).values[:, :2])


def test_quantizers_that_are_not_there_are_refused(soundstream_folder: Path, autoencoder_folder: Path) -> None:
    with pytest.raises(InputError, match="has 4 quantizers, not 5"):
        get_codec(str(soundstream_folder), 5)
    with pytest.raises(InputError, match="no quantizers"):
        get_codec(str(autoencoder_folder), 2)


def test_codes_of_another_codec_are_refused(soundstream_folder: Path, autoencoder_folder: Path) -> None:
    ids = Codes("other", np.full((3, 4), 999, np.int16), 1440)
    with pytest.raises(InputError, match="not codes of"):
        get_codec(str(soundstream_folder)).decode(ids)
    with pytest.raises(InputError, match="not latents of"):
        get_codec(str(autoencoder_folder)).decode(ids)


def test_files_of_codes_are_plain_safetensors(tmp_path: Path, rng: np.random.Generator) -> None:
    from safetensors.numpy import load_file

    values = rng.integers(0, 1024, (70, 12)).astype(np.int16)
    write_codes(tmp_path / "codes", Codes("name", values, 33000))
    np.testing.assert_array_equal(load_file(tmp_path / "codes")["values"], values)
    file = CodesFile(tmp_path / "codes")
    assert (file.codec, file.samples, file.frames) == ("name", 33000, 70)
    np.testing.assert_array_equal(np.concatenate(list(file.pieces(32))), values)


@pytest.mark.parametrize("content", [b"", b"no safetensors", None])
def test_files_that_are_no_codes_are_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "codes").write_bytes(content)
    with pytest.raises(InputError):
        CodesFile(tmp_path / "codes")


def test_the_commands_encode_and_decode(soundstream_folder: Path, rng: np.random.Generator, tmp_path: Path) -> None:
    audio = _written(tmp_path / "in.wav", _sound(rng, 30000, 2), 44100)
    codes, out, run = tmp_path / "codes.safetensors", tmp_path / "out.wav", CliRunner().invoke
    encoded = run(
        app, ["encode", str(audio), "-o", str(codes), "--codec", str(soundstream_folder), "--n-quantizers", "3"]
    )
    assert encoded.exit_code == 0
    assert "0.75 kbps" in encoded.stdout
    assert run(app, ["decode", str(codes), "-o", str(out)]).exit_code == 0
    assert soundfile.info(out).frames == CodesFile(codes).samples
    assert isinstance(run(app, ["decode", str(codes), "-o", str(tmp_path / "out.txt")]).exception, InputError)


def test_clipping_of_decoded_sound_is_said(soundstream: SoundStream, tmp_path: Path, rng: np.random.Generator) -> None:
    with torch.no_grad():
        soundstream.decoder[-1].bias.fill_(3.0)
    codec = get_codec(str(soundstream.save_pretrained(tmp_path / "loud")))
    write_codes(tmp_path / "codes", replace(codec.encode(_sound(rng, 960), 24000), loudness=None))
    with pytest.warns(Brain2MusicWarning, match="960 decoded samples were beyond"):
        decode_file(tmp_path / "codes", tmp_path / "out.wav")
    found = soundfile.read(tmp_path / "out.wav")[0]
    assert 0.99 < found.max() < 1  # turned down, not cut off
    assert found.std() > 0


def test_the_default_codec_keeps_level_and_silence(tmp_path: Path) -> None:
    """A piece of 12 s, loud, soft and silent, through files: each part comes back within a decibel, peaks below 1."""
    codec, sample_rate = get_codec("mel-tokens-6k"), 22_050
    time = np.arange(4 * sample_rate) / sample_rate
    chord = sum(np.sin(2 * np.pi * hertz * time) for hertz in (220, 277, 330)) * (1 + np.sin(2 * np.pi * 2 * time)) / 6
    parts = [0.99 * chord, 0.02 * chord, 0 * chord]
    file = _written(tmp_path / "in.wav", np.concatenate(parts)[None], sample_rate)
    encode_file(file, tmp_path / "codes", codec)
    decode_file(tmp_path / "codes", tmp_path / "out.wav")
    found = soundfile.read(tmp_path / "out.wav")[0].reshape(3, -1)
    inner = slice(sample_rate // 2, -sample_rate // 2)
    for real, back in zip(parts[:2], found[:2], strict=True):
        assert abs(20 * np.log10(back[inner].std() / real[inner].std())) < 1
    assert not found[2, sample_rate:].any()
    assert np.abs(found).max() < 1
    np.testing.assert_allclose(codec.decode(CodesFile(tmp_path / "codes").read())[0], found.ravel(), atol=1e-4)


def test_codes_say_by_which_weights_and_old_files_are_read(
    soundstream: SoundStream, tmp_path: Path, rng: np.random.Generator
) -> None:
    from safetensors import safe_open
    from safetensors.numpy import save_file

    codec = get_codec(str(soundstream.save_pretrained(tmp_path / "model")))
    audio, codes, out = _written(tmp_path / "in.wav", _sound(rng, 24000), 24000), tmp_path / "c", tmp_path / "out.wav"
    encode_file(audio, codes, codec)
    with safe_open(codes, framework="numpy") as file:
        metadata, values = file.metadata(), file.get_tensor("values")
    assert metadata["weights_sha256"] == digest_file(tmp_path / "model" / "model.safetensors")
    assert metadata["generated_by"].startswith("brain2music")
    decode_file(codes, out)
    with soundfile.SoundFile(out) as file:
        assert json.loads(file.comment)["weights_sha256"] == metadata["weights_sha256"]
    old = {"codec": metadata["codec"], "samples": metadata["samples"]}
    save_file({"values": values}, tmp_path / "old", metadata=old)
    assert CodesFile(tmp_path / "old").loudness is None
    decode_file(tmp_path / "old", out)
    with torch.no_grad():
        soundstream.decoder[-1].bias.fill_(0.1)
    soundstream.save_pretrained(tmp_path / "model")
    with pytest.raises(InputError, match="other weights"):
        decode_file(codes, out)


def test_the_commands_write_over_no_input_and_no_file_of_others(tmp_path: Path, rng: np.random.Generator) -> None:
    audio = _written(tmp_path / "in.wav", _sound(rng, 24000), 24000)
    before, run = audio.read_bytes(), CliRunner().invoke
    notes = tmp_path / "notes.safetensors"
    notes.write_text("mine")
    for asked in (["encode", audio, "-o", audio], ["encode", audio, "-o", notes], ["decode", notes, "-o", audio]):
        assert isinstance(run(app, list(map(str, asked))).exception, InputError)
    assert (audio.read_bytes(), notes.read_text()) == (before, "mine")


def test_codecs_are_listed_with_the_models() -> None:
    listed = CliRunner().invoke(app, ["models"]).stdout
    assert all(f"\n{name} " in listed for name in codec_names())


def test_adapters_are_had_by_the_names_their_codes_carry(rng: np.random.Generator, tmp_path: Path) -> None:
    assert {"opus-6k", "opus-12k", "lyra-v2", "encodec-24khz", "dac-44khz", "mel-hifigan"} <= set(codec_names())
    audio = _written(tmp_path / "in.wav", _sound(rng, 24000), 24000)
    encode_file(audio, tmp_path / "codes", get_codec("opus-6k"))
    assert CodesFile(tmp_path / "codes").codec == "opus-6k"
    decode_file(tmp_path / "codes", tmp_path / "out.wav")
    assert soundfile.info(tmp_path / "out.wav").frames == 48000
