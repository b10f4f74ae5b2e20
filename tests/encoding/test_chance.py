"""Chance in folds: its own, measured by refits, and p that is right by it; recordings whole in encoding too."""

from dataclasses import replace

import numpy as np
import pytest

from brain2music._utils.errors import InputError, LeakageError
from brain2music.encoding import EncoderSettings, encode_kfold, voxel_permutation_test
from brain2music.encoding.chance import chance_in_folds
from brain2music.encoding.significance import Chance, permuted_correlations, without_p
from brain2music.study import Clip, group_clips, group_k_fold


@pytest.fixture
def deaf(rng, make_responses, make_embeddings):
    """``deaf(n_clips, n_voxels)``: responses and an embedding drawn apart, both slow."""

    def make(n_clips: int, n_voxels: int):
        data = rng.standard_normal((n_clips, 1, n_voxels)) + 0.5 * rng.standard_normal((n_clips, 5, n_voxels))
        music = rng.standard_normal((n_clips, 1, 6)) + 0.5 * rng.standard_normal((n_clips, 4, 6))
        responses = make_responses(data)
        return responses, make_embeddings(music, responses.clips)

    return make


def test_chance_is_where_voxels_without_signal_lie(deaf):
    responses, embeddings = deaf(40, 600)
    groups = group_clips(responses.clips)
    folds = list(group_k_fold(40, 8, 0, groups))
    encoded = encode_kfold(responses, embeddings, folds=folds, fit=EncoderSettings(n_folds=3))
    known = {"folds": folds, "groups": groups, "fit": EncoderSettings(n_folds=3)}
    chance = chance_in_folds(responses, embeddings, np.random.default_rng(1), n_refits=600, **known)
    assert chance.shift < -0.2
    assert chance.scale > 1.02
    rng = np.random.default_rng(2)
    tested = voxel_permutation_test(
        encoded.predicted, encoded.measured, rng, 400, blocks=responses.runs, groups=groups, chance=chance
    )
    assert tested.chance.mean() == pytest.approx(encoded.r.mean(), abs=0.025)
    assert encoded.r.mean() < -0.03
    assert (tested.p <= 0.05).mean() == pytest.approx(0.05, abs=0.03)
    assert (tested.p <= 0.5).mean() == pytest.approx(0.5, abs=0.12)


def test_chance_repeats_and_needs_recordings_to_exchange(deaf):
    responses, embeddings = deaf(12, 5)
    groups = group_clips(responses.clips)
    folds = list(group_k_fold(12, 4, 0, groups))
    known = {"folds": folds, "groups": groups, "fit": EncoderSettings(n_folds=3), "n_refits": 50}
    first, second = (chance_in_folds(responses, embeddings, np.random.default_rng(1), **known) for _ in range(2))
    assert first == second
    few = np.arange(12) // 4
    folds = [np.arange(4 * k, 4 * k + 4) for k in range(3)]
    known = {"folds": folds, "groups": few, "fit": EncoderSettings(n_folds=2), "n_refits": 50}
    assert chance_in_folds(responses, embeddings, np.random.default_rng(1), **known) is None


def test_a_calibration_moves_chance_to_that_of_permuted_clips(rng):
    chance = Chance(shift=-0.5, scale=1.2, n=100)
    mean, sd = np.array([0.0, 0.1]), np.array([0.1, 0.2])
    np.testing.assert_allclose(chance.expected(mean, sd), [-0.05, 0.0])
    np.testing.assert_allclose(chance.corrected(chance.expected(mean, sd), mean, sd), mean)
    np.testing.assert_allclose(chance.corrected(chance.expected(mean, sd) + 1.2 * sd, mean, sd), mean + sd)
    predicted, measured = (rng.standard_normal((20, 3, 8)).astype(np.float32) for _ in range(2))
    given = {"blocks": np.arange(20) // 10, "groups": np.arange(20)}
    plain = voxel_permutation_test(predicted, measured, np.random.default_rng(0), 300, **given)
    same = voxel_permutation_test(
        predicted, measured, np.random.default_rng(0), 300, chance=Chance(0.0, 1.0, 9), **given
    )
    np.testing.assert_allclose(same.p, plain.p, atol=0.1)
    np.testing.assert_array_equal(plain.chance, 0)
    assert np.isnan(without_p(plain).p).all()
    np.testing.assert_array_equal(without_p(plain).r, plain.r)


def test_permuted_correlations_are_those_with_clips_in_other_orders(rng):
    predicted, measured = (rng.standard_normal((9, 2, 3)).astype(np.float32) for _ in range(2))
    orders = np.stack([rng.permutation(9) for _ in range(20)])
    expected = [
        [np.corrcoef(predicted[..., v].ravel(), measured[order][..., v].ravel())[0, 1] for v in range(3)]
        for order in (np.arange(9), *orders)
    ]
    np.testing.assert_allclose(permuted_correlations(predicted, measured, orders), expected, atol=1e-5)


def test_recordings_change_places_whole_in_the_permutation_test(rng):
    """Responses and predictions that know the recording apart: clip by clip, that would look like signal."""
    song = np.arange(40) // 2
    recordings, low = song, {True: 0, False: 0}
    for _ in range(40):
        sides = [
            (rng.standard_normal((20, 1, 1))[song] + 0.1 * rng.standard_normal((40, 2, 1))).astype(np.float32)
            for _ in range(2)
        ]
        for whole in low:
            test = voxel_permutation_test(*sides, np.random.default_rng(0), 99, groups=recordings if whole else None)
            low[whole] += int(test.p[0] <= 0.1 or test.p[0] >= 0.9)
    assert low[True] <= 16 < low[False] + 6


def test_excerpts_of_a_recording_are_held_out_together(deaf):
    responses, embeddings = deaf(24, 4)
    clips = tuple(Clip(f"song{i // 2}", 10.0 * (i % 2), 10.0 * (i % 2) + 8) for i in range(24))
    names = tuple(clip.name for clip in clips)
    responses, embeddings = replace(responses, clips=clips), replace(embeddings, names=names)
    fit = EncoderSettings((1.0, 100.0), 3)
    encoded = encode_kfold(responses, embeddings, n_folds=6, fit=fit)
    other = replace(responses, data=responses.data.copy())
    other.data[:2] = 9 - other.data[:2]
    again = encode_kfold(other, embeddings, n_folds=6, fit=fit)
    np.testing.assert_array_equal(again.predicted[:2], encoded.predicted[:2])
    with pytest.raises(LeakageError, match="divides 12 recordings"):
        encode_kfold(responses, embeddings, folds=[np.arange(0, 24, 2), np.arange(1, 24, 2)], fit=fit)
    with pytest.raises(InputError, match="cannot make 13 folds"):
        encode_kfold(responses, embeddings, n_folds=13, fit=fit)
