"""Similarity of spectrograms, against loops over windows and numpy."""

import numpy as np
import pytest

from brain2music.metrics import log_mel_picture, spectrogram_correlation, structural_similarity


def loop_ssim(a: np.ndarray, b: np.ndarray) -> float:
    values = []
    for i in range(a.shape[0] - 6):
        for j in range(a.shape[1] - 6):
            x, y = a[i : i + 7, j : j + 7].ravel(), b[i : i + 7, j : j + 7].ravel()
            (sxx, sxy), (_, syy) = np.cov(x, y)
            numerator = (2 * x.mean() * y.mean() + 1e-4) * (2 * sxy + 9e-4)
            values.append(numerator / ((x.mean() ** 2 + y.mean() ** 2 + 1e-4) * (sxx + syy + 9e-4)))
    return float(np.mean(values))


def test_structural_similarity_equals_loops(rng: np.random.Generator) -> None:
    a, b = rng.random((12, 15)), rng.random((12, 18))
    assert structural_similarity(a, b) == pytest.approx(loop_ssim(a, b[:, :15]), abs=1e-9)
    assert structural_similarity(a, 0.7 * a + 0.1) == pytest.approx(loop_ssim(a, 0.7 * a + 0.1), abs=1e-9)


def test_correlation_is_numpys_as_far_as_both_last(rng: np.random.Generator) -> None:
    a, b = rng.random((6, 10)), rng.random((6, 8))
    assert spectrogram_correlation(a, b) == pytest.approx(np.corrcoef(a[:, :8].ravel(), b.ravel())[0, 1])
    assert spectrogram_correlation(a, np.ones((6, 10))) == 0.0


def test_a_picture_does_not_depend_on_level_and_rate() -> None:
    time = np.arange(2 * 44_100) / 44_100
    sound = np.sin(2 * np.pi * 440 * time) * np.minimum(1, time)
    picture = log_mel_picture(sound, 44_100)
    np.testing.assert_allclose(log_mel_picture(0.1 * sound, 44_100), picture, atol=1e-5)
    quarter = np.sin(2 * np.pi * 440 * time[::2]) * np.minimum(1, time[::2])
    assert spectrogram_correlation(log_mel_picture(quarter, 22_050), picture) > 0.99
    assert picture.min() >= 0
    assert not log_mel_picture(np.zeros(16_000), 16_000).any()


def test_too_small_a_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="smaller than 7 × 7"):
        structural_similarity(np.ones((64, 5)), np.ones((64, 20)))
