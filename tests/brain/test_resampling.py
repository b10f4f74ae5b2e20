"""Responses between scans: against numpy, scipy and a signal that no scan misses."""

import numpy as np
import pytest
from scipy.interpolate import interp1d

from brain2music.brain import scans_at


@pytest.fixture
def series(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(40, 5)).astype(np.float32)


def test_lines_are_those_of_scipy(series: np.ndarray, rng: np.random.Generator) -> None:
    at = rng.uniform(0, 39, 100)
    wanted = interp1d(np.arange(40), series, axis=0)(at)
    np.testing.assert_allclose(scans_at(series, at, "linear"), wanted, atol=1e-6)


@pytest.mark.parametrize("method", ["none", "linear", "sinc"])
def test_at_scans_the_scans_themselves_and_beyond_the_end_the_last(series: np.ndarray, method: str) -> None:
    at = np.array([3.0, 4.0 + 1e-5, 39.0, 40.0, 47.0])
    assert scans_at(series, at, method).tobytes() == series[[3, 4, 39, 39, 39]].tobytes()
    beyond = scans_at(series, np.array([45.5]), method)
    np.testing.assert_allclose(beyond, series[39:], atol=1e-6)


@pytest.mark.parametrize("method", ["linear", "sinc"])
def test_a_constant_stays_one(method: str) -> None:
    constant = np.full((20, 3), 812.25, np.float32)
    np.testing.assert_allclose(scans_at(constant, np.linspace(0, 19, 77), method), 812.25, rtol=1e-6)


def test_a_slow_signal_is_recovered_and_better_by_sinc() -> None:
    times = np.arange(200)
    slow = np.sin(2 * np.pi * 0.1 * times)[:, None].astype(np.float32)
    at = np.linspace(20, 180, 999)
    truth = np.sin(2 * np.pi * 0.1 * at)
    errors = {method: np.abs(scans_at(slow, at, method)[:, 0] - truth).max() for method in ("none", "linear", "sinc")}
    assert errors["sinc"] < 0.02 < errors["linear"] < 0.06 < errors["none"]


def test_the_nearest_scan_is_the_one_that_events_are_rounded_to(series: np.ndarray) -> None:
    found = scans_at(series, np.array([2.49, 2.5, 3.4]), "none")
    assert found.tobytes() == series[[2, 3, 3]].tobytes()
