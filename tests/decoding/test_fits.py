"""Fits of matched pairs."""

import numpy as np

from brain2music.decoding.fits import correlations


def test_correlations_equal_numpys(rng):
    a, b = rng.standard_normal((2, 20, 3)).astype(np.float32)
    b[:, 2] = 1.0
    expected = [np.corrcoef(a[:, i], b[:, i])[0, 1] for i in range(2)] + [0.0]
    np.testing.assert_allclose(correlations(a, b), expected, atol=1e-5)
