"""A subject decoded: planted truth, scikit-learn, what must not leak, and nothing fitted twice."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music.decoding import fits, registry, subject
from brain2music.embeddings.alignment import match_windows

from .fitting import decode, decode_in_folds, decoder_in_folds, decoder_of, two_way


def test_planted_embeddings_come_back_in_their_own_units(planted):
    decoded = decode(*planted(noise=0.01))
    assert decoded.predicted.shape == decoded.true.shape == (20, 5, 4)
    assert np.abs(decoded.predicted - decoded.true).max() < 0.05
    assert [clip.track for clip in decoded.clips[:2]] == ["test0", "test1"]
    assert decoded.space.name == "toy"


@pytest.mark.filterwarnings("ignore::brain2music._utils.errors.Brain2MusicWarning")
def test_equals_scikit_learn_at_the_chosen_penalties(planted):
    train, train_embeddings, test, test_embeddings = planted(noise=5.0)
    decoded = decode(train, train_embeddings, test, test_embeddings, alphas=[1e3, 1.0, 1e6])
    fitted, asked = match_windows(train, train_embeddings), match_windows(test, test_embeddings)
    for dim in range(4):
        ridge = Ridge(alpha=decoded.best_alphas[0, dim]).fit(fitted.X.astype(float), fitted.Y[:, dim])
        expected = ridge.predict(asked.X).reshape(20, 5)
        np.testing.assert_allclose(decoded.predicted[..., dim], expected, atol=2e-4)
    assert decoded.alphas.tolist() == [1.0, 1e3, 1e6]


def test_penalties_are_those_of_grouped_cross_validation(planted):
    train, train_embeddings, test, test_embeddings = planted(noise=5.0)
    grid = [1.0, 1e2, 1e4]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Brain2MusicWarning)
        decoded = decode(train, train_embeddings, test, test_embeddings, alphas=grid)
    pairs = match_windows(train, train_embeddings)
    scores = np.zeros((len(grid), 4))
    for fit, held in GroupKFold(5).split(pairs.X, groups=pairs.groups):
        for a, alpha in enumerate(grid):
            predicted = Ridge(alpha=alpha).fit(pairs.X[fit].astype(float), pairs.Y[fit]).predict(pairs.X[held])
            residual, total = ((pairs.Y[held] - predicted) ** 2).sum(0), pairs.Y[held].var(0) * held.size
            scores[a] += (1 - residual / total) / 5
    np.testing.assert_array_equal(decoded.best_alphas[0], np.array(grid)[scores.argmax(0)])
    np.testing.assert_allclose(decoded.cv_scores[0], scores.max(0), atol=1e-3)


def test_penalties_on_the_edge_are_warned_of(planted):
    with pytest.warns(Brain2MusicWarning, match=r"4 are best predicted by the smallest and 0 by the largest"):
        decoded = decode(*planted(noise=0.01), alphas=[10.0, 1e3, 1e5])
    assert decoded.on_edge.all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not decode(*planted(noise=1.0), alphas=np.logspace(-6, 12, 19).tolist()).on_edge.any()


def test_test_data_do_not_enter_the_fit(planted):
    train, train_embeddings, test, test_embeddings = planted()
    whole = decode(train, train_embeddings, test, test_embeddings, standardise=True)
    spoiled = test.data.copy()
    spoiled[1:] = 1e3
    alone = decode(train, train_embeddings, replace(test, data=spoiled), test_embeddings, standardise=True)
    np.testing.assert_allclose(alone.predicted[0], whole.predicted[0], rtol=1e-6)


def test_standardised_decoding_does_not_depend_on_the_voxels_scale(planted, rng):
    train, train_embeddings, test, test_embeddings = planted()
    scale = rng.uniform(0.1, 1000, train.n_voxels).astype(np.float32)
    scaled = replace(train, data=train.data * scale), replace(test, data=test.data * scale)
    expected = decode(train, train_embeddings, test, test_embeddings, standardise=True)
    decoded = decode(scaled[0], train_embeddings, scaled[1], test_embeddings, standardise=True)
    np.testing.assert_allclose(decoded.predicted, expected.predicted, atol=1e-3)


def test_folds_can_keep_runs_together(planted):
    train, train_embeddings, test, test_embeddings = planted(noise=5.0)
    by_run = decode(train, train_embeddings, test, test_embeddings, groups=train.runs)
    by_clip = decode(train, train_embeddings, test, test_embeddings)
    assert (by_run.cv_scores != by_clip.cv_scores).all()
    with pytest.raises(InputError, match="20 training clips of 40 clips cannot make 21 folds"):
        decode(train, train_embeddings, test, test_embeddings, groups=train.runs, n_folds=21)


@pytest.mark.parametrize(("field", "value"), [("tr", 2.0), ("lag_tr", 3)])
def test_sides_that_were_made_differently_are_refused(planted, field, value):
    train, train_embeddings, test, test_embeddings = planted()
    with pytest.raises(InputError, match=f"differ in {field}"):
        decode(train, train_embeddings, replace(test, **{field: value}), test_embeddings)


def test_other_voxels_are_refused(planted):
    train, train_embeddings, test, test_embeddings = planted()
    with pytest.raises(InputError, match="30 voxels, test responses 29"):
        decode(train, train_embeddings, replace(test, data=test.data[..., 1:]), test_embeddings)


def test_folds_recovers_planted_embeddings_and_repeats_bit_for_bit(planted):
    responses, embeddings, *_ = planted()
    decoded = decode_in_folds(responses, embeddings, n_folds=8, seed=3)
    assert decoded.predicted.shape == (40, 5, 4)
    assert decoded.best_alphas.shape == (8, 4)
    assert two_way(decoded) > 0.99
    again = decode_in_folds(responses, embeddings, n_folds=8, seed=3)
    np.testing.assert_array_equal(again.predicted, decoded.predicted)


def test_folds_never_sees_the_clip_it_predicts(planted):
    """A clip's own embedding, however absurd, must not change its prediction."""
    responses, embeddings, *_ = planted(n_clips=20)
    honest = decode_in_folds(responses, embeddings, n_folds=20)
    data = embeddings.data.copy()
    data[7] = 1e4
    poisoned = decode_in_folds(responses, replace(embeddings, data=data), n_folds=20)
    np.testing.assert_array_equal(poisoned.predicted[7], honest.predicted[7])
    assert (poisoned.predicted[8] != honest.predicted[8]).any()


