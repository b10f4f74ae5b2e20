"""Permuted clips keep the level where windows overlap and the paper's null does not; FDR and max-T as in references."""

import numpy as np
import pytest
from scipy.ndimage import uniform_filter1d
from scipy.stats import pearsonr

from brain2music.encoding import fdr, voxel_permutation_test
from brain2music.encoding.significance import gaussian_p


def overlapping(rng, n_voxels, n_clips=30):
    """(clips, 4, voxels) noise averaged over windows of seven scans, one apart, as musicnn's are."""
    scans = rng.standard_normal((n_clips, 10, n_voxels))
    return uniform_filter1d(scans, 7, axis=1)[:, 3:7].astype(np.float32)


def test_permuting_clips_keeps_the_level_where_the_papers_null_is_inflated(rng):
    predicted, measured = overlapping(rng, 2000), overlapping(rng, 2000)
    test = voxel_permutation_test(predicted, measured, rng, 500)
    assert 0.03 < (test.p < 0.05).mean() < 0.07
    gaussian = gaussian_p(test.r, 30 * 4)
    assert (gaussian < 0.05).mean() > 0.12
    assert (fdr(gaussian) < 0.05).sum() > 10
    assert (fdr(test.p) < 0.05).sum() == 0


def test_the_largest_of_all_voxels_controls_the_family(rng):
    """In 200 studies without signal, 5 % or so have any voxel below 0.05; the binomial's 99.9 % are at 21."""
    false = 0
    for _ in range(200):
        predicted, measured = overlapping(rng, 40, 15), overlapping(rng, 40, 15)
        measured[:] = measured[..., :1] + 0.7 * measured  # voxels that go together
        false += (voxel_permutation_test(predicted, measured, rng, 199).p_max < 0.05).any()
    assert 1 <= false <= 21


def test_correlations_and_p_are_those_of_permuting_clip_by_clip(rng):
    predicted, measured = overlapping(rng, 7, 12), overlapping(rng, 7, 12)
    measured += 0.2 * predicted
    sets = np.array([[1, 1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0, 1]], dtype=bool)
    test = voxel_permutation_test(predicted, measured, np.random.default_rng(5), 300, sets)
    orders = np.random.default_rng(5).permuted(np.tile(np.arange(12), (300, 1)), axis=1)
    null = np.array(
        [
            [pearsonr(predicted[..., v].ravel(), measured[order][..., v].ravel()).statistic for v in range(7)]
            for order in orders
        ]
    )
    r = [pearsonr(predicted[..., v].ravel(), measured[..., v].ravel()).statistic for v in range(7)]
    np.testing.assert_allclose(test.r, r, atol=1e-5)
    np.testing.assert_allclose(test.p, (1 + (null >= r).sum(axis=0)) / 301)
    np.testing.assert_allclose(test.p_max, (1 + (null.max(axis=1)[:, None] >= r).sum(axis=0)) / 301)
    means = np.array([null[:, each].mean(axis=1) >= np.mean(np.array(r)[each]) for each in sets])
    np.testing.assert_allclose(test.p_mean, (1 + means.sum(axis=1)) / 301)


def test_batches_of_voxels_change_nothing(rng, monkeypatch):
    predicted, measured = overlapping(rng, 50, 10), overlapping(rng, 50, 10)
    whole = voxel_permutation_test(predicted, measured, np.random.default_rng(1), 99)
    monkeypatch.setattr("brain2music.encoding.significance._BATCH_BYTES", 4 * 7 * 100)
    parts = voxel_permutation_test(predicted, measured, np.random.default_rng(1), 99)
    for field in ("r", "p", "p_max"):
        np.testing.assert_array_equal(getattr(whole, field), getattr(parts, field))


def test_signal_is_found_and_constant_voxels_are_not(rng):
    predicted, measured = overlapping(rng, 30), overlapping(rng, 30)
    measured[..., :10] += predicted[..., :10]
    measured[..., 29] = 3.0
    test = voxel_permutation_test(predicted, measured, rng, 999)
    assert (fdr(test.p)[:10] < 0.05).all()
    assert (test.p_max[:10] < 0.05).all()
    assert test.r[29] == 0
    assert test.p[29] == 1


def test_the_papers_null_is_that_of_independent_gaussians(rng):
    a, b = rng.standard_normal((2, 20_000, 20))
    r = np.array([np.corrcoef(x, y)[0, 1] for x, y in zip(a[:5000], b[:5000], strict=True)])
    assert 0.04 < (gaussian_p(r, 20) < 0.05).mean() < 0.06
    expected = pearsonr(a[0], b[0], alternative="greater").pvalue
    np.testing.assert_allclose(gaussian_p(r[:1], 20), expected, rtol=1e-6)
    np.testing.assert_array_equal(gaussian_p(np.array([1.0, -1.0]), 20), [0, 1])


def test_false_discovery_rates_are_benjamini_and_hochbergs(rng):
    p = rng.uniform(size=50) ** 2
    order = np.argsort(p)
    expected = np.empty(50)
    expected[order] = np.minimum.accumulate((p[order] * 50 / np.arange(1, 51))[::-1])[::-1]
    np.testing.assert_allclose(fdr(p), expected)
    with_gaps = np.insert(p, [3, 20], np.nan)
    q = fdr(with_gaps)
    np.testing.assert_array_equal(np.isnan(q), np.isnan(with_gaps))
    np.testing.assert_allclose(q[~np.isnan(q)], expected)


def test_one_clip_cannot_be_permuted(rng):
    with pytest.raises(ValueError, match="two or more"):
        voxel_permutation_test(overlapping(rng, 3, 1), overlapping(rng, 3, 1), rng)


def test_where_runs_are_balanced_clips_are_exchangeable_within_them_only(rng):
    """60 clips, one of each genre in every run of four: predictions know the genre, responses have no mean by run."""
    runs, genre = np.repeat(np.arange(15), 4), np.tile(np.arange(4), 15)
    predicted, measured = overlapping(rng, 4000, 60), overlapping(rng, 4000, 60)
    predicted = 0.5 * predicted + rng.standard_normal((4, 1, 4000), dtype=np.float32)[genre]
    measured -= np.stack([measured[runs == run].mean(axis=(0, 1)) for run in runs])[:, None]
    free, within = (
        voxel_permutation_test(predicted, measured, np.random.default_rng(0), 1999, blocks=blocks)
        for blocks in (None, runs)
    )
    assert (free.p < 0.01).mean() > 0.015
    assert (within.p < 0.01).mean() == pytest.approx(0.01, abs=0.004)
    np.testing.assert_allclose(free.r, within.r)


def test_clips_that_have_a_run_to_themselves_are_permuted_freely(rng):
    predicted, measured = overlapping(rng, 20, 12), overlapping(rng, 20, 12)
    alone, free = (
        voxel_permutation_test(predicted, measured, np.random.default_rng(0), 99, blocks=blocks)
        for blocks in (np.arange(12), None)
    )
    np.testing.assert_array_equal(alone.p, free.p)
    assert len(np.unique(alone.p)) > 5
