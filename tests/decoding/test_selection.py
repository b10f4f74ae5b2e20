"""Voxels ranked by encoding and selected by cross-validation, against both written out with scikit-learn."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from brain2music.decoding import selection
from brain2music.decoding.fits import RidgeSettings
from brain2music.decoding.problem import Problem, View
from brain2music.decoding.registry import fit_decoder
from brain2music.decoding.selection import FEWEST, SHARES
from brain2music.decoding.voxel_ranking import ALPHAS, rank_voxels
from brain2music.ridge import assign_folds

from .fitting import decode_in_folds, predict, problem_of

N_CLIPS, WINDOWS, VOXELS, HEARING = 36, 2, 90, 30


@pytest.fixture
def pairs(rng):
    """X, Y of float32, and the clip of each pair; the first voxels follow the embedding, more and more noisily."""
    clip = np.repeat(np.arange(N_CLIPS), WINDOWS)
    Y = rng.standard_normal((N_CLIPS, 5))[clip] + 0.5 * rng.standard_normal((len(clip), 5))
    Y = Y * [5.0, 2.0, 1.0, 0.5, 0.1] + 40.0
    noise = np.where(np.arange(VOXELS) < HEARING, np.linspace(0.5, 3, VOXELS), 1.0)
    X = ((Y - 40.0) / [5.0, 2.0, 1.0, 0.5, 0.1]) @ rng.standard_normal((5, VOXELS)) * (np.arange(VOXELS) < HEARING)
    X = X + noise * rng.standard_normal((len(clip), VOXELS)) + rng.uniform(-3, 3, VOXELS)
    return X.astype(np.float32), Y.astype(np.float32), clip


def encoded(X, Y, fitted, asked):
    """Correlations (alphas, voxels) of held-out responses with what models of the others predict."""
    found = np.zeros((len(ALPHAS), X.shape[1]))
    for k, alpha in enumerate(ALPHAS.tolist()):
        model = make_pipeline(StandardScaler(), Ridge(alpha=alpha)).fit(Y[fitted].astype(float), X[fitted])
        predicted = model.predict(Y[asked].astype(float))
        for voxel in range(X.shape[1]):
            found[k, voxel] = np.corrcoef(predicted[:, voxel], X[asked, voxel])[0, 1]
    return found


def expected_scores(X, Y, folds, groups):
    """Scores of voxels by all folds, and without each, refitted every time."""
    n_folds = folds.max() + 1
    score = [encoded(X, Y, folds != g, folds == g) for g in range(n_folds)]
    without = []
    for f in range(n_folds):
        if n_folds > 2:
            tried = [(~np.isin(folds, (f, g)), folds == g) for g in range(n_folds) if g != f]
        else:  # the other fold is divided in two
            other = np.flatnonzero(folds != f)
            half = assign_folds(len(other), groups[other], 2)
            tried = [
                (np.isin(np.arange(len(X)), other[half != h]), np.isin(np.arange(len(X)), other[half == h]))
                for h in range(2)
            ]
        without.append(np.mean([encoded(X, Y, *each) for each in tried], axis=0).max(0))
    return np.mean(score, axis=0).max(0), without


@pytest.mark.parametrize("n_folds", [2, 3, 5])
def test_voxels_are_ranked_as_by_models_refitted_for_every_fold(pairs, n_folds):
    X, Y, clip = pairs
    folds = assign_folds(len(X), clip, n_folds)
    ranking = rank_voxels(X, Y, folds, clip)
    scores, without = expected_scores(X, Y, folds, clip)
    np.testing.assert_allclose(ranking.scores, scores, atol=1e-4)
    np.testing.assert_array_equal(ranking.order, np.argsort(-ranking.scores, kind="stable"))
    assert len(ranking.without_fold) == n_folds
    for order, expected in zip(ranking.without_fold, without, strict=True):
        assert sorted(order) == list(range(VOXELS))
        assert np.diff(expected[order]).max() < 1e-4  # equal but for ties
    assert len({tuple(order) for order in (ranking.order, *ranking.without_fold)}) == 1 + n_folds


@pytest.mark.parametrize("n_folds", [2, 5])
def test_the_ranking_without_a_fold_has_never_seen_it(pairs, rng, n_folds):
    X, Y, clip = pairs
    folds = assign_folds(len(X), clip, n_folds)
    honest = rank_voxels(X, Y, folds, clip)
    _, expected = expected_scores(X, Y, folds, clip)
    for fold in range(n_folds):
        held = folds == fold
        poisoned_X, poisoned_Y = X.copy(), Y.copy()
        poisoned_Y[held] = Y[held][::-1] + 30.0
        poisoned_X[held] = 10 * rng.standard_normal((held.sum(), VOXELS))
        found = rank_voxels(poisoned_X, poisoned_Y, folds, clip)
        ours, theirs = (expected[fold][each.without_fold[fold]] for each in (found, honest))
        np.testing.assert_allclose(ours, theirs, atol=2e-5)  # the same order, but for ties in single precision
        assert np.abs(found.scores - honest.scores).max() > 0.1
        for other in set(range(n_folds)) - {fold}:
            changed, known = (expected[other][each.without_fold[other]] for each in (found, honest))
            assert np.abs(changed - known).max() > 0.1


def test_halves_of_a_fold_do_not_divide_a_recording(pairs):
    """Of two folds, each is divided again; were clips divided, other labels could not change the ranking."""
    X, Y, clip = pairs
    folds = assign_folds(len(X), clip // 6, 2)
    whole, divided = (rank_voxels(X, Y, folds, labels) for labels in (clip // 6, np.arange(len(X))))
    _, expected = expected_scores(X, Y, folds, clip // 6)
    for order, scores in zip(whole.without_fold, expected, strict=True):
        assert np.diff(scores[order]).max() < 1e-4
    np.testing.assert_allclose(whole.scores, divided.scores, atol=1e-6)
    assert not np.array_equal(whole.without_fold[0], divided.without_fold[0])


def test_ranking_does_not_depend_on_the_embeddings_units_nor_on_blocks(pairs, monkeypatch):
    X, Y, clip = pairs
    folds = assign_folds(len(X), clip, 5)
    ranking = rank_voxels(X, Y, folds, clip)
    scaled = rank_voxels(X, (Y * np.float32([0.01, 7, 300, 1, 2])).astype(np.float32), folds, clip)
    np.testing.assert_allclose(scaled.scores, ranking.scores, atol=1e-4)
    monkeypatch.setattr("brain2music.decoding.voxel_ranking.BLOCK", 13)
    blocks = rank_voxels(X, Y, folds, clip)
    np.testing.assert_allclose(blocks.scores, ranking.scores, atol=1e-6)


def test_constant_voxels_and_dimensions_say_nothing(pairs):
    X, Y, clip = pairs
    folds = assign_folds(len(X), clip, 5)
    ranking = rank_voxels(X, Y, folds, clip)
    X, Y = np.c_[X, np.full(len(X), 7.0, np.float32)], np.c_[Y, np.full(len(Y), 3.0, np.float32)]
    found = rank_voxels(X, Y, folds, clip)
    assert found.scores[-1] == 0
    np.testing.assert_allclose(found.scores[:-1], ranking.scores, atol=1e-5)


def tried_by_hand(problem, Y, counts, standardise):
    """For each count of voxels, held-out predictions and penalties of ridges refitted in every fold."""
    X, folds, grid = problem.views[0].X.astype(float), problem.folds, problem.settings.grid
    ranking = rank_voxels(problem.views[0].X, Y, folds, problem.groups)
    found = []
    for count in counts:
        path, scores = np.zeros((len(grid), *Y.shape)), np.zeros((len(grid), Y.shape[1]))
        for fold, order in enumerate(ranking.without_fold):
            held, chosen = folds == fold, order[:count]
            spread = ((Y[held] - Y[held].mean(0)) ** 2).sum(0)
            for k, alpha in enumerate(grid):
                steps = [StandardScaler()] if standardise else []
                model = make_pipeline(*steps, Ridge(alpha=alpha)).fit(X[~held][:, chosen], Y[~held].astype(float))
                path[k, held] = model.predict(X[held][:, chosen])
                scores[k] += (1 - ((path[k, held] - Y[held]) ** 2).sum(0) / spread) / len(ranking.without_fold)
        best = scores.argmax(0)
        found.append((path[best, :, np.arange(len(best))].T, grid[best], scores.max(0)))
    return ranking, found


@pytest.mark.parametrize("standardise", [False, True])
@pytest.mark.parametrize("n_folds", [2, 5])
def test_selected_is_the_best_share_of_voxels_refitted_in_every_fold(pairs, n_folds, standardise):
    X, Y, clip = pairs
    settings = RidgeSettings([0.1, 1.0, 10.0, 1e2, 1e3, 1e4], n_folds, standardise)
    problem = Problem((View.of(X),), clip, np.arange(N_CLIPS), settings)
    counts = sorted({max(FEWEST, round(share * VOXELS)) for share in SHARES})
    ranking, tried = tried_by_hand(problem, Y, counts, standardise)
    every = problem.ridge([Y])[0]

    def score(held_out):
        return np.mean([np.corrcoef(held_out[:, d], Y[:, d])[0, 1] for d in range(Y.shape[1])])

    best = int(np.argmax([score(held_out) for held_out, *_ in tried]))
    assert score(tried[best][0]) > score(every.held_out)
    held_out, alphas, scores = tried[best]
    fitted = fit_decoder("selected", problem, [Y])[0]
    np.testing.assert_allclose(fitted.held_out, held_out, atol=2e-3)
    np.testing.assert_array_equal(fitted.best_alphas, alphas[None])
    np.testing.assert_allclose(fitted.cv_scores, scores[None], atol=1e-3)
    chosen = ranking.order[: counts[best]]
    for dim, alpha in enumerate(alphas):
        steps = [StandardScaler()] if standardise else []
        model = make_pipeline(*steps, Ridge(alpha=alpha)).fit(X[:, chosen].astype(float), Y[:, dim].astype(float))
        np.testing.assert_allclose(fitted.predict(X + 1)[:, dim], model.predict(X[:, chosen] + 1.0), atol=2e-3)


@pytest.mark.parametrize("n_folds", [2, 5])
def test_held_out_predictions_know_nothing_of_their_fold(pairs, n_folds, monkeypatch):
    """With one penalty and one share, which both are chosen by all folds, a fold's own pairs change nothing."""
    X, Y, clip = pairs
    monkeypatch.setattr(selection, "SHARES", (0.3,))
    problem = Problem((View.of(X),), clip, np.arange(N_CLIPS), RidgeSettings([10.0], n_folds))
    fitted = fit_decoder("selected", problem, [Y])[0]
    for fold in range(n_folds):
        held, other = problem.folds == fold, Y.copy()
        other[held] += np.float32(0.3) * Y[held].std(0)
        again = fit_decoder("selected", problem, [other])[0]
        np.testing.assert_allclose(again.held_out[held], fitted.held_out[held], atol=1e-4)
        assert (np.abs(again.held_out[~held] - fitted.held_out[~held]).max(0) > 1e-3).all()


