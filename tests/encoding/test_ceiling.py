"""Noise ceilings recover what was planted, through windows, drift and few repeats."""

import numpy as np
import pytest
from scipy.ndimage import uniform_filter1d
from scipy.signal import lfilter
from scipy.stats import kstest

from brain2music.brain import regress_out
from brain2music.encoding import Windows, noise_ceiling, normalised
from brain2music.encoding.alignment import average_in
from brain2music.encoding.ceiling import of_average, response_ceiling, shrunken_ceiling
from brain2music.simulation.brain.confounds import slow_courses


def planted_repeats(rng, signal_var, n_repeats=4, n_clips=60, n_scans=10):
    """(repeats, clips, scans, voxels) of signal of the given variances + noise of variance 1, and the signal."""
    signal = rng.standard_normal((n_clips, n_scans, len(signal_var))) * np.sqrt(signal_var)
    noise = rng.standard_normal((n_repeats, n_clips, n_scans, len(signal_var)))
    return (signal + noise).astype(np.float32), signal


def test_ceilings_are_within_five_hundredths_of_the_planted(rng):
    signal_var = np.geomspace(0.1, 3, 300)
    repeats, _ = planted_repeats(rng, signal_var)
    ceiling = noise_ceiling(repeats)
    planted = np.sqrt(signal_var / (signal_var + 1 / 4))
    assert np.abs(ceiling.r - planted).mean() < 0.02
    assert abs((ceiling.r - planted).mean()) < 0.005
    np.testing.assert_allclose(ceiling.signal.mean(), signal_var.mean(), rtol=0.03)
    np.testing.assert_allclose(ceiling.noise.mean(), 1, rtol=0.03)


@pytest.mark.parametrize("n_repeats", [2, 4, 10])
def test_the_number_of_repeats_is_corrected_for(rng, n_repeats):
    repeats, _ = planted_repeats(rng, np.full(200, 0.5), n_repeats)
    planted = np.sqrt(0.5 / (0.5 + 1 / n_repeats))
    assert abs(noise_ceiling(repeats).r.mean() - planted) < 0.01


def test_the_ceiling_is_what_the_noiseless_prediction_reaches(rng):
    repeats, signal = planted_repeats(rng, np.full(100, 0.3))
    average = repeats.mean(axis=0).reshape(-1, 100)
    reached = [np.corrcoef(signal.reshape(-1, 100)[:, v], average[:, v])[0, 1] for v in range(100)]
    assert abs(noise_ceiling(repeats).r.mean() - np.mean(reached)) < 0.02


def test_windows_raise_the_ceiling_of_slow_signals_as_they_do_the_reach_of_a_noiseless_prediction(rng, make_responses):
    clip = rng.standard_normal((60, 1, 100)).repeat(10, axis=1)
    repeats = (0.4 * clip + rng.standard_normal((4, 60, 10, 100))).astype(np.float32)
    responses = make_responses(repeats.mean(axis=0), repeats=repeats)
    scan, window = (response_ceiling(responses, Windows(k, 1, 11 - k)) for k in (1, 7))
    assert abs(scan.r.mean() - np.sqrt(0.16 / (0.16 + 1 / 4))) < 0.02
    assert abs(window.r.mean() - np.sqrt(0.16 / (0.16 + 1 / 4 / 7))) < 0.02


def test_noise_that_lasts_is_not_taken_for_signal(rng):
    """Windows that overlap share noise; its covariance within a repeat must not count."""
    noise = uniform_filter1d(rng.standard_normal((4, 40, 16, 400)), 7, axis=2)[:, :, 3:13].astype(np.float32)
    ceiling = noise_ceiling(noise)
    assert abs(ceiling.signal.mean() / ceiling.noise.mean()) < 0.01
    assert kstest(ceiling.p, "uniform").pvalue > 0.001


def test_drift_removed_from_runs_does_not_pass_for_anticorrelated_signal(rng):
    """Four repeats in one run of 400 scans, high-passed by a moving average over 160: scans minutes apart covary."""
    signal_var = np.r_[np.full(100, 0.3), np.zeros(900)]
    repeats, _ = planted_repeats(rng, signal_var, n_clips=20)
    runs = np.repeat([0, 1], 10)
    for run in (0, 1):
        course = repeats[:, runs == run].reshape(400, -1)
        course += np.cumsum(rng.standard_normal(course.shape), axis=0) / 2
        course -= uniform_filter1d(course, 160, axis=0, mode="nearest")
        repeats[:, runs == run] = course.reshape(4, 10, 10, -1)
    ceiling = noise_ceiling(repeats, runs)
    assert abs(ceiling.signal[:100].mean() - 0.3) < 0.04
    assert abs(ceiling.signal[100:].mean()) < 0.015
    naive = (np.var(repeats.mean(axis=0), axis=(0, 1)) * 4 - np.var(repeats, axis=(1, 2)).mean(axis=0)) / 3
    assert naive[100:].mean() < -0.03  # the plain formula's


