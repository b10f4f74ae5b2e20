"""Levels kept beside codes, and peaks kept below full scale, whatever the blocks."""

import numpy as np
import pytest

from brain2music.audio.limiter import CEILING, limit, limit_blocks
from brain2music.models.codec_parts.loudness import LoudnessMeter, restore_loudness

RATE = 1000


def cut(sound, sizes):
    ends = np.cumsum(sizes)
    return [sound[:, max(0, end - size) : end] for size, end in zip(sizes, ends, strict=True)]


def measured(blocks):
    meter = LoudnessMeter(RATE)
    for block in blocks:
        meter.push(block)
    return meter.finish()


@pytest.fixture
def sound(rng):
    steps = np.repeat([0.5, 0.05, 0.0, 0.2], RATE)
    return (steps * rng.standard_normal(4 * RATE))[None].astype(np.float32)


def test_loudness_comes_back_from_another_gain_everywhere(sound):
    quieter = sound * np.linspace(0.3, 0.9, sound.shape[1], dtype=np.float32)
    found = np.concatenate(list(restore_loudness(iter([quieter]), measured([sound]), RATE)), axis=1)
    for part in (slice(0, 1000), slice(1000, 2000), slice(3000, 4000)):
        inner = slice(part.start + 200, part.stop - 200)
        assert abs(20 * np.log10(found[:, inner].std() / sound[:, inner].std())) < 1
    assert not found[:, 2400:2800].any()


def test_hiss_in_silence_is_silenced(rng):
    hiss = 0.01 * rng.standard_normal((1, 2000)).astype(np.float32)
    assert not np.concatenate(list(restore_loudness(iter([hiss]), measured([np.zeros_like(hiss)]), RATE)), axis=1).any()


def test_cuts_do_not_matter(sound):
    whole, parts = measured([sound]), measured(cut(sound, (1, 777, 2222, 1000)))
    np.testing.assert_array_equal(whole, parts)
    one = np.concatenate(list(restore_loudness(iter([0.5 * sound]), whole, RATE)), axis=1)
    many = np.concatenate(list(restore_loudness(iter(cut(0.5 * sound, (399, 1, 3600))), whole, RATE)), axis=1)
    np.testing.assert_array_equal(one, many)
    loud = 4 * sound
    limited = np.concatenate(list(limit_blocks(iter(cut(loud, (5, 5, 5, 2000, 1985))), RATE)), axis=1)
    np.testing.assert_allclose(limited, limit(loud, RATE), atol=1e-6)


def test_peaks_are_turned_down_and_nothing_else(rng):
    sound = 0.3 * rng.standard_normal((2, 4000)).clip(-3, 3).astype(np.float32)
    sound[0, 2000] = 2.5
    found = limit(sound, RATE)
    assert np.abs(found).max() <= CEILING + 1e-6
    away = np.r_[0:1980, 2021:4000]
    np.testing.assert_array_equal(found[:, away], sound[:, away])
    np.testing.assert_allclose(found[1] / sound[1], found[0] / sound[0], rtol=1e-4)


def test_what_is_not_too_loud_passes_bit_for_bit(sound):
    np.testing.assert_array_equal(limit(sound / 10, RATE), sound / 10)
