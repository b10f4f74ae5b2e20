"""The weights of a stack of decoders."""

import numpy as np

from brain2music.decoding.stacking import convex_weights


def test_convex_weights_solve_the_non_negative_problem(rng):
    A = rng.standard_normal((200, 4))
    b = A @ [0.7, 0.0, 0.3, -0.5] + 0.01 * rng.standard_normal(200)
    weights = convex_weights(A.T @ A, A.T @ b)
    free = np.linalg.lstsq(A[:, [0, 1, 2]], b, rcond=None)[0]
    assert weights[3] == 0
    np.testing.assert_allclose(weights[:3], np.maximum(free, 0), atol=0.05)
    np.testing.assert_allclose(convex_weights(A.T @ A, -A.T @ np.abs(A).sum(1) * 0 - 1e3), 0.25)
