"""Opus takes the bits that it says and keeps time; Lyra is frame-exact, stateful, and found or asked for."""

import io
import sys

import numpy as np
import pytest
import soundfile

from brain2music._utils.errors import InputError
from brain2music.audio.io import read_audio, resample
from brain2music.models.adapters.lyra import FILES, HOP_LENGTH, N_QUANTIZERS, Lyra
from brain2music.models.adapters.opus import Opus, ogg_packets
from brain2music.models.codec_parts.codes import Codec


def music(rng: np.random.Generator, sample_rate: int, seconds: float = 4.0, channels: int = 1) -> np.ndarray:
    """Chords that change four times a second, over noise."""
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    pitch = 110 * 2 ** (rng.integers(0, 24, round(4 * seconds) + 1)[(4 * t).astype(int)] / 12)
    tones = sum(np.sin(k * np.cumsum(2 * np.pi * pitch / sample_rate)) / k for k in range(1, 12))
    return (0.1 * tones + 0.01 * rng.standard_normal((channels, len(t)))).astype(np.float32)


def lag_and_likeness(a: np.ndarray, b: np.ndarray, most: int = 2000) -> tuple[int, float]:
    """Where b fits a best, in samples, and their correlation there."""
    product = np.correlate(np.pad(a, most), b, "valid")
    return int(np.argmax(product)) - most, float(product.max() / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize("kbps", [6.0, 12.0, 24.0])
def test_opus_takes_the_bits_it_is_asked_to(rng, kbps):
    wave = music(rng, 48_000)
    codes = Opus(kbps).encode(wave, 48_000)
    assert Opus.bits(codes) / 1000 / 4.0 == pytest.approx(kbps, rel=0.2)
    assert codes.samples == wave.shape[1]


def test_opus_gives_back_as_many_samples_in_time_and_in_tune(rng):
    wave = music(rng, 48_000)
    codec = Opus(64.0)
    back = codec.decode(codec.encode(wave, 48_000))
    assert back.shape == wave.shape
    lag, likeness = lag_and_likeness(wave[0], back[0])
    assert lag == 0
    assert likeness > 0.97


@pytest.mark.parametrize(
    ("sample_rate", "channels", "samples"), [(44_100, 2, 30_001), (16_000, 1, 777), (48_000, 1, 1)]
)
def test_opus_takes_any_rate_and_channels_and_a_single_sample(rng, sample_rate, channels, samples):
    wave = (0.1 * rng.standard_normal((channels, samples))).astype(np.float32)
    codec = Opus(12.0)
    assert isinstance(codec, Codec)
    codes = codec.encode(wave, sample_rate)
    assert codes.values.dtype == np.uint8
    assert codes.codec == codec.name == "opus-12k"
    assert codec.decode(codes).shape == (1, codes.samples)
    assert abs(codes.samples - samples * 48_000 / sample_rate) <= 1


def test_opus_below_what_the_library_can_do_is_refused():
    with pytest.raises(ValueError, match="6 to 256 kbps"):
        Opus(5.0)


def test_packets_of_an_ogg_stream_add_up_to_it(rng):
    file = io.BytesIO()
    soundfile.write(file, music(rng, 48_000)[0], 48_000, format="OGG", subtype="OPUS")
    data = file.getvalue()
    sizes = ogg_packets(data)
    assert sizes[0] == 19  # OpusHead of mono (RFC 7845)
    assert len(sizes) == pytest.approx(2 + 4.0 / 0.02, abs=2)
    assert sum(sizes) < len(data) < 1.1 * sum(sizes)
    with pytest.raises(ValueError, match="no Ogg page"):
        ogg_packets(data[1:])


def test_lyra_that_is_nowhere_says_where_it_comes_from(monkeypatch, tmp_path):
    monkeypatch.delenv("BRAIN2MUSIC_REAL_DATA", raising=False)
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path))
    with pytest.raises(InputError, match=r"Lyra V2 is not here\. Copy lyra/model_coeffs"):
        Lyra()


def test_a_lyra_folder_that_lacks_a_file_names_it(tmp_path):
    for name in FILES[:2]:
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"lyragan\.tflite is missing"):
        Lyra(tmp_path)


@pytest.fixture(scope="module")
def lyra() -> Lyra:
    from tests.conftest import REAL_DATA

    pytest.importorskip("ai_edge_litert")
    return Lyra(REAL_DATA / "lyra_v2")


@pytest.mark.real_data
def test_lyra_is_found_by_the_environment(monkeypatch, real_data):
    pytest.importorskip("ai_edge_litert")
    monkeypatch.delenv("BRAIN2MUSIC_MODELS", raising=False)
    monkeypatch.setenv("BRAIN2MUSIC_REAL_DATA", str(real_data))
    assert Lyra().folder == real_data / "lyra_v2"
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(InputError, match="not installed"):
        Lyra()


@pytest.mark.real_data
def test_lyra_codes_music_in_16_codes_a_level_and_in_time(lyra, real_data):
    wave, sample_rate = read_audio(real_data / "recorded" / "freecol.03.ogg", duration=3.0, mono=False)
    codes = lyra.encode(wave, sample_rate)
    assert isinstance(lyra, Codec)
    assert codes.values.shape == (150, N_QUANTIZERS)
    assert codes.values.min() == 0
    assert codes.values.max() == 15
    assert lyra.kbps == 9.2
    back = lyra.decode(codes)
    assert back.shape == (1, 48_000)
    lag, likeness = lag_and_likeness(resample(wave.mean(axis=0), sample_rate, 16_000), back[0])
    assert lag == 0
    assert likeness > 0.8


@pytest.mark.real_data
def test_lyra_starts_every_sound_afresh_and_never_looks_ahead(lyra, rng):
    wave = music(rng, 16_000, 0.5)
    first = lyra.encode(wave, 16_000)
    np.testing.assert_array_equal(lyra.encode(wave, 16_000).values, first.values)
    np.testing.assert_array_equal(lyra.decode(first), lyra.decode(first))
    changed = wave.copy()
    changed[:, 10 * HOP_LENGTH] += 0.5
    other = lyra.encode(changed, 16_000).values
    np.testing.assert_array_equal(other[:10], first.values[:10])
    assert (other[10] != first.values[10]).any()


@pytest.mark.real_data
def test_lyra_pads_the_end_and_cuts_it_again(lyra, rng):
    wave = music(rng, 16_000, 0.1)[:, : 2 * HOP_LENGTH + 7]
    codes = lyra.encode(wave, 16_000)
    assert len(codes.values) == 3
    assert lyra.decode(codes).shape == wave.shape
    assert lyra.latents(wave, 16_000).shape == (3, 64)
