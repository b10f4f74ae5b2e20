"""Cleaning: against scipy and nilearn, and against drifts that were put in."""

import warnings

import numpy as np
import pytest
from nilearn.signal import clean as nilearn_clean
from scipy.ndimage import median_filter
from scipy.signal import detrend as scipy_detrend

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music.brain import detrend, regress_out, zscore
from brain2music.brain.clean import clean_run, cosine_basis, read_confounds
from brain2music.brain.running_median import subtract_running_median


@pytest.fixture
def series(rng) -> np.ndarray:
    return rng.normal(100, 10, (60, 7)).astype(np.float32)


def test_median_equals_scipys_voxel_by_voxel(series):
    expected = [voxel - median_filter(voxel, 11, mode="reflect") for voxel in series.T]
    np.testing.assert_allclose(detrend(series, 1.5, "median", window_s=16.0), np.transpose(expected), rtol=1e-6)


@pytest.mark.parametrize("scans", [1, 2, 3, 5, 31, 32, 33, 64, 410, 1000])
@pytest.mark.parametrize("rounded_to", [0.0, 1.0, 20.0])
def test_running_median_equals_scipys_at_any_length_with_and_without_ties(rng, scans, rounded_to):
    x = rng.normal(-3, 20, (scans, 37)).astype(np.float32)  # 37 voxels are no whole number of lanes
    x = np.round(x / np.float32(rounded_to)) * np.float32(rounded_to) if rounded_to else x
    for window in {1, 2, 3, 10, 31, 160, scans, scans + 5, 2 * scans}:
        size = 2 * (min(window, scans) // 2) + 1
        expected = x - median_filter(x, (size, 1), mode="reflect")
        np.testing.assert_array_equal(subtract_running_median(x, window), expected, err_msg=f"window {window}")


def test_running_median_orders_the_whole_range_of_floats(rng):
    powers = rng.uniform(-38, 38, (50, 20))
    x = (rng.choice([-1, 1], powers.shape) * 10.0**powers).astype(np.float32)
    x[rng.random(x.shape) < 0.2] = -0.0
    expected = x - median_filter(x, (11, 1), mode="reflect")
    np.testing.assert_array_equal(subtract_running_median(x, 10), expected)
    np.testing.assert_array_equal(subtract_running_median(np.asfortranarray(x), 10), expected)
    assert subtract_running_median(x[:, :0], 10).shape == (50, 0)


def test_median_crosses_blocks_of_voxels(rng):
    many = rng.standard_normal((20, 4100)).astype(np.float32)
    cleaned = detrend(many, 1.0, "median", 7.0)
    np.testing.assert_array_equal(cleaned[:, -5:], detrend(many[:, -5:].copy(), 1.0, "median", 7.0))


def test_the_papers_window_removes_a_slow_drift_and_keeps_the_signal(rng):
    time = np.arange(410) * 1.5
    drift = 3 * np.sin(2 * np.pi * time / 1800)
    signal = rng.standard_normal((410, 3)).astype(np.float32)
    drifting = signal + drift[:, None].astype(np.float32)
    cleaned = detrend(drifting, 1.5)
    for voxel in range(3):
        assert np.corrcoef(cleaned[:, voxel], signal[:, voxel])[0, 1] > 0.9
        assert np.corrcoef(cleaned[:, voxel], drift)[0, 1] < 0.4 < np.corrcoef(drifting[:, voxel], drift)[0, 1]


def test_a_window_longer_than_the_run_is_cut_to_it(series):
    np.testing.assert_array_equal(detrend(series, 1.5, "median", 1e4), detrend(series, 1.5, "median", 60 * 1.5))


def test_linear_equals_scipys(series):
    np.testing.assert_allclose(detrend(series, 1.5, "linear"), scipy_detrend(series, axis=0), atol=1e-3)


def test_cosine_equals_nilearns(series):
    expected = nilearn_clean(
        series, detrend=False, standardize=None, filter="cosine", high_pass=1 / 30, t_r=1.5, ensure_finite=False
    )
    cleaned = detrend(series, 1.5, "cosine", window_s=30.0)
    np.testing.assert_allclose(cleaned, expected - expected.mean(0), atol=2e-3)


def test_cosines_are_orthonormal():
    basis = cosine_basis(50, 7)
    np.testing.assert_allclose(basis.T @ basis, np.eye(7), atol=1e-12)


def test_none_changes_nothing(series):
    np.testing.assert_array_equal(detrend(series, 1.5, "none"), series)


def test_zscore_and_constant_voxels(series):
    series[:, 2] = 1234.567
    scaled, constant = zscore(series)
    assert constant.tolist() == [False, False, True, False, False, False, False]
    assert not scaled[:, 2].any()
    rest = np.delete(scaled, 2, axis=1)
    np.testing.assert_allclose(rest.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(rest.std(0), 1, atol=1e-5)


def test_residuals_survive_redundant_columns(series, rng):
    nuisance = rng.standard_normal((60, 2))
    redundant = np.column_stack([nuisance, nuisance.sum(1), np.zeros(60), np.full(60, 1e6)])
    expected = regress_out(series, nuisance)
    np.testing.assert_allclose(regress_out(series, redundant), expected, atol=2e-3)
    assert np.abs(nuisance.T @ expected).max() < 1e-2


@pytest.mark.parametrize("method", ["median", "cosine", "linear", "none"])
def test_a_run_is_cleaned_in_place_as_by_its_parts(series, rng, method):
    nuisance, expected = rng.standard_normal((60, 3)), series
    if method in ("cosine", "linear"):
        drift = cosine_basis(60, 12) if method == "cosine" else np.arange(60.0)[:, None]
        expected = regress_out(series, np.column_stack([drift, nuisance]))
    else:
        expected = regress_out(detrend(series, 1.5, method, 15.0), nuisance)
    found = clean_run(series, 1.5, method, nuisance, window_s=15.0)
    np.testing.assert_allclose(series, zscore(expected)[0], atol=2e-4)
    assert found.finite.all()
    assert not found.constant.any()


def test_one_regression_leaves_neither_drifts_nor_confounds_where_two_bring_drifts_back(rng):
    """Lindquist et al. 2019: columns that are not orthogonal to the drifts return them when they are removed later."""
    time = np.arange(200)
    drift = cosine_basis(200, 4)
    motion = (drift @ rng.normal(0, 8, 4) + rng.standard_normal(200))[:, None]  # drifts itself
    x = (rng.standard_normal((200, 5)) + 0.02 * time[:, None] + motion).astype(np.float32)
    together = x.copy()
    clean_run(together, 1.5, "cosine", motion, window_s=2 * 200 * 1.5 / 4, scale=False)
    in_turn = regress_out(detrend(x, 1.5, "cosine", 2 * 200 * 1.5 / 4), motion)
    assert np.abs(drift.T @ together).max() < 1e-4 < 1e-2 < np.abs(drift.T @ in_turn).max()
    assert np.abs(motion.T @ together).max() < 1e-3
    expected = nilearn_clean(
        x, confounds=np.column_stack([drift, motion]), detrend=False, standardize=None, standardize_confounds=True
    )
    np.testing.assert_allclose(together, expected - expected.mean(0), atol=1e-4)


def test_voxels_that_are_not_finite_become_zero_and_others_as_without_them(series):
    spoiled, whole = series.copy(), series.copy()
    spoiled[5, 2], spoiled[7, 3] = np.nan, np.inf
    whole[:, 4], spoiled[:, 4] = 7.5, 7.5
    found = clean_run(spoiled, 1.5, window_s=15.0)
    clean_run(whole, 1.5, window_s=15.0)
    assert found.finite.tolist() == [True, True, False, False, True, True, True]
    assert found.constant.tolist() == [False, False, True, True, True, False, False]
    assert not spoiled[:, 2:5].any()
    np.testing.assert_array_equal(np.delete(spoiled, [2, 3], 1), np.delete(whole, [2, 3], 1))


def test_confounds_are_chosen_by_pattern(tmp_path):
    table = tmp_path / "confounds.tsv"
    table.write_text("trans_x\ttrans_y\tcsf\tfd\n1\t4\t7\tn/a\n2\t5\t8\t1\n3\t6\t9\t3\n")
    chosen = read_confounds(table, ("trans_?", "fd"), 3)
    np.testing.assert_array_equal(chosen, [[1, 4, 2], [2, 5, 1], [3, 6, 3]])
    with pytest.raises(InputError, match=r"confounds\.tsv: no confound is named 'rot_\*'"):
        read_confounds(table, ("rot_*",), 3)
    with pytest.raises(InputError, match="3 rows for 4 scans"):
        read_confounds(table, ("csf",), 4)
    with pytest.raises(InputError, match="the confounds table is missing"):
        read_confounds(tmp_path / "none.tsv", ("csf",), 3)


def test_components_without_their_cosines_are_warned_of(tmp_path):
    table = tmp_path / "confounds.tsv"
    table.write_text("a_comp_cor_00\tcosine00\n1\t4\n2\t5\n")
    with pytest.warns(Brain2MusicWarning, match="add .cosine"):
        read_confounds(table, ("a_comp_cor_*",), 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_confounds(table, ("a_comp_cor_*", "cosine*"), 2).shape == (2, 2)
