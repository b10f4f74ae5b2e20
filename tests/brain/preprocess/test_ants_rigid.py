"""ANTs, where it is installed, finds the same places as least squares, in our coordinates."""

import numpy as np
import pytest

from .moving_heads import AFFINE, GRID, head, moved, planted_matrix

pytest.importorskip("ants", reason="antspyx (extra prep) is not installed")

from brain2music.brain.preprocess.ants_rigid import AntsRealigner


def test_planted_motion_is_found_on_an_oblique_grid() -> None:
    turn = planted_matrix(np.array([5.0, 10.0, -3.0, 0.2, -0.1, 0.15]), np.zeros(3))
    oblique = turn @ AFFINE
    motion = np.array([2.0, -1.5, 1.0, 0.03, -0.02, 0.04])
    volume = moved(head(), motion, oblique)
    realigner = AntsRealigner(head().astype(np.float32), oblique, head() > 400)
    found = realigner.align(volume.astype(np.float32), oblique)
    centre = oblique[:3, :3] @ ((np.array(GRID) - 1) / 2) + oblique[:3, 3]
    planted = planted_matrix(motion, centre)
    assert np.linalg.norm((found.matrix - planted) @ np.append(centre, 1)) < 0.3
    np.testing.assert_allclose(found.matrix[:3, :3], planted[:3, :3], atol=0.02)
    assert found.similarity > 0.98
