"""Sound given as arrays: what they mean is the same in every form, and what means nothing is refused by name."""

import warnings

import numpy as np
import pytest

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music.audio.channels import mix
from brain2music.audio.waveforms import as_channels, as_sample_rate, as_waveform

SAMPLE_RATE = 8000


@pytest.fixture
def wave(rng):
    return (0.3 * rng.standard_normal(SAMPLE_RATE)).clip(-1, 1).astype(np.float32)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


FORMS = {
    "float64": lambda wave: wave.astype(np.float64),
    "float16": lambda wave: wave.astype(np.float16),
    "int16": lambda wave: np.round(wave * 32767).astype(np.int16),
    "big-endian int16": lambda wave: np.round(wave * 32767).astype(">i2"),
    "int32": lambda wave: np.round(wave.astype(np.float64) * (2**31 - 1)).astype(np.int32),
    "uint8": lambda wave: np.round(wave * 127 + 128).astype(np.uint8),
    "(1, samples)": lambda wave: wave[None],
    "(samples, 1)": lambda wave: wave[:, None],
    "(2, samples)": lambda wave: np.stack([wave, wave]),
    "(samples, 2)": lambda wave: np.stack([wave, wave], axis=1),
    "(samples, 2) of int16": lambda wave: np.stack([np.round(wave * 32767).astype(np.int16)] * 2, axis=1),
    "every second of a longer one": lambda wave: np.repeat(wave, 2)[::2],
    "a list": lambda wave: wave.tolist(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_sound_is_the_same_in_every_form(form, wave):
    found, sample_rate = as_waveform(FORMS[form](wave), SAMPLE_RATE)
    assert sample_rate == SAMPLE_RATE
    assert found.dtype == np.float32
    assert found.shape == wave.shape
    np.testing.assert_allclose(found, wave, atol={"uint8": 1 / 64}.get(form, 1e-3))


def test_floats_pass_bit_for_bit_and_unchanged(wave):
    before = wave.copy()
    np.testing.assert_array_equal(as_waveform(wave, SAMPLE_RATE)[0], before)
    np.testing.assert_array_equal(as_waveform(1.5 * wave, SAMPLE_RATE)[0], 1.5 * before)
    np.testing.assert_array_equal(as_channels(np.stack([wave, -wave]).T, SAMPLE_RATE)[0], np.stack([before, -before]))


REFUSED = {
    "windows instead of a sound": (lambda wave: np.zeros((10, 753), np.float32), r"\(10, 753\)"),
    "several sounds at once": (lambda wave: np.stack([wave] * 4), r"\(4, 8000\)"),
    "a batch with an axis of channels": (lambda wave: wave[None, None], r"\(1, 1, 8000\)"),
    "a number": (lambda wave: np.float32(0.5), "single number"),
    "nothing": (lambda wave: wave[:0], "no samples"),
    "no samples in two channels": (lambda wave: np.zeros((2, 0)), "no samples"),
    "NaN": (lambda wave: np.where(np.arange(SAMPLE_RATE) == 7, np.nan, wave), "NaN"),
    "infinity": (lambda wave: np.where(np.arange(SAMPLE_RATE) == 7, np.inf, wave), "infinite"),
    "floats of 16 bits": (lambda wave: wave * 32767, "within ±1"),
    "16 bits in int32": (lambda wave: (wave * 32767).astype(np.int32), "int32"),
    "int64": (lambda wave: (wave * 32767).astype(np.int64), "int64"),
    "uint16": (lambda wave: np.zeros(SAMPLE_RATE, np.uint16), "uint16"),
    "complex": (lambda wave: wave.astype(complex), "complex"),
    "booleans": (lambda wave: wave > 0, "bool"),
    "a path": (lambda wave: "music.wav", "music.wav"),
    "objects": (lambda wave: np.array([None, 1.0]), "object"),
    "ragged": (lambda wave: [[0.1, 0.2], [0.1]], "not a waveform"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_sound_is_refused_in_one_line(case, wave):
    make, named = REFUSED[case]
    with pytest.raises(InputError, match=named) as caught:
        as_waveform(make(wave), SAMPLE_RATE)
    assert "\n" not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    "sample_rate", [0, -1, 0.5, 22050.5, np.nan, np.inf, None, "22050", True, [22050], 999, 768_001]
)
def test_rates_that_are_none_are_refused(sample_rate, wave):
    with pytest.raises(InputError, match="a sample rate of"):
        as_waveform(wave, sample_rate)


@pytest.mark.parametrize("sample_rate", [22050, 22050.0, np.int64(22050), np.float32(22050)])
def test_rates_of_any_kind_of_number_are_whole(sample_rate):
    assert as_sample_rate(sample_rate) == 22050
    assert type(as_sample_rate(sample_rate)) is int


def test_ordinary_stereo_is_the_plain_mean_bit_for_bit(rng):
    for share in (-0.8, -0.5, 0.0, 0.7, 1.0):
        left, other = rng.standard_normal((2, SAMPLE_RATE)).astype(np.float32)
        stereo = np.stack([left, (share * left + np.sqrt(1 - share**2) * other).astype(np.float32)])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            np.testing.assert_array_equal(mix(stereo), stereo.mean(axis=0))


@pytest.mark.parametrize("share", [-1.0, -0.95])
def test_channels_that_cancel_are_not_silence(share, wave):
    with pytest.warns(Brain2MusicWarning, match="cancel"):
        found = mix(np.stack([wave, share * wave]).astype(np.float32))
    np.testing.assert_allclose(found, wave * (1 - share) / 2, atol=1e-6)


def test_four_channels_that_cancel_in_pairs(rng):
    first, second = rng.standard_normal((2, SAMPLE_RATE)).astype(np.float32)
    with pytest.warns(Brain2MusicWarning, match="cancel"):
        found = mix(np.stack([first, -first, 0.1 * second, -0.1 * second]))
    assert np.corrcoef(found, first)[0, 1] > 0.99


def test_silence_in_both_channels_stays_silence():
    assert not mix(np.zeros((2, 100), np.float32)).any()
