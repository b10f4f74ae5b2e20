"""Cleaning: against scipy and nilearn, and against drifts that were put in."""

import warnings

import numpy as np
import pytest
from nilearn.signal import clean as nilearn_clean
from scipy.ndimage import median_filter
from scipy.signal import detrend as scipy_detrend

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music.brain import detrend, regress_out, zscore
from brain2music.brain.clean import cosine_basis, read_confounds


@pytest.fixture
def series(rng) -> np.ndarray:
    return rng.normal(100, 10, (60, 7)).astype(np.float32)


def test_median_equals_scipys_voxel_by_voxel(series):
    expected = [voxel - median_filter(voxel, 11, mode="reflect") for voxel in series.T]
    np.testing.assert_allclose(detrend(series, 1.5, "median", window_s=16.0), np.transpose(expected), rtol=1e-6)


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