@pytest.mark.filterwarnings("ignore::brain2music._utils.errors.Brain2MusicWarning")
def test_permuted_decoding_is_at_chance_and_keeps_the_truth(planted):
    sides = planted(n_clips=60)
    permuted = decoder_of(*sides, seed=1).permuted(20)
    assert len(permuted) == 20
    np.testing.assert_array_equal(permuted[3].true, decode(*sides).true)
    assert abs(np.mean([two_way(each) for each in permuted]) - 0.5) < 0.05
    assert (permuted[0].predicted != permuted[1].predicted).any()


@pytest.mark.filterwarnings("ignore::brain2music._utils.errors.Brain2MusicWarning")
def test_permuted_folds_equal_decoding_permuted_embeddings(planted):
    responses, embeddings, *_ = planted(n_clips=30)
    permuted = decoder_in_folds(responses, embeddings, n_folds=5, seed=2).permuted(10)
    first = permuted[0]
    moved = replace(embeddings, data=first.true)
    expected = decode_in_folds(responses, moved, n_folds=5, seed=2)
    np.testing.assert_allclose(first.predicted, expected.predicted, atol=1e-3)
    assert sorted(first.true[:, 0, 0]) == sorted(embeddings.data[:, 0, 0])
    assert abs(np.mean([two_way(each) for each in permuted]) - 0.5) < 0.05


def test_train_mean_is_that_of_the_fit(planted):
    train, train_embeddings, test, test_embeddings = planted(n_clips=20)
    decoded = decode(train, train_embeddings, test, test_embeddings)
    np.testing.assert_allclose(decoded.train_mean[3], train_embeddings.data.mean((0, 1)), rtol=1e-5)
    folded = decode_in_folds(train, train_embeddings, n_folds=20)
    others = np.delete(train_embeddings.data, 7, axis=0)
    np.testing.assert_allclose(folded.train_mean[7], others.mean((0, 1)), rtol=1e-5)