def test_slow_noise_that_was_filtered_hides_no_signal(rng):
    """Cosines of 128 s, as fMRIPrep's, regressed out: what is left of slow noise covaries negatively minutes apart."""
    slow, hears = np.repeat([True, False], [300, 1200]), np.tile(np.repeat([True, False], [30, 270]), 5)
    repeats, signal = planted_repeats(rng, 0.25 * hears, n_clips=60)
    runs, cosines = np.repeat(np.arange(6), 10), slow_courses(400, 1.5)
    for run in range(6):
        noise = rng.standard_normal((400, 1500))
        noise[:, slow] = lfilter([np.sqrt(1 - 0.85**2)], [1, -0.85], noise[:, slow], axis=0)
        signals = np.tile(signal[runs == run].reshape(100, -1), (4, 1))
        kept = regress_out((signals + noise).astype(np.float32), cosines)
        repeats[:, runs == run] = kept.reshape(4, 10, 10, -1)
    found = noise_ceiling(repeats, runs).signal
    assert abs(found[slow & ~hears].mean()) < 0.006  # -0.012 where every voxel is taken to be as slow
    assert abs(found[~slow & ~hears].mean()) < 0.006
    assert abs(found[slow & hears].mean() - found[~slow & hears].mean()) < 0.02


def test_p_agrees_with_permuted_clips(rng):
    repeats, _ = planted_repeats(rng, np.linspace(0, 0.06, 300), n_repeats=3, n_clips=20, n_scans=4)
    ceiling = noise_ceiling(repeats)
    centred = repeats - repeats.mean(axis=(1, 2), keepdims=True)
    null = np.empty((1000, 300))
    for i in range(len(null)):
        shuffled = np.stack([repeat[rng.permutation(20)] for repeat in centred])
        null[i] = shuffled.mean(axis=0).var(axis=(0, 1))
    observed = centred.mean(axis=0).var(axis=(0, 1))
    np.testing.assert_allclose(ceiling.p, (null >= observed).mean(axis=0), atol=0.08)


def test_an_encoder_steadies_the_ceilings_of_the_voxels_it_finds(rng):
    signal_var = np.concatenate([np.zeros(600), rng.uniform(0.03, 0.25, 300)])
    repeats, _ = planted_repeats(rng, signal_var, n_clips=15)
    planted, ceiling = np.sqrt(signal_var / (signal_var + 1 / 4)), noise_ceiling(repeats)
    explained = 0.7 + 0.1 * rng.standard_normal(900)  # of the signal, by the encoder; and chance
    r = explained * planted + rng.standard_normal(900) / 30
    found = r > 0.12
    shrunken = shrunken_ceiling(ceiling, 4, r, found)
    error, before = (np.abs(each - planted)[found & (planted > 0)].mean() for each in (shrunken, ceiling.r))
    assert error < 0.92 * before
    np.testing.assert_array_equal(shrunken[~found], ceiling.r[~found])
    learned = of_average(explained**2 * signal_var / (signal_var + 1) + rng.standard_normal(900) / 100, 4)
    with_training = shrunken_ceiling(ceiling, 4, r, found, learned)
    assert np.abs(with_training - planted)[found & (planted > 0)].mean() < 0.97 * error
    np.testing.assert_array_equal(with_training[~found], ceiling.r[~found])
    nothing = np.zeros(900, dtype=bool)
    np.testing.assert_array_equal(shrunken_ceiling(ceiling, 4, r, nothing), ceiling.r)


def test_the_average_of_presentations_is_explained_better_than_one():
    """A model that knows the signal, of variance 1 beside noise of variance 3: r² is 1/4 of one, 4/7 of four's mean."""
    np.testing.assert_allclose(of_average(np.array([0.25, -0.1, 0.0]), 4), [4 / 7, 0.0, 0.0])
    np.testing.assert_allclose(of_average(np.array([0.25]), 1), [0.25])


def test_normalised_correlations_stay_defined_only_where_there_is_signal():
    r, ceiling = np.array([0.3, 0.5, 0.1, 0.2]), np.array([0.6, 0.4, 0.0, 0.1])
    np.testing.assert_allclose(normalised(r, ceiling), [0.5, 1.25, np.nan, np.nan])
    kept = normalised(r, ceiling, reliable=np.array([False, True, True, True]), floor=0.0)
    np.testing.assert_allclose(kept, [np.nan, 1.25, np.nan, 2.0])


def test_ceilings_need_repeats(rng, make_responses):
    assert response_ceiling(make_responses(rng.standard_normal((4, 3, 2))), Windows(1, 1, 3)) is None
    with pytest.raises(ValueError, match="1 repeats of 4 clips"):
        noise_ceiling(np.zeros((1, 4, 3, 2), np.float32))


def test_windows_go_through_every_repeat(rng, make_responses):
    repeats = rng.standard_normal((3, 6, 5, 4)).astype(np.float32)
    responses = make_responses(repeats.mean(axis=0), repeats=repeats)
    windows = Windows(2, 1, 4)
    expected = noise_ceiling(np.stack([average_in(each, windows) for each in repeats]), responses.runs)
    np.testing.assert_array_equal(response_ceiling(responses, windows).r, expected.r)
