"""Genres left out of training: nothing of them is fitted, and the scores say what they should."""

from dataclasses import replace

import numpy as np
import pytest

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music.decoding.decoder import decode, decode_kfold
from brain2music.decoding.unseen import decode_kfold_unseen, decode_unseen
from brain2music.metrics.builder import ScoreBuilder
from brain2music.metrics.leave_one_genre_out import score_leave_one_genre_out

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
    unseen = decode_unseen("ridge", *sides)
    assert list(unseen) == list(GENRES)
    keep = np.array([clip.genre != "jazz" for clip in train.clips])
    rest = replace(
        train,
        data=train.data[keep],
        clips=tuple(clip for clip in train.clips if clip.genre != "jazz"),
        runs=train.runs[keep],
        n_repeats=train.n_repeats[keep],
    )
    expected = decode(rest, train_embeddings, *others)
    np.testing.assert_array_equal(unseen["jazz"].predicted, expected.predicted)
    poisoned = replace(train_embeddings, data=train_embeddings.data.copy())
    poisoned.data[1::3] = 1e4
    again = decode_unseen("ridge", train, poisoned, *others, genres=["jazz"])
    np.testing.assert_array_equal(again["jazz"].predicted, expected.predicted)


def test_in_folds_neither_the_clip_nor_its_genre_is_trained_on(sides):
    responses, embeddings, *_ = sides
    found = decode_kfold_unseen("ridge", responses, embeddings, genres=["jazz"], n_folds=4)["jazz"]
    full = decode_kfold(responses, embeddings, n_folds=4)
    assert (found.predicted != full.predicted).any(axis=(1, 2)).all()
    poisoned = replace(embeddings, data=embeddings.data.copy())
    poisoned.data[1::3] = 1e4
    again = decode_kfold_unseen("ridge", responses, poisoned, genres=["jazz"], n_folds=4)["jazz"]
    np.testing.assert_array_equal(again.predicted, found.predicted)


def score_left_out(builder, sides):
    """Scores of every genre by the decoder without it, by metric and genre."""
    scores = score_leave_one_genre_out(builder, decode(*sides), decode_unseen("ridge", *sides))
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


def test_genres_that_cannot_be_left_out_are_named(sides):
    train, train_embeddings, test, test_embeddings = sides
    with pytest.raises(InputError, match="no scored clip is of the genre 'polka'"):
        decode_unseen("ridge", *sides, genres=["polka"])
    one = replace(train, clips=tuple(replace(clip, genre="jazz") for clip in train.clips))
    with pytest.warns(Brain2MusicWarning, match="jazz"):
        assert decode_unseen("ridge", one, train_embeddings, test, test_embeddings, genres=["jazz"]) == {}
    none = replace(test, clips=tuple(replace(clip, genre="") for clip in test.clips))
    with pytest.raises(InputError, match="no scored clip has a genre"):
        decode_unseen("ridge", train, train_embeddings, none, test_embeddings)