@pytest.fixture
def counted(monkeypatch):
    """How often a decoder, and a ridge of any kind, is fitted."""
    counts = {"decoders": 0, "ridges": 0}

    def count(name, function):
        def counting(*given, **settings):
            counts[name] += 1
            return function(*given, **settings)

        return counting

    for module in (subject, registry):
        monkeypatch.setattr(module, "fit_decoder", count("decoders", registry.fit_decoder))
    monkeypatch.setattr(fits, "ridge_cv_many", count("ridges", fits.ridge_cv_many))
    return counts


@pytest.mark.filterwarnings("ignore::brain2music._utils.errors.Brain2MusicWarning")
@pytest.mark.parametrize("name", ["ridge", "whitened"])
@pytest.mark.parametrize("in_folds", [False, True])
def test_all_forms_and_permutations_are_from_one_fit_per_split(planted, counted, name, in_folds):
    sides = planted(noise=3.0)
    splits = 4 if in_folds else 1
    make = (
        (lambda each: decoder_in_folds(*sides[:2], each, n_folds=4))
        if in_folds
        else (lambda each: decoder_of(*sides, each))
    )
    decoder = make(name).fit(3)
    forms = {form: decoder.decoded(form) for form in ("plain", "matched", "denoised")}
    assert len(decoder.permuted(3)) == 3
    assert len(decoder.permuted(2)) == 2
    decoder.decoded("matched")
    assert counted == {"decoders": splits, "ridges": splits}
    whole = {"plain": name, "matched": f"{name}+matched", "denoised": f"{name}+matched+denoised"}
    for form, each in whole.items():
        expected = make(each).decoded()
        np.testing.assert_allclose(forms[form].predicted, expected.predicted, atol=1e-4)
        np.testing.assert_array_equal(forms[form].best_alphas, expected.best_alphas)
        np.testing.assert_array_equal(forms[form].train_mean, expected.train_mean)
    assert not np.array_equal(forms["plain"].predicted, forms["matched"].predicted)
    assert not np.array_equal(forms["matched"].predicted, forms["denoised"].predicted)


@pytest.mark.filterwarnings("ignore::brain2music._utils.errors.Brain2MusicWarning")
@pytest.mark.parametrize("name", ["ridge", "selected", "stacked", "nonlinear", "whitened", "auto"])
def test_permuted_fits_beside_it_change_no_prediction(planted, name):
    sides = planted(n_clips=24, noise=3.0)
    for make, given in ((decoder_of, sides), (decoder_in_folds, sides[:2])):
        settings = {"n_folds": 3}
        alone, together = make(*given, name, **settings), make(*given, name, **settings).fit(2)
        for form in ("plain", "matched"):
            ours, theirs = alone.decoded(form), together.decoded(form)
            np.testing.assert_allclose(theirs.predicted, ours.predicted, atol=2e-4)
            np.testing.assert_array_equal(theirs.true, ours.true)
            np.testing.assert_array_equal(theirs.best_alphas, ours.best_alphas)


@pytest.mark.filterwarnings("ignore::brain2music._utils.errors.Brain2MusicWarning")
def test_the_first_permutations_of_test_clips_are_the_same_however_many_are_drawn(planted):
    sides = planted(n_clips=24, noise=3.0)
    few, many = (decoder_of(*sides, seed=5).permuted(n) for n in (2, 6))
    for ours, theirs in zip(few, many[:2], strict=True):
        np.testing.assert_allclose(theirs.predicted, ours.predicted, atol=1e-4)
    other = decoder_of(*sides, seed=6).permuted(1)[0]
    assert np.abs(other.predicted - few[0].predicted).max() > 0.01


