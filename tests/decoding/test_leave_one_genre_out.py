"""Genres left out of training: nothing of them is fitted, and the scores say what they should."""

from dataclasses import replace

import numpy as np
import pytest

from brain2music._utils.errors import Brain2MusicWarning
from brain2music.brain.responses import VoxelSpace
from brain2music.decoding.decoded import undivided
from brain2music.metrics.builder import ScoreBuilder
from brain2music.metrics.leave_one_genre_out import score_leave_one_genre_out
from brain2music.study.folds import most_folds

from .fitting import decode, decode_in_folds, decoder_in_folds, decoder_of

pytestmark = pytest.mark.filterwarnings("ignore::brain2music._utils.errors.Brain2MusicWarning")
GENRES = ("blues", "jazz", "rock")


@pytest.fixture
def sides(planted):
    """Planted sides whose clips are of three genres in turn."""

    def named(responses):
        clips = tuple(replace(clip, genre=GENRES[i % 3]) for i, clip in enumerate(responses.clips))
        return replace(responses, clips=clips)

    train, train_embeddings, test, test_embeddings = planted(n_clips=48, noise=0.5)
    return named(train), train_embeddings, named(test), test_embeddings


@pytest.fixture
def builder(rng):
    return ScoreBuilder("decode", "001", "toy", rng, simulated=True, n_permutations=200)


def test_the_genre_is_left_out_and_the_rest_kept(sides):
    train, train_embeddings, *others = sides
    decoder = decoder_of(*sides)
    found = decoder.without_genre("jazz")
    assert found.clips == decoder.test.clips
    keep = np.array([clip.genre != "jazz" for clip in train.clips])
    rest = replace(
        train,
        data=train.data[keep],
        clips=tuple(clip for clip in train.clips if clip.genre != "jazz"),
        runs=train.runs[keep],
        n_repeats=train.n_repeats[keep],
    )
    expected = decode(rest, train_embeddings, *others)
    np.testing.assert_allclose(found.predicted, expected.predicted, atol=1e-4)
    np.testing.assert_array_equal(found.best_alphas, expected.best_alphas)
    np.testing.assert_array_equal(found.train_mean, expected.train_mean)
    poisoned = replace(train_embeddings, data=train_embeddings.data.copy())
    poisoned.data[1::3] = 1e4
    again = decoder_of(train, poisoned, *others).without_genre("jazz")
    np.testing.assert_array_equal(again.predicted, found.predicted)


def test_in_folds_neither_the_clip_nor_its_genre_is_trained_on(sides):
    responses, embeddings, *_ = sides
    found = decoder_in_folds(responses, embeddings, n_folds=4).without_genre("jazz")
    full = decode_in_folds(responses, embeddings, n_folds=4)
    assert (found.predicted != full.predicted).any(axis=(1, 2)).all()
    poisoned = replace(embeddings, data=embeddings.data.copy())
    poisoned.data[1::3] = 1e4
    again = decoder_in_folds(responses, poisoned, n_folds=4).without_genre("jazz")
    np.testing.assert_array_equal(again.predicted, found.predicted)


def score_left_out(builder, sides):
    """Scores of every genre by the decoder without it, by metric and genre."""
    scores = score_leave_one_genre_out(builder, decode(*sides), left_out(sides))
    assert {score.held_out for score in scores} == {"genre"}
    return {(score.metric, score.group): score for score in scores}


def test_scores_are_beside_those_of_the_full_model(sides, builder):
    scores = score_left_out(builder, sides)
    assert len(scores) == 6
    among = scores["identification", "blues"]
    assert among.value > 0.9
    assert (among.n, among.candidates, among.chance) == (8, 24, 0.5)
    assert among.detail.endswith("when trained on")
    within = scores["identification_within_genre", "blues"]
    assert (within.n, within.candidates) == (8, 8)


def test_a_genre_tells_nothing_within_itself(sides, builder, rng):
    """Responses that know the genre only: high among all, chance within."""
    train, train_embeddings, test, test_embeddings = sides
    centres = 5 * rng.standard_normal((3, 4)).astype(np.float32)
    moved = [
        replace(each, data=each.data + centres[np.arange(len(each.data)) % 3][:, None])
        for each in (train_embeddings, test_embeddings)
    ]
    weights = rng.standard_normal((4, train.n_voxels))
    deaf = [
        replace(
            each,
            data=(
                (centres[np.arange(len(each.data)) % 3] @ weights)[:, None]
                + rng.standard_normal((len(each.data), each.n_scans, each.n_voxels))
            ).astype(np.float32),
        )
        for each in (train, test)
    ]
    sided = deaf[0], moved[0], deaf[1], moved[1]
    scores = score_left_out(builder, sided)
    within = [scores["identification_within_genre", genre].value for genre in GENRES]
    assert np.mean(within) == pytest.approx(0.5, abs=0.2)


def test_a_genre_without_which_nothing_is_left_is_named_and_passed_over(sides):
    train, *others = sides
    one = replace(train, clips=tuple(replace(clip, genre="jazz") for clip in train.clips))
    with pytest.warns(Brain2MusicWarning, match="without the genre 'jazz'"):
        assert decoder_of(one, *others).without_genre("jazz") is None


def test_fewer_inner_folds_are_made_where_no_more_are_possible(sides):
    """Five recordings are left, which make fewer folds of two clips or more than were asked for."""
    train, *others = sides
    genres = [GENRES[0] if i < 43 else GENRES[1] for i in range(48)]
    few = replace(train, clips=tuple(replace(c, genre=g) for c, g in zip(train.clips, genres, strict=True)))
    found = decoder_of(few, *others, n_folds=5).without_genre("blues")
    keep = np.arange(48) >= 43
    expected = decode(few[keep], *others, n_folds=most_folds(undivided(few)[keep], 5))
    np.testing.assert_array_equal(found.best_alphas, expected.best_alphas)
    np.testing.assert_allclose(found.predicted, expected.predicted, atol=1e-4)


@pytest.mark.parametrize("name", ["selected", "roi-ensemble", "stacked", "nonlinear", "whitened", "denoised", "auto"])
def test_without_a_genre_everything_is_chosen_again(sides, name, rng):
    """As by a decoder of a study without the genre's clips: regions, voxels, lags, penalties, post-processing."""
    train, train_embeddings, test, test_embeddings = sides
    roi = tuple(name for name in ("left", "right") for _ in range(15))
    space = VoxelSpace(np.ones((1, 1, 30), dtype=bool), np.eye(4), roi)
    train, test = replace(train, space=space), replace(test, space=space)
    lagged = tuple(
        replace(each, lag_tr=2, data=(each.data + rng.standard_normal(each.data.shape)).astype(np.float32))
        for each in (train, test)
    )
    given = train_embeddings, test, test_embeddings
    found = decoder_of(train, *given, name, n_folds=4, lagged=[lagged]).without_genre("rock")
    keep = np.array([clip.genre != "rock" for clip in train.clips])
    expected = decode(train[keep], *given, name, n_folds=4, lagged=[(lagged[0][keep], lagged[1])])
    np.testing.assert_array_equal(found.best_alphas, expected.best_alphas)
    np.testing.assert_allclose(found.predicted, expected.predicted, atol=1e-3)


def left_out(sides):
    """All test clips by a fit without each of the genres."""
    decoder = decoder_of(*sides)
    return {genre: decoder.without_genre(genre) for genre in GENRES}
