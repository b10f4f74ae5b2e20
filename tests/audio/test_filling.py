"""Both ends of what fills a gap meet the level of the recording."""

import numpy as np
import pytest

from brain2music.audio.filling import meet_levels

RATE, FIRST, LAST = 8000, 8000, 16_000


def level(sound: np.ndarray) -> float:
    return float(np.sqrt(np.mean(sound**2)))


def noise(seed: int, loudness: float) -> np.ndarray:
    return (loudness * np.random.default_rng(seed).standard_normal((1, 3 * RATE))).astype(np.float32)


def test_the_ends_meet_and_the_middle_stays() -> None:
    recording, filling = noise(0, 0.1), noise(1, 0.2)
    recording[:, LAST:] *= 3
    met = meet_levels(recording, filling, FIRST, LAST, RATE)
    edge = round(0.02 * RATE)
    assert level(met[0, FIRST : FIRST + edge]) == pytest.approx(level(recording[0, FIRST - edge : FIRST]), rel=0.1)
    assert level(met[0, LAST - edge : LAST]) == pytest.approx(level(recording[0, LAST : LAST + edge]), rel=0.1)
    middle = slice(FIRST + round(0.3 * RATE), LAST - round(0.3 * RATE))
    np.testing.assert_array_equal(met[:, middle], filling[:, middle])


def test_gains_are_bounded_and_silence_moves_nothing() -> None:
    quiet, loud = noise(0, 1e-3), noise(1, 0.5)
    assert level(meet_levels(quiet, loud, FIRST, LAST, RATE)[0, FIRST : FIRST + 80]) > 0.1
    silent = np.zeros_like(loud)
    np.testing.assert_array_equal(meet_levels(silent, loud, FIRST, LAST, RATE), loud)
    np.testing.assert_array_equal(meet_levels(loud, silent, FIRST, LAST, RATE), silent)


def test_gaps_at_the_ends_of_a_recording_and_short_ones_are_met_where_they_can_be() -> None:
    recording, filling = noise(0, 0.1), noise(1, 0.2)
    for first, last in ((0, 400), (3 * RATE - 400, 3 * RATE), (FIRST, FIRST + 10)):
        assert np.isfinite(meet_levels(recording, filling, first, last, RATE)).all()