@pytest.mark.filterwarnings("ignore::brain2music._utils.errors.Brain2MusicWarning")
@pytest.mark.parametrize("n_fitted", [2, 7])
def test_each_permutation_in_folds_is_told_beside_the_clips_that_it_was_fitted_to(planted, n_fitted):
    """Fewer permutations than were fitted are the first of those, whatever would have been drawn for so few."""
    responses, embeddings, *_ = planted(n_clips=24, noise=0.1)
    responses = replace(responses, runs=np.arange(24) // 6)
    decoder = decoder_in_folds(responses, embeddings, n_folds=4, seed=3).fit(n_fitted)
    row = {clip: i for i, clip in enumerate(responses.clips)}
    permuted = decoder.permuted(2)
    assert len(permuted) == 2
    for each in permuted:
        order = [row[clip] for clip in each.clips]
        np.testing.assert_array_equal(each.true, embeddings.data[order])
        moved = replace(embeddings, data=embeddings.data[order])
        expected = decode_in_folds(responses, moved, n_folds=4, seed=3)
        np.testing.assert_allclose(each.predicted, expected.predicted, atol=2e-3)


@pytest.mark.filterwarnings("ignore::brain2music._utils.errors.Brain2MusicWarning")
def test_permutations_asked_for_later_are_fitted_then(planted, counted):
    decoder = decoder_of(*planted(n_clips=24, noise=3.0), seed=5)
    plain = decoder.decoded()
    assert counted["ridges"] == 1
    later = decoder.permuted(2)
    assert counted["ridges"] == 2
    np.testing.assert_allclose(decoder.decoded().predicted, plain.predicted, atol=1e-4)
    assert len(later) == 2


@pytest.mark.filterwarnings("ignore::brain2music._utils.errors.Brain2MusicWarning")
@pytest.mark.parametrize("standardise", [False, True])
def test_every_fold_is_decoded_by_a_fit_to_the_clips_of_the_others(planted, standardise):
    """Each from a decoder of training and test clips that knows nothing of folds, nor of their shared Gram matrix."""
    responses, embeddings, *_ = planted(n_clips=24, n_voxels=300, noise=5.0)
    decoder = decoder_in_folds(responses, embeddings, n_folds=4, standardise=standardise)
    folded = decoder.decoded()
    assert len(decoder.held_out) == 4
    for fold, held in enumerate(decoder.held_out):
        rest, asked = responses[np.delete(np.arange(24), held)], responses[held]
        expected = decode(rest, embeddings, asked, embeddings, standardise=standardise)
        np.testing.assert_allclose(folded.predicted[held], expected.predicted, atol=1e-3)
        np.testing.assert_array_equal(folded.best_alphas[fold], expected.best_alphas[0])
        np.testing.assert_allclose(folded.train_mean[held], expected.train_mean, rtol=1e-6)


@pytest.mark.filterwarnings("ignore::brain2music._utils.errors.Brain2MusicWarning")
def test_a_stack_is_of_all_lags_in_folds_too(planted, rng):
    responses, embeddings, test, test_embeddings = planted(n_clips=24, noise=0.5)
    lag, test_lag = replace(responses, lag_tr=3), replace(test, lag_tr=3)
    deaf, test_deaf = (
        replace(each, data=rng.standard_normal(each.data.shape).astype(np.float32)) for each in (responses, test)
    )
    decoder = decoder_of(deaf, embeddings, test_deaf, test_embeddings, "stacked", lagged=[(lag, test_lag)])
    folded = decoder_in_folds(deaf, embeddings, "stacked", n_folds=4, lagged=[(lag, None)])
    for each in (decoder, folded):
        assert two_way(each.decoded()) > 0.9
        assert two_way(each.decoded("matched")) > 0.9
        assert abs(np.mean([two_way(one) for one in each.permuted(4)]) - 0.5) < 0.15
    assert decoder.decoded().best_alphas.shape == (2, 4)
    assert folded.decoded().best_alphas.shape == (8, 4)
    with pytest.raises(InputError, match="differ in lag_tr"):
        decoder_of(deaf, embeddings, test_deaf, test_embeddings, "stacked", lagged=[(lag, test)])


@pytest.mark.filterwarnings("ignore::brain2music._utils.errors.Brain2MusicWarning")
def test_progress_is_told_after_every_split(planted):
    told = []
    decoder_in_folds(*planted(n_clips=20)[:2], n_folds=4).fit(advance=lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
