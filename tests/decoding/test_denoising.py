"""Hopfield denoising, written out, and what it is for."""

import numpy as np
import pytest
from scipy.special import softmax

from brain2music.decoding.denoising import TEMPERATURES, HopfieldDenoising, denoised
from brain2music.metrics.ranking import similarity

from .fitting import held_out_of


def test_denoised_predictions_are_half_the_prediction_and_half_what_it_calls_to_mind(rng):
    predicted, true = rng.standard_normal((2, 30, 6)).astype(np.float32)
    mapped = HopfieldDenoising.of(held_out_of(predicted, true), 0.1).transform(predicted)
    own, clips = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (predicted, true))
    recalled = softmax(own @ clips.T / 0.1, axis=1) @ clips
    both = own + recalled / np.linalg.norm(recalled, axis=1, keepdims=True)
    expected = both / np.linalg.norm(both, axis=1, keepdims=True) * np.linalg.norm(true, axis=1).mean()
    np.testing.assert_allclose(mapped, expected, rtol=1e-4, atol=1e-5)
    assert np.isfinite(
        HopfieldDenoising.of(held_out_of(predicted, true), 0.1).transform(np.zeros_like(predicted))
    ).all()


def test_denoising_leads_noisy_predictions_nearer_to_music_of_a_few_kinds(rng):
    kinds = rng.standard_normal((8, 40))
    true = kinds[rng.integers(8, size=300)] + 0.3 * rng.standard_normal((300, 40))
    true -= true.mean(0)
    predicted = 0.1 * (true + 2 * rng.standard_normal(true.shape))
    fitted, across = denoised(held_out_of(predicted, true), 0)
    assert fitted.temperature in TEMPERATURES

    def nearness(rows):
        return similarity(rows.astype(np.float64), true).diagonal().mean()

    assert nearness(across.predicted) > nearness(predicted) + 0.1
    lengths = [np.linalg.norm(rows, axis=1).mean() for rows in (across.predicted, true)]
    assert lengths[0] == pytest.approx(lengths[1], rel=0.02)
