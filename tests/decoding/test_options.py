"""Every option of decoding: planted truth, nothing from outside the fold, chance when shuffled, equal on a repeat."""

from dataclasses import replace

import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music.decoding.decoder import decode, decode_kfold
from brain2music.decoding.ensemble import decode_ensemble
from brain2music.decoding.options import (
    AUTO,
    BASES,
    HEADS,
    decode_kfold_shuffled_with,
    decode_kfold_with,
    decode_shuffled_with,
    decode_with,
    decoder_options,
    fit_calibration,
)
from brain2music.decoding.problem import identification

pytestmark = pytest.mark.filterwarnings("ignore::brain2music._utils.errors.Brain2MusicWarning")

ALPHAS = [0.1, 10.0, 1e3, 1e5]
EACH = sorted(decoder_options())


@pytest.fixture
def sides(rng, make_responses, make_embeddings):
    """Three regions of 24 voxels, two of which hear; embeddings with a large offset and correlated dimensions."""
    names = tuple(name for name in ("left", "right", "deaf") for _ in range(24))
    weights = rng.standard_normal((4, 72)) * np.repeat([1.0, 0.7, 0.0], 24)
    mixing = rng.standard_normal((4, 12)) * np.array([[3.0], [1.0], [1.0], [0.3]])
    result = []
    for prefix, n in (("train", 40), ("test", 24)):
        latent = rng.standard_normal((n, 3, 4))
        responses = make_responses(latent @ weights + 2 * rng.standard_normal((n, 3, 72)), prefix, names)
        windows = (latent[:, :-1] + latent[:, 1:]) / 2 @ mixing + 20.0 + 0.1 * rng.standard_normal((n, 2, 12))
        result += [responses, make_embeddings(windows, responses.clips)]
    return tuple(result)


def clips_identified(decoded) -> float:
    return identification(*(side.mean(1) - decoded.train_mean for side in (decoded.predicted, decoded.true)))


@pytest.mark.parametrize("name", EACH)
def test_planted_clips_are_identified_the_same_way_every_time(sides, name):
    decoded = decode_with(name, *sides, alphas=ALPHAS, n_folds=4)
    assert decoded.predicted.shape == decoded.true.shape == (24, 2, 12)
    assert clips_identified(decoded) > 0.85
    again = decode_with(name, *sides, alphas=ALPHAS, n_folds=4)
    np.testing.assert_array_equal(again.predicted, decoded.predicted)