@pytest.mark.filterwarnings("ignore::brain2music._utils.errors.Brain2MusicWarning")
def test_selection_never_sees_a_test_fold(planted, rng):
    """The responses and music of the clips held out are poisoned but for one response, which is decoded as before."""
    responses, embeddings, *_ = planted(n_clips=24, n_voxels=120, noise=3.0)
    folds = [np.arange(8), np.arange(8, 16), np.arange(16, 24)]
    honest = decode_in_folds(responses, embeddings, "selected", folds=folds, inner_folds=3)
    data, music = responses.data.copy(), embeddings.data.copy()
    data[9:16] = 50 * rng.standard_normal(data[9:16].shape)
    music[8:16] = music[8:16][::-1] + 100.0
    poisoned = decode_in_folds(
        type(responses)(**{**vars(responses), "data": data}),
        type(embeddings)(music, embeddings.names, embeddings.space),
        "selected",
        folds=folds,
        inner_folds=3,
    )
    np.testing.assert_array_equal(poisoned.predicted[8], honest.predicted[8])
    np.testing.assert_array_equal(poisoned.best_alphas[1], honest.best_alphas[1])
    assert (poisoned.predicted[:8] != honest.predicted[:8]).any(axis=(1, 2)).all()


def test_encoding_finds_the_voxels_that_hear_and_selection_keeps_them(rng):
    Y = rng.standard_normal((120, 5))
    hears = np.arange(400) < 40
    X = np.where(hears, Y @ rng.standard_normal((5, 400)), 0) + 3 * rng.standard_normal((120, 400))
    problem = problem_of(X[:80])
    known = Y[:80].astype(np.float32)
    scores = rank_voxels(problem.views[0].X, known, problem.folds, problem.groups).scores
    assert scores[hears].mean() > scores[~hears].mean() + 0.2
    error = [((predict(name, X[:80], Y[:80], X[80:]) - Y[80:]) ** 2).mean() for name in ("selected", "ridge")]
    assert error[0] < 0.9 * error[1]


