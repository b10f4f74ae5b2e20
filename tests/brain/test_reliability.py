"""Reliability: against numpy, and against noise of a known size."""

import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music.brain import pairwise_reliability, repeat_reliability, split_half_reliability
from brain2music.brain.load import load_responses


def test_pairs_equal_numpys_correlations(rng):
    series = rng.standard_normal((3, 20, 4)).astype(np.float32)
    expected = [np.corrcoef(series[:, :, v])[np.triu_indices(3, 1)].mean() for v in range(4)]
    np.testing.assert_allclose(pairwise_reliability(series), expected, atol=1e-5)


def test_constant_voxels_have_none(rng):
    series = rng.standard_normal((2, 20, 2)).astype(np.float32)
    series[:, :, 1] = 0
    assert pairwise_reliability(series)[1] == 0


def test_both_recover_the_signals_share_of_variance(study, mask_file, rng):
    """With signal and noise of equal variance, one repeat has reliability 1/2, the mean of four 4/5."""
    from dataclasses import replace

    test = load_responses(study, "001", "test", mask=mask_file)
    signal = rng.standard_normal((1, 200, 10, 40))
    repeats = (signal + rng.standard_normal((4, 200, 10, 40))).astype(np.float32)
    clips = tuple(replace(test.clips[0], track=f"t{i}") for i in range(200))
    counts = np.full(200, 4)
    responses = replace(
        test, data=repeats.mean(0), repeats=repeats, clips=clips, runs=counts, n_repeats=counts, space=None
    )
    assert repeat_reliability(responses).mean() == pytest.approx(0.5, abs=0.01)
    assert split_half_reliability(responses).mean() == pytest.approx(0.8, abs=0.01)


def test_unrepeated_clips_are_refused(study, mask_file):
    train = load_responses(study, "001", "train", mask=mask_file)
    with pytest.raises(InputError, match="needs clips that were all repeated equally often"):
        repeat_reliability(train)
