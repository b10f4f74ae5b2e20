"""Planted rigid motion is recovered, from other grids, far away and with other intensities."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import affine_transform
from scipy.spatial.transform import Rotation

from brain2music.brain import Realigner, framewise_displacement
from brain2music.brain.preprocess.resampling import correct_slice_timing, resample_volume
from brain2music.brain.preprocess.rigid import rigid_matrix, rigid_parameters

from .moving_heads import AFFINE, GRID, drift_and_jumps, head, moved, planted_matrix

CENTRE = AFFINE[:3, :3] @ ((np.array(GRID) - 1) / 2) + AFFINE[:3, 3]


@pytest.fixture(scope="module")
def realigner() -> Realigner:
    return Realigner(head().astype(np.float32), AFFINE, head() > 400)


def errors(found: np.ndarray, planted: np.ndarray) -> tuple[float, float]:
    """Millimetres at the centre of the head, and degrees."""
    apart = found @ np.append(CENTRE, 1) - planted @ np.append(CENTRE, 1)
    turned = Rotation.from_matrix(found[:3, :3] @ planted[:3, :3].T).magnitude()
    return float(np.linalg.norm(apart)), float(np.degrees(turned))


def test_parameters_and_matrices_are_inverse() -> None:
    parameters = np.array([1.0, -2.0, 3.0, 0.02, -0.03, 0.05])
    centre = np.array([10.0, -20.0, 30.0])
    matrix = rigid_matrix(parameters, centre)
    np.testing.assert_allclose(rigid_parameters(matrix, centre), parameters, atol=1e-12)
    np.testing.assert_allclose(matrix, planted_matrix(parameters, centre), atol=1e-12)


def test_drifts_and_jumps_are_recovered(realigner: Realigner) -> None:
    rng = np.random.default_rng(3)
    motion = drift_and_jumps(9, rng)
    found = []
    for each in motion:
        volume = moved(head(), each) + rng.normal(0, 8, GRID)
        aligned = realigner.align(volume.astype(np.float32), AFFINE, np.eye(4))
        found.append(errors(aligned.matrix, planted_matrix(each, CENTRE)))
    millimetres, degrees = np.median(found, axis=0)
    assert millimetres < 0.03
    assert degrees < 0.03


def test_a_volume_far_away_on_another_grid_is_found(realigner: Realigner) -> None:
    planted = planted_matrix(np.array([14.0, -9.0, 6.0, 0.1, -0.15, 0.12]), CENTRE)
    grid, affine = (48, 50, 36), AFFINE @ np.diag([0.8, 0.8, 0.9, 1.0])
    affine[:3, 3] += [9, -18, -8]
    back = np.linalg.inv(AFFINE) @ np.linalg.inv(planted) @ affine
    volume = affine_transform(head(), back[:3, :3], back[:3, 3], grid, order=3, mode="nearest")
    found = realigner.align((3 * volume + 100).astype(np.float32), affine)
    assert found.similarity > 0.99
    assert errors(found.matrix, planted) < (0.1, 0.1)


def test_an_empty_mask_is_refused() -> None:
    with pytest.raises(ValueError, match="mask is empty"):
        Realigner(head().astype(np.float32), AFFINE, np.zeros(GRID, bool))


def test_resampling_undoes_a_movement() -> None:
    motion = np.array([2.0, -1.0, 1.5, 0.02, 0.03, -0.04])
    volume = moved(head(), motion).astype(np.float32)
    back, inside = resample_volume(volume, AFFINE, planted_matrix(motion, CENTRE), GRID, AFFINE)
    brain = head() > 400
    assert inside[brain].all()
    assert not inside.all()
    assert (back[~inside] == 0).all()
    assert np.corrcoef(back[brain], head()[brain])[0, 1] > 0.999


def test_slices_are_brought_to_the_middle_of_the_scan() -> None:
    rng = np.random.default_rng(0)
    times, tr, scans = [0.0, 0.5, 1.0, 1.5], 2.0, 60
    phase = rng.uniform(0, 6, (3, 4))
    at = np.arange(scans)[:, None] * tr + np.array(times)
    series = np.sin(0.4 * at[:, None, None, :] + phase[..., None]).astype(np.float32)
    expected = np.sin(0.4 * (np.arange(scans) * tr + tr / 2)[:, None, None] + phase)
    correct_slice_timing(series, times, tr)
    assert np.abs(series[3:-3] - expected[3:-3, ..., None]).max() < 0.01


def test_displacement_is_powers() -> None:
    motion = drift_and_jumps(20, np.random.default_rng(0))
    by_hand = [np.nan] + [
        sum(abs(a - b) for a, b in zip(now[:3], then[:3], strict=True))
        + 50 * sum(abs(a - b) for a, b in zip(now[3:], then[3:], strict=True))
        for then, now in pairwise(motion)
    ]
    np.testing.assert_allclose(framewise_displacement(motion), by_hand)
