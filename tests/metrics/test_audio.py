"""Distances of sounds against references computed another way, and against what must hold of any distance."""

import sys

import numpy as np
import pytest
import scipy.linalg
from sklearn.covariance import ledoit_wolf

from brain2music._utils.errors import InputError
from brain2music.metrics import audio
from brain2music.metrics.audio import code_use, frechet_distance, log_mel_distance, visqol

RATE = 24_000


def music(rng: np.random.Generator, seconds: float = 1.0) -> np.ndarray:
    """Decaying harmonics over a little noise."""
    t = np.arange(round(seconds * RATE)) / RATE
    tones = sum(np.sin(2 * np.pi * 220 * k * t) / k for k in range(1, 20)) * np.exp(-3 * (t % 0.25))
    return (0.2 * tones + 0.003 * rng.standard_normal(len(t))).astype(np.float32)


def test_log_mel_distance_of_equal_sounds_is_zero_and_of_a_gain_is_the_gain(rng):
    wave = (0.1 * rng.standard_normal(RATE)).astype(np.float32)
    assert log_mel_distance(wave, wave, RATE) == 0
    assert log_mel_distance(wave, wave / 2, RATE) == pytest.approx(20 * np.log10(2), abs=1e-3)


def test_log_mel_distance_counts_nothing_below_100_dB(rng):
    noise = rng.standard_normal(RATE).astype(np.float32)
    assert log_mel_distance(1e-9 * noise, np.zeros_like(noise), RATE) == 0


def test_a_full_scale_sine_is_at_0_dB_plus_what_a_band_adds():
    sine = np.sin(2 * np.pi * 3000 * np.arange(RATE) / RATE).astype(np.float32)
    loudest = audio._decibels(audio.torch.from_numpy(sine[None]), 1024, RATE).max()
    assert 0 <= float(loudest) <= 6.1  # a Hann window spreads it over three bins: 1/2 + 1 + 1/2


def test_log_mel_distance_grows_with_noise_and_ignores_the_codec_padding(rng):
    wave = music(rng)
    noise = rng.standard_normal(len(wave)).astype(np.float32)
    distances = [log_mel_distance(wave, wave + gain * noise, RATE) for gain in (1e-4, 1e-3, 1e-2, 1e-1)]
    assert distances == sorted(distances)
    longer = np.pad(wave + 1e-3 * noise, (0, 320), constant_values=0.5)
    assert log_mel_distance(wave, longer, RATE) == distances[1]


def test_log_mel_distance_of_stereo_is_the_mean_over_channels(rng):
    left, right, made = (music(rng) for _ in range(3))
    both = log_mel_distance(np.stack([left, right]), np.stack([made, made]), RATE)
    apart = [log_mel_distance(channel, made, RATE) for channel in (left, right)]
    assert both == pytest.approx(np.mean(apart), rel=1e-5)


@pytest.mark.parametrize(("reference", "made"), [((RATE,), (RATE - 1,)), ((100,), (100,))])
def test_sounds_that_cannot_be_compared_are_refused(reference, made):
    with pytest.raises(ValueError, match="cannot compare"):
        log_mel_distance(np.ones(reference, np.float32), np.ones(made, np.float32), RATE)


def test_every_mel_band_of_every_window_has_a_bin():
    for rate in (16_000, 24_000, 48_000):
        for window in audio.WINDOWS:
            filters = audio._filters(window, rate)
            assert (filters.max(axis=1) > 0).all()
            assert filters.shape[1] == window // 2 + 1
    assert len(audio._filters(2048, RATE)) == 64


@pytest.mark.slow
def test_visqol_orders_sounds_by_their_noise_and_is_near_its_top_for_the_same_sound(rng):
    pytest.importorskip("visqol")
    wave = music(rng, 3.0)
    noise = rng.standard_normal(len(wave)).astype(np.float32)
    scores = [visqol(wave, wave + gain * noise, RATE) for gain in (0.0, 1e-3, 1e-2, 1e-1)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 4.5
    assert 1 <= scores[-1] < 3


def test_visqol_refuses_silence_and_shorter_sounds():
    with pytest.raises(ValueError, match="needs a reference"):
        visqol(np.zeros(RATE, np.float32), np.zeros(RATE, np.float32), RATE)
    with pytest.raises(ValueError, match="needs a reference"):
        visqol(np.ones(RATE, np.float32), np.ones(RATE - 1, np.float32), RATE)


def test_visqol_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "visqol", None)
    audio._visqol.cache_clear()
    with pytest.raises(InputError, match=r"ViSQOL is not here.*[Pp]ip install"):
        visqol(np.ones(RATE, np.float32), np.ones(RATE, np.float32), RATE)


def by_definition(mean_a, cov_a, mean_b, cov_b) -> float:
    root = scipy.linalg.sqrtm(cov_a @ cov_b).real
    return float(np.sum((mean_a - mean_b) ** 2) + np.trace(cov_a + cov_b - 2 * root))


@pytest.mark.parametrize("rows", [200, 9])
def test_frechet_distance_is_the_matrix_root_of_its_definition(rng, rows):
    a = rng.standard_normal((rows, 6)) @ rng.standard_normal((6, 6))
    b = rng.standard_normal((rows + 5, 6)) + 0.5
    expected = by_definition(a.mean(0), np.cov(a.T), b.mean(0), np.cov(b.T))
    assert frechet_distance(a, b, rng).value == pytest.approx(expected, rel=1e-6)


def test_frechet_distance_with_shrunken_covariances_is_its_definition(rng):
    a, b = rng.standard_normal((30, 8)) * np.arange(1, 9), rng.standard_normal((25, 8))
    expected = by_definition(a.mean(0), ledoit_wolf(a)[0], b.mean(0), ledoit_wolf(b)[0])
    found = frechet_distance(a, b, rng, "ledoit-wolf")
    assert found.value == pytest.approx(expected, rel=1e-6)
    assert (found.n_reference, found.n_made, found.dims, found.shrinkage) == (30, 25, 8, "ledoit-wolf")


def test_frechet_distance_of_known_gaussians_is_found_and_its_bias_shown_by_the_floor(rng):
    a, b = rng.standard_normal((20_000, 3)), 2 * rng.standard_normal((20_000, 3)) + 1
    assert frechet_distance(a, b, rng).value == pytest.approx(3 + 3, rel=0.05)  # |μ|² + Σ (σ - σ')²
    few = frechet_distance(rng.standard_normal((40, 30)), rng.standard_normal((40, 30)), rng)
    assert few.value > 1
    assert few.floor > few.value  # halves have fewer rows still
    assert frechet_distance(a, a, rng).value == pytest.approx(0, abs=1e-9)


def test_frechet_distance_refuses_other_spaces_and_too_few_rows(rng):
    with pytest.raises(ValueError, match="cannot compare"):
        frechet_distance(np.ones((3, 2)), np.ones((5, 2)), rng)


def test_code_use_counts_codes_and_their_density():
    codes = np.array([[0, 1, 2, 3], [0, 0, 0, 0], [0, 0, 1, 1]])
    use = code_use(codes, 4)
    np.testing.assert_allclose(use.used, [1, 0.25, 0.5])
    np.testing.assert_allclose(use.density, [1, 0.25, 0.5])


def test_codes_outside_the_book_are_refused():
    with pytest.raises(ValueError, match="must be there"):
        code_use(np.array([[0, 4]]), 4)