def test_selection_of_all_voxels_is_ridge(rng, monkeypatch):
    """Where there are too few to select among, and where no share predicts held-out pairs better than all."""
    few = rng.standard_normal((30, 12)), rng.standard_normal((30, 3)), rng.standard_normal((4, 12))
    np.testing.assert_allclose(predict("selected", *few), predict("ridge", *few), atol=1e-5)
    Y = rng.standard_normal((80, 40))
    X = Y @ np.linalg.qr(rng.standard_normal((60, 40)))[0].T + 0.01 * rng.standard_normal((80, 60))
    monkeypatch.setattr(selection, "SHARES", (0.01,))
    given = X[:70], Y[:70], X[70:]
    np.testing.assert_array_equal(predict("selected", *given), predict("ridge", *given))


def test_each_set_of_targets_has_voxels_of_its_own(pairs):
    X, Y, clip = pairs
    other = X[:, -5:].astype(np.float32)  # deaf voxels, which only they themselves predict
    problem = Problem((View.of(X),), clip, np.arange(N_CLIPS), RidgeSettings())
    together = fit_decoder("selected", problem, [Y, other])
    for fitted, targets in zip(together, (Y, other), strict=True):
        alone = fit_decoder("selected", problem, [targets])[0]
        np.testing.assert_allclose(fitted.predict(X), alone.predict(X), atol=1e-4)
        np.testing.assert_array_equal(fitted.best_alphas, alone.best_alphas)
