"""Every decoder by name: planted truth, nothing from outside the fold, chance when permuted, equal on a repeat."""

from dataclasses import replace

import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music.decoding import decoder_options
from brain2music.decoding.decoded import undivided
from brain2music.decoding.fits import RidgeSettings
from brain2music.decoding.problem import Problem, View, inner_identification
from brain2music.decoding.regions import average, rank_regions
from brain2music.decoding.registry import AUTO, POST_PROCESSING, REGRESSORS, fit_decoder, in_form
from brain2music.embeddings.alignment import match_windows
from brain2music.ridge import ridge_cv

from .fitting import decode, decode_in_folds, decoder_in_folds, decoder_of

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
    return inner_identification(*(side.mean(1) - decoded.train_mean for side in (decoded.predicted, decoded.true)))


@pytest.mark.parametrize("name", EACH)
def test_planted_clips_are_identified_the_same_way_every_time(sides, name):
    decoded = decode(*sides, name, alphas=ALPHAS, n_folds=4)
    assert decoded.predicted.shape == decoded.true.shape == (24, 2, 12)
    assert clips_identified(decoded) > 0.85
    again = decode(*sides, name, alphas=ALPHAS, n_folds=4)
    np.testing.assert_array_equal(again.predicted, decoded.predicted)


@pytest.mark.parametrize("name", EACH)
def test_a_prediction_does_not_depend_on_the_other_test_clips(sides, name):
    train, train_embeddings, test, test_embeddings = sides
    whole = decode(*sides, name, alphas=ALPHAS, n_folds=4)
    spoiled = replace(test, data=test.data.copy())
    spoiled.data[1:] = 50.0
    wrong = replace(test_embeddings, data=test_embeddings.data[::-1].copy())
    alone = decode(train, train_embeddings, spoiled, wrong, name, alphas=ALPHAS, n_folds=4)
    np.testing.assert_allclose(alone.predicted[0], whole.predicted[0], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", [*EACH, "selected+contrastive+matched"])
def test_folds_never_see_the_clips_that_they_predict(sides, name):
    responses, embeddings, *_ = sides
    settings = {"inner_folds": 3, "alphas": ALPHAS, "folds": [np.arange(20), np.arange(20, 40)]}
    honest = decode_in_folds(responses, embeddings, name, **settings)
    poisoned = replace(embeddings, data=embeddings.data.copy())
    poisoned.data[:20] = poisoned.data[:20][::-1] * 3.0
    other = decode_in_folds(responses, poisoned, name, **settings)
    np.testing.assert_array_equal(other.predicted[:20], honest.predicted[:20])
    assert (other.predicted[20:] != honest.predicted[20:]).any()


@pytest.mark.parametrize("name", EACH)
def test_permuted_clips_are_at_chance(sides, name):
    responses, embeddings, *_ = sides
    apart = decoder_of(*sides, name, seed=3, alphas=ALPHAS, n_folds=3).permuted(6)
    np.testing.assert_array_equal(apart[0].true, decode(*sides).true)
    settings = {"n_folds": 3, "inner_folds": 3, "alphas": ALPHAS}
    folded = decoder_in_folds(responses, embeddings, name, seed=3, **settings).permuted(6)
    assert (folded[0].true != folded[1].true).any()
    assert abs(np.mean([clips_identified(each) for each in (*apart, *folded)]) - 0.5) < 0.08


def test_regressors_by_name_are_what_they_are_made_of(sides):
    """Ridge is cross-validated ridge of the windows, the ensemble is the average of the regions that are ranked."""
    train, embeddings, test, test_embeddings = sides
    fitted, asked = match_windows(train, embeddings), match_windows(test, test_embeddings)
    fit = ridge_cv(fitted.X, fitted.Y, alphas=ALPHAS, groups=fitted.groups, n_folds=4)
    ridge = decode(*sides, alphas=ALPHAS, n_folds=4)
    np.testing.assert_allclose(ridge.predicted.reshape(-1, 12), fit.predict(asked.X), atol=1e-3)
    np.testing.assert_array_equal(ridge.best_alphas[0], fit.best_alphas)
    view = View.of(fitted.X, train.space.roi)
    problem = Problem((view,), fitted.groups, undivided(train), RidgeSettings(ALPHAS, 4))
    ensemble = average(rank_regions(problem, [fitted.Y])[0])
    by_name = decode(*sides, "roi-ensemble", alphas=ALPHAS, n_folds=4)
    np.testing.assert_array_equal(by_name.predicted.reshape(-1, 12), ensemble.predict(asked.X))
    np.testing.assert_array_equal(by_name.best_alphas, ensemble.best_alphas)


@pytest.mark.parametrize("name", EACH)
def test_sets_of_targets_are_fitted_as_they_are_alone(sides, name):
    train, embeddings, test, _ = sides
    pairs = match_windows(train, embeddings)
    asked = test.data[:, :2].reshape(-1, 72)
    targets = [pairs.Y, np.roll(pairs.Y, 6, axis=0)]
    problem = Problem((View.of(pairs.X, train.space.roi),), pairs.groups, undivided(train), RidgeSettings(ALPHAS, 4))
    for fitted, Y in zip(fit_decoder(name, problem, targets), targets, strict=True):
        alone = fit_decoder(name, problem, [Y])[0]
        np.testing.assert_allclose(fitted.predict(asked), alone.predict(asked), atol=1e-3)
        np.testing.assert_allclose(fitted.held_out, alone.held_out, atol=1e-3)
        np.testing.assert_array_equal(fitted.best_alphas, alone.best_alphas)


def test_every_name_is_a_regressor_a_post_processing_or_auto_and_others_are_refused(sides):
    assert set(decoder_options()) == {*REGRESSORS, *POST_PROCESSING, "auto"}
    for name in ("lasso", "contrastive+selected", "ridge+selected", "ridge+", "auto+whitened"):
        with pytest.raises(InputError, match=f"no decoder '{name.replace('+', '.')}'"):
            decode(*sides, name)


def test_a_post_processing_alone_stands_on_ridge(sides):
    short, long = (decode(*sides, name, alphas=ALPHAS) for name in ("whitened", "ridge+whitened"))
    np.testing.assert_array_equal(short.predicted, long.predicted)


def test_auto_is_one_of_those_it_chooses_among(sides):
    found = decode(*sides, "auto", alphas=ALPHAS).predicted
    assert any(np.array_equal(found, decode(*sides, name, alphas=ALPHAS).predicted) for name in AUTO)


def test_stacking_takes_up_other_lags(sides, rng):
    """A lag at which the main responses are noise: only the other lag tells anything."""
    train, train_embeddings, test, test_embeddings = sides
    deaf = [replace(side, data=rng.standard_normal(side.data.shape).astype(np.float32)) for side in (train, test)]
    main = deaf[0], train_embeddings, deaf[1], test_embeddings
    alone = clips_identified(decode(*main, "stacked", alphas=ALPHAS))
    lag = (replace(train, lag_tr=3), replace(test, lag_tr=3))
    assert clips_identified(decode(*main, "stacked", lagged=[lag], alphas=ALPHAS)) > max(0.85, alone + 0.2)
    folded = decode_in_folds(deaf[0], train_embeddings, "stacked", lagged=[(lag[0], None)], n_folds=4, alphas=ALPHAS)
    assert clips_identified(folded) > 0.85


def test_the_matched_form_restores_the_training_distribution(sides):
    embeddings = sides[1]
    decoder = decoder_of(*sides, alphas=[1e3])
    true = embeddings.data.reshape(-1, 12)
    mapped, shrunk = (decoder.decoded(form).predicted.reshape(-1, 12) for form in ("matched", "plain"))
    assert (np.abs(mapped.mean(0) - true.mean(0)) < true.std(0)).all()
    gaps = [np.abs(np.log(side.std(0) / true.std(0))).mean() for side in (mapped, shrunk)]
    assert gaps[0] < 0.5 * gaps[1]


@pytest.mark.parametrize("name", EACH)
def test_forms_are_the_decoders_that_their_names_say(sides, name):
    decoder = decoder_of(*sides, name, alphas=ALPHAS, n_folds=4)
    for form in ("plain", "matched", "denoised"):
        expected = decode(*sides, in_form(name, form), alphas=ALPHAS, n_folds=4)
        np.testing.assert_allclose(decoder.decoded(form).predicted, expected.predicted, atol=1e-4)


def test_names_of_forms():
    assert [in_form("ridge", form) for form in ("plain", "matched", "denoised")] == [
        "ridge",
        "ridge+matched",
        "ridge+matched+denoised",
    ]
    assert in_form("selected+matched", "matched") == "selected+matched"
    assert in_form("matched", "denoised") == "matched+denoised"
    assert in_form("whitened+denoised", "denoised") == "whitened+denoised"
    assert (in_form("auto", "matched"), in_form("auto", "denoised")) == ("matched", "matched+denoised")
    with pytest.raises(InputError, match="no form 'best'"):
        in_form("ridge", "best")