@pytest.mark.parametrize("name", EACH)
def test_a_prediction_does_not_depend_on_the_other_test_clips(sides, name):
    train, train_embeddings, test, test_embeddings = sides
    whole = decode_with(name, *sides, alphas=ALPHAS, n_folds=4)
    spoiled = replace(test, data=test.data.copy())
    spoiled.data[1:] = 50.0
    wrong = replace(test_embeddings, data=test_embeddings.data[::-1].copy())
    alone = decode_with(name, train, train_embeddings, spoiled, wrong, alphas=ALPHAS, n_folds=4)
    np.testing.assert_allclose(alone.predicted[0], whole.predicted[0], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", [*EACH, "selected+contrastive+calibrated"])
def test_folds_never_see_the_clips_that_they_predict(sides, name):
    responses, embeddings, *_ = sides
    settings = {"n_folds": 2, "inner_folds": 3, "alphas": ALPHAS, "folds": [np.arange(20), np.arange(20, 40)]}
    honest = decode_kfold_with(name, responses, embeddings, **settings)
    poisoned = replace(embeddings, data=embeddings.data.copy())
    poisoned.data[:20] = poisoned.data[:20][::-1] * 3.0
    other = decode_kfold_with(name, responses, poisoned, **settings)
    np.testing.assert_array_equal(other.predicted[:20], honest.predicted[:20])
    assert (other.predicted[20:] != honest.predicted[20:]).any()


@pytest.mark.parametrize("name", EACH)
def test_shuffled_clips_are_at_chance(sides, name):
    responses, embeddings, *_ = sides
    apart = decode_shuffled_with(name, *sides, n_shuffles=6, seed=3, alphas=ALPHAS, n_folds=3)
    np.testing.assert_array_equal(apart[0].true, decode(*sides).true)
    settings = {"n_folds": 3, "inner_folds": 3, "alphas": ALPHAS}
    folded = decode_kfold_shuffled_with(name, responses, embeddings, n_shuffles=6, seed=3, **settings)
    assert (folded[0].true != folded[1].true).any()
    assert abs(np.mean([clips_identified(each) for each in (*apart, *folded)]) - 0.5) < 0.08


def test_the_plain_options_are_the_plain_functions(sides):
    train, embeddings, *_ = sides
    settings = {"alphas": ALPHAS, "n_folds": 4}
    np.testing.assert_array_equal(
        decode_with("ridge", *sides, **settings).predicted, decode(*sides, **settings).predicted
    )
    ensemble = decode_ensemble(*sides, **settings).decoded
    np.testing.assert_array_equal(decode_with("roi-ensemble", *sides, **settings).predicted, ensemble.predicted)
    folded = decode_kfold(train, embeddings, n_folds=4, alphas=ALPHAS, seed=2)
    with_name = decode_kfold_with("ridge", train, embeddings, n_folds=4, alphas=ALPHAS, seed=2)
    np.testing.assert_array_equal(with_name.predicted, folded.predicted)
    np.testing.assert_array_equal(with_name.train_mean, folded.train_mean)
    np.testing.assert_array_equal(with_name.best_alphas, folded.best_alphas)


def test_every_name_is_a_base_a_head_or_auto_and_others_are_refused(sides):
    assert set(decoder_options()) == {*BASES, *HEADS, "auto"}
    for name in ("lasso", "contrastive+selected", "ridge+selected", "ridge+", "auto+whitened"):
        with pytest.raises(InputError, match=f"no decoder '{name.replace('+', '.')}'"):
            decode_with(name, *sides)


def test_a_head_alone_stands_on_ridge(sides):
    short, long = (decode_with(name, *sides, alphas=ALPHAS) for name in ("whitened", "ridge+whitened"))
    np.testing.assert_array_equal(short.predicted, long.predicted)


def test_auto_is_one_of_those_it_chooses_among(sides):
    found = decode_with("auto", *sides, alphas=ALPHAS).predicted
    assert any(np.array_equal(found, decode_with(name, *sides, alphas=ALPHAS).predicted) for name in AUTO)


def test_stacking_takes_up_other_lags(sides, rng):
    """A lag at which the main responses are noise: only the other lag tells anything."""
    train, train_embeddings, test, test_embeddings = sides
    deaf = [replace(side, data=rng.standard_normal(side.data.shape).astype(np.float32)) for side in (train, test)]
    main = deaf[0], train_embeddings, deaf[1], test_embeddings
    alone = clips_identified(decode_with("stacked", *main, alphas=ALPHAS))
    lag = (replace(train, lag_tr=3), replace(test, lag_tr=3))
    assert clips_identified(decode_with("stacked", *main, also=[lag], alphas=ALPHAS)) > max(0.85, alone + 0.2)
    folded = decode_kfold_with("stacked", deaf[0], train_embeddings, also=[lag[0]], n_folds=4, alphas=ALPHAS)
    assert clips_identified(folded) > 0.85


def test_the_calibration_for_generators_restores_the_training_distribution(sides):
    train, embeddings, *_ = sides
    calibration = fit_calibration("ridge", train, embeddings, alphas=[1e3])
    shrunk = decode_with("ridge", *sides, alphas=[1e3]).predicted.reshape(-1, 12)
    true = embeddings.data.reshape(-1, 12)
    mapped = calibration.transform(shrunk)
    assert (np.abs(mapped.mean(0) - true.mean(0)) < true.std(0)).all()
    gaps = [np.abs(np.log(side.std(0) / true.std(0))).mean() for side in (mapped, shrunk)]
    assert gaps[0] < 0.5 * gaps[1]
