"""Delayed features: copies shifted within their runs."""

import numpy as np
import pytest

from brain2music.ridge import delayed


def test_delays_stay_in_their_group() -> None:
    X = np.arange(1, 9, dtype=np.float32)[:, None]
    groups = [0, 0, 0, 0, 1, 1, 1, 1]
    np.testing.assert_array_equal(
        delayed(X, [0, 2, -1, 9], groups),
        [[1, 0, 2, 0], [2, 0, 3, 0], [3, 1, 4, 0], [4, 2, 0, 0],
         [5, 0, 6, 0], [6, 0, 7, 0], [7, 5, 8, 0], [8, 6, 0, 0]],
    )  # fmt: skip
    interleaved = [0, 1] * 4
    np.testing.assert_array_equal(delayed(X, [1], interleaved)[:, 0], [0, 0, 1, 2, 3, 4, 5, 6])


def test_a_convolution_is_a_linear_map_of_delayed_features(rng) -> None:
    X, response = rng.standard_normal((50, 1)), np.array([0.0, 1.0, 2.0, 0.5])
    expected = np.convolve(X[:, 0], response)[:50]
    np.testing.assert_allclose(delayed(X, range(4)) @ response, expected, atol=1e-12)


def test_columns_of_a_delay_are_adjacent(rng) -> None:
    X = rng.standard_normal((10, 3)).astype(np.float32)
    found = delayed(X, [2, 0])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[2:, :3], X[:-2])
    np.testing.assert_array_equal(found[:, 3:], X)


@pytest.mark.parametrize(
    ("delays", "groups", "message"),
    [([], None, "delays is empty"), ([1], [0, 1], r"groups has shape \(2,\): give one label for each of the 5 rows")],
)
def test_errors(delays, groups, message) -> None:
    with pytest.raises(ValueError, match=message):
        delayed(np.zeros((5, 2)), delays, groups)
