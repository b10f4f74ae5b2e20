"""Quality of images: planted ratios and spikes are found, and DVARS is that of a plain loop."""

import numpy as np
import pytest

from brain2music.brain import run_quality, standardised_dvars, temporal_snr


def planted(rng: np.random.Generator, n_scans: int = 200, n_voxels: int = 800, ar1: float = 0.4) -> np.ndarray:
    """Voxels of mean 1000 with standard deviations of 5 to 50, autocorrelated, on a drift."""
    noise = rng.normal(size=(n_scans, n_voxels))
    for t in range(1, n_scans):
        noise[t] = ar1 * noise[t - 1] + np.sqrt(1 - ar1**2) * noise[t]
    sd = np.linspace(5, 50, n_voxels)
    return (1000 + sd * noise + np.linspace(-30, 30, n_scans)[:, None]).astype(np.float32)


def test_temporal_snr_is_that_of_detrended_series(rng: np.random.Generator) -> None:
    series = planted(rng).astype(np.float32)
    scans = np.arange(len(series))
    expected = []
    for voxel in series.T.astype(float):
        expected.append(voxel.mean() / (voxel - np.polyval(np.polyfit(scans, voxel, 1), scans)).std())
    np.testing.assert_allclose(temporal_snr(series), expected, rtol=1e-4)
    planted_ratio = np.median(1000 / np.linspace(5, 50, 800))
    assert abs(run_quality(series).tsnr / planted_ratio - 1) < 0.1


def test_centred_series_have_no_ratio(rng: np.random.Generator) -> None:
    quality = run_quality(rng.normal(size=(100, 50)).astype(np.float32))
    assert np.isnan(quality.tsnr)
    assert not quality.spikes.any()


def test_dvars_is_that_of_a_plain_loop(rng: np.random.Generator) -> None:
    series = planted(rng, 60, 30)
    variances = []
    for voxel in series.T.astype(float):
        low, high = np.percentile(voxel, [25, 75])
        centred = voxel - voxel.mean()
        ar1 = (centred[1:] * centred[:-1]).sum() / (centred**2).sum()
        variances.append(2 * (1 - ar1) * ((high - low) / 1.349) ** 2)
    steps = [np.sqrt(np.mean((series[t].astype(float) - series[t - 1]) ** 2)) for t in range(1, 60)]
    found = standardised_dvars(series)
    assert np.isnan(found[0])
    np.testing.assert_allclose(found[1:], np.array(steps) / np.sqrt(np.mean(variances)), rtol=1e-6)


@pytest.mark.parametrize("ar1", [0.0, 0.4, 0.8])
def test_dvars_is_about_one_where_nothing_happens(rng: np.random.Generator, ar1: float) -> None:
    quality = run_quality(planted(rng, ar1=ar1))
    assert abs(np.nanmedian(quality.dvars) - 1) < 0.1
    assert quality.spikes.sum() == 0


def test_planted_spikes_are_found_and_nothing_else(rng: np.random.Generator) -> None:
    series = planted(rng)
    series[[40, 120]] += rng.normal(0, 150, (2, 800)).astype(np.float32)  # as of a jerk: no change of the mean
    series[80] += 60  # as of the scanner: every voxel brighter
    quality = run_quality(series)
    assert set(np.flatnonzero(quality.dvars_spikes)) >= {40, 41, 120, 121}
    assert 80 in np.flatnonzero(quality.intensity_spikes)
    assert set(np.flatnonzero(quality.spikes)) <= {40, 41, 80, 81, 120, 121}


def test_voxels_that_are_not_finite_or_constant_do_not_count(rng: np.random.Generator) -> None:
    series = planted(rng, 100, 300)
    whole = run_quality(series)
    broken = np.concatenate([series, np.full((100, 5), np.nan), np.full((100, 5), 7.0)], axis=1).astype(np.float32)
    np.testing.assert_array_equal(run_quality(broken).dvars, whole.dvars)
    assert np.isnan(run_quality(broken[:, -10:]).tsnr)
    assert np.isnan(run_quality(series[:2]).tsnr)
