"""Excerpts of one recording are never apart: not in folds, nor where penalties and post-processing are chosen."""

from dataclasses import replace

import numpy as np
import pytest

from brain2music._utils.errors import InputError, LeakageError
from brain2music.decoding.decoded import undivided
from brain2music.decoding.fits import RidgeSettings
from brain2music.decoding.problem import HeldOut, Problem, View
from brain2music.embeddings.alignment import match_windows
from brain2music.ridge import assign_folds
from brain2music.study.folds import draw_permutations
from brain2music.study.study import Clip

from .fitting import decode, decode_in_folds, decoder_in_folds

pytestmark = pytest.mark.filterwarnings("ignore::brain2music._utils.errors.Brain2MusicWarning")
ALPHAS = [1.0, 1e2, 1e4]


@pytest.fixture
def excerpts(rng, make_responses, make_embeddings):
    """Twelve songs of three excerpts each, alike in the brain and in the music, which have nothing in common."""
    song = np.arange(36) // 3
    data = rng.standard_normal((12, 1, 25))[song] + 0.3 * rng.standard_normal((36, 6, 25))
    music = rng.standard_normal((12, 1, 4))[song] + 0.3 * rng.standard_normal((36, 5, 4))
    clips = tuple(Clip(f"song{s}", 10.0 * (i % 3), 10.0 * (i % 3) + 9, "jazz") for i, s in enumerate(song))
    responses = replace(make_responses(data), clips=clips)
    return responses, make_embeddings(music, clips)


def identified(decoded) -> float:
    predicted, true = (side.mean(1) - decoded.train_mean for side in (decoded.predicted, decoded.true))
    c = np.corrcoef(predicted, true)[: len(true), len(true) :]
    return float(np.mean([(c[i, i] > np.delete(c[i], i)).mean() for i in range(len(c))]))


@pytest.mark.parametrize("name", ["ridge", "selected+whitened", "stacked", "matched", "denoised", "contrastive"])
def test_a_recording_is_not_known_again_by_its_other_excerpts(excerpts, name):
    responses, embeddings = excerpts
    decoded = decode_in_folds(responses, embeddings, name, n_folds=6, inner_folds=3, alphas=ALPHAS)
    assert identified(decoded) < 0.7
    other = replace(embeddings, data=embeddings.data.copy())
    other.data[:3] = 30.0 - other.data[:3]  # the first song's three excerpts
    again = decode_in_folds(responses, other, name, n_folds=6, inner_folds=3, alphas=ALPHAS)
    np.testing.assert_array_equal(again.predicted[:3], decoded.predicted[:3])


def test_folds_that_divide_a_recording_are_refused(excerpts):
    folds = [np.arange(k, 36, 3) for k in range(3)]
    with pytest.raises(LeakageError, match="divides 12 recordings"):
        decode_in_folds(*excerpts, folds=folds, alphas=ALPHAS)
    with pytest.raises(LeakageError, match="divides 12 recordings"):
        decode_in_folds(*excerpts, "whitened", folds=folds, alphas=ALPHAS)


def test_penalties_are_chosen_on_whole_recordings(excerpts):
    responses, embeddings = excerpts
    pairs = match_windows(responses, embeddings)
    units = undivided(responses)
    problem = Problem((View.of(pairs.X),), pairs.groups, units, RidgeSettings(ALPHAS, n_folds=5))
    groups = problem.groups
    folds = assign_folds(len(groups), groups, 5)
    assert all(len(np.unique(folds[units[pairs.groups] == unit])) == 1 for unit in range(12))
    held_out = HeldOut.of(problem.ridge([pairs.Y])[0], pairs.Y, problem)
    np.testing.assert_array_equal(held_out.fold, folds)


def test_runs_that_share_a_recording_are_one(excerpts):
    responses, _ = excerpts
    by_run = undivided(responses, np.arange(36) // 6)
    assert by_run.max() == 5
    crossing = undivided(responses, np.arange(36) // 4)
    assert len(np.unique(crossing)) == 3


def test_more_folds_than_recordings_are_refused_by_name(excerpts):
    responses, embeddings = excerpts
    with pytest.raises(InputError, match="12 training clips of 36 clips cannot make 13 folds"):
        decode(responses, embeddings, responses, embeddings, n_folds=13)
    with pytest.raises(InputError, match="cannot make 13 folds"):
        decode_in_folds(responses, embeddings, n_folds=13)


def test_a_genre_is_left_out_with_all_excerpts_of_its_recordings(excerpts):
    responses, embeddings = excerpts
    genres = ["rock" if i < 16 else "jazz" for i in range(36)]  # the sixth song is of both
    clips = tuple(replace(clip, genre=genre) for clip, genre in zip(responses.clips, genres, strict=True))
    responses = replace(responses, clips=clips)
    settings = {"n_folds": 3, "inner_folds": 3, "alphas": ALPHAS}
    found = decoder_in_folds(responses, embeddings, **settings).without_genre("rock")
    other = replace(embeddings, data=embeddings.data.copy())
    other.data[:18] += 5.0
    again = decoder_in_folds(responses, other, **settings).without_genre("rock")
    np.testing.assert_array_equal(again.predicted, found.predicted)


@pytest.mark.parametrize("name", ["ridge", "whitened"])
def test_refits_are_fits_to_recordings_that_have_changed_places(excerpts, name):
    responses, embeddings = excerpts
    settings = {"n_folds": 6, "inner_folds": 3, "alphas": ALPHAS, "seed": 4}
    refits = decoder_in_folds(responses, embeddings, name, **settings).permuted(3)
    orders = draw_permutations(undivided(responses), 3, np.random.default_rng(4), responses.runs, deranged=True)
    row = {clip: i for i, clip in enumerate(responses.clips)}
    for refit, order in zip(refits, orders, strict=True):
        assert [row[clip] for clip in refit.clips] == order.tolist()
        np.testing.assert_array_equal(refit.true, embeddings.data[order])
        assert all(mine.track != moved.track for mine, moved in zip(responses.clips, refit.clips, strict=True))
        moved = replace(embeddings, data=embeddings.data[order])
        expected = decode_in_folds(responses, moved, name, **settings)
        np.testing.assert_allclose(refit.predicted, expected.predicted, atol=2e-3)
