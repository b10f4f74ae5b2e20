"""Banded ridge against himalaya, against ridge on scaled features, and against planted bands."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.metrics import r2_score

from brain2music.ridge import BandedFit, assign_folds, banded_ridge_cv, ridge, ridge_cv
from brain2music.ridge._banded_gradient import held_out_loss
from brain2music.ridge._plan import SOLVERS

pytestmark = pytest.mark.filterwarnings("ignore:the best alpha")
ALPHAS = np.logspace(-1, 5, 7)


def test_one_band_is_ridge(two_bands) -> None:
    (X, _), Y = two_bands
    banded, plain = banded_ridge_cv([X], Y, alphas=ALPHAS, n_candidates=1), ridge_cv(X, Y, alphas=ALPHAS)
    np.testing.assert_allclose(banded.predict([X]), plain.predict(X), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(banded.cv_scores, plain.cv_scores.max(0), rtol=1e-6)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("solver", SOLVERS)
def test_random_search_equals_himalaya(solver, intercept, two_bands) -> None:
    from himalaya.backend import set_backend
    from himalaya.ridge import GroupRidgeCV
    from himalaya.scoring import r2_score

    Xs, Y = two_bands
    candidates = np.array([[0.5, 0.5], [0.9, 0.1], [0.1, 0.9], [0.99, 0.01]])
    settings = {"fit_intercept": intercept, "solver": solver, "dtype": "float64"}
    ours = banded_ridge_cv(Xs, Y, alphas=ALPHAS, candidates=candidates, **settings)
    set_backend("numpy")
    params = {"n_iter": candidates, "alphas": ALPHAS, "progress_bar": False, "score_func": r2_score}
    peer = GroupRidgeCV(groups="input", cv=5, fit_intercept=intercept, solver_params=params).fit(Xs, Y)
    np.testing.assert_allclose(ours.cv_scores, peer.cv_scores_.max(0), rtol=1e-6)
    np.testing.assert_allclose(ours.predict(Xs), peer.predict(Xs), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(ours.band_weights / ours.best_alphas, np.exp(peer.deltas_), rtol=1e-6)
    np.testing.assert_allclose(np.concatenate(ours.coefs), peer.coef_, rtol=1e-6, atol=1e-9)


def test_bands_with_more_features_than_rows_equal_himalayas_kernels(rng) -> None:
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import MultipleKernelRidgeCV
    from himalaya.scoring import r2_score

    Xs = [rng.standard_normal((80, 150)), rng.standard_normal((80, 300)), rng.standard_normal((80, 40))]
    Y = 0.3 * Xs[0] @ rng.standard_normal((150, 4)) + rng.standard_normal((80, 4))
    candidates = np.array([[0.2, 0.3, 0.5], [0.8, 0.1, 0.1], [0.05, 0.05, 0.9]])
    ours = banded_ridge_cv(Xs, Y, alphas=ALPHAS, candidates=candidates, fit_intercept=False, dtype="float64")
    set_backend("numpy")
    params = {"n_iter": candidates, "alphas": ALPHAS, "progress_bar": False, "score_func": r2_score}
    kernels = np.stack([X @ X.T for X in Xs])
    peer = MultipleKernelRidgeCV(kernels="precomputed", cv=5, solver_params=params).fit(kernels, Y)
    np.testing.assert_allclose(ours.cv_scores, peer.cv_scores_.max(0), rtol=1e-6)
    np.testing.assert_allclose(ours.predict(Xs), peer.predict(kernels), rtol=1e-6, atol=1e-8)


def held_out_r2(Xs: list[np.ndarray], y: np.ndarray, penalties: np.ndarray, folds: np.ndarray) -> float:
    """Mean r² over folds of one target with one penalty per band, by the normal equations in every fold."""
    X, penalty = np.concatenate(Xs, 1), np.repeat(penalties, [each.shape[1] for each in Xs])
    scores = []
    for fold in np.unique(folds):
        held = folds == fold
        mean, y_mean = X[~held].mean(0), y[~held].mean()
        T = X[~held] - mean
        coef = np.linalg.solve(T.T @ T + np.diag(penalty), T.T @ (y[~held] - y_mean))
        scores.append(r2_score(y[held], (X[held] - mean) @ coef + y_mean))
    return float(np.mean(scores))


def test_gradient_is_no_worse_than_himalayas(two_bands) -> None:
    """The held-out r² at the penalties where each stops, computed by one function."""
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import MultipleKernelRidgeCV

    Xs, Y = two_bands
    Xs, Y = [X - X.mean(0) for X in Xs], Y - Y.mean(0)
    folds = assign_folds(200, None, 5)
    ours = banded_ridge_cv(Xs, Y, alphas=ALPHAS, n_candidates=1, method="gradient", dtype="float64")
    set_backend("numpy")
    params = {"max_iter": 50, "progress_bar": False, "initial_deltas": "ridgecv"}
    peer = MultipleKernelRidgeCV(kernels="precomputed", solver="hyper_gradient", cv=5, solver_params=params)
    theirs = 1 / np.exp(peer.fit(np.stack([X @ X.T for X in Xs]), Y).deltas_)
    for t in range(Y.shape[1]):
        reached = held_out_r2(Xs, Y[:, t], ours.best_alphas[t] / ours.band_weights[:, t], folds)
        assert reached == pytest.approx(ours.cv_scores[t], rel=1e-6)
        assert reached > held_out_r2(Xs, Y[:, t], theirs[:, t], folds) - 1e-3


def test_gradient_stops_near_the_optimum_that_scipy_finds(two_bands) -> None:
    Xs, Y = two_bands
    folds = assign_folds(200, None, 5)
    fit = banded_ridge_cv(Xs, Y, alphas=ALPHAS, n_candidates=1, method="gradient", dtype="float64")
    for t in (0, 4):
        start = np.log(fit.best_alphas[t] / fit.band_weights[:, t])
        found = minimize(lambda w, t=t: -held_out_r2(Xs, Y[:, t], np.exp(w), folds), start, method="Nelder-Mead")
        assert -found.fun - fit.cv_scores[t] < 2e-3


@pytest.mark.parametrize("solver", SOLVERS)
def test_candidates_equal_ridge_on_scaled_features(solver, rng) -> None:
    """The dual solver combines one Gram matrix per band; each candidate must give what scaled features give."""
    Xs = [rng.standard_normal((60, 150)) + 4, rng.standard_normal((60, 90))]
    Y = Xs[0][:, :3] + rng.standard_normal((60, 3))
    candidates = np.array([[0.5, 0.5], [0.8, 0.2]])
    banded = banded_ridge_cv(Xs, Y, alphas=ALPHAS, candidates=candidates, solver=solver, dtype="float64")
    scaled = [np.concatenate([X * np.sqrt(g) for X, g in zip(Xs, gamma, strict=True)], 1) for gamma in candidates]
    fits = [ridge_cv(X, Y, alphas=ALPHAS, solver=solver, dtype="float64") for X in scaled]
    best = np.argmax([fit.cv_scores.max(0) for fit in fits], 0)
    np.testing.assert_allclose(banded.cv_scores, [fits[b].cv_scores[:, t].max() for t, b in enumerate(best)])
    predicted = np.stack([fits[b].predict(scaled[b])[:, t] for t, b in enumerate(best)], 1)
    np.testing.assert_allclose(banded.predict(Xs), predicted, rtol=1e-8, atol=1e-8)


def test_gradient_improves_on_few_candidates_and_finds_the_band(two_bands) -> None:
    Xs, Y = two_bands
    few = banded_ridge_cv(Xs, Y, alphas=ALPHAS, n_candidates=1)
    better = banded_ridge_cv(Xs, Y, alphas=ALPHAS, n_candidates=1, method="gradient")
    assert (better.cv_scores > few.cv_scores).all()
    assert (better.band_weights[0, :3] > 0.8).all()
    assert (better.band_weights[1, 3:] > 0.8).all()


def test_gradients_loss_is_the_cross_validated_score(two_bands) -> None:
    Xs, Y = two_bands
    gamma, alpha = np.array([0.3, 0.7]), 20.0
    fit = banded_ridge_cv(Xs, Y, alphas=[alpha], candidates=gamma[None], dtype="float64")
    kernels = torch.stack([torch.from_numpy((X - X.mean(0)) @ (X - X.mean(0)).T) for X in Xs])
    weights = torch.from_numpy(np.log(gamma / alpha))[:, None].expand(2, Y.shape[1]).clone().requires_grad_()
    folds = list(torch.arange(200).chunk(5))
    centred = torch.from_numpy(Y - Y.mean(0))
    loss = held_out_loss(kernels, centred, folds, weights, True)
    np.testing.assert_allclose(1 - loss.detach().numpy(), fit.cv_scores, rtol=1e-8)
    assert torch.autograd.gradcheck(lambda w: held_out_loss(kernels, centred[:, :1], folds, w, True), weights[:, :1])


def test_candidates_are_on_the_simplex_and_follow_the_seed(two_bands) -> None:
    Xs, Y = two_bands
    fits = [banded_ridge_cv(Xs, Y, alphas=ALPHAS, n_candidates=6, random_state=seed) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(fits[0].band_weights, fits[1].band_weights)
    np.testing.assert_array_equal(fits[0].coefs[0], fits[1].coefs[0])
    assert not np.array_equal(fits[0].band_weights, fits[2].band_weights)
    for fit in fits:
        np.testing.assert_allclose(fit.band_weights.sum(0), 1)
        assert (fit.band_weights >= 0).all()
    by_generator = banded_ridge_cv(Xs, Y, alphas=ALPHAS, n_candidates=6, random_state=np.random.default_rng(1))
    np.testing.assert_array_equal(by_generator.band_weights, fits[0].band_weights)


def test_more_candidates_are_never_worse(two_bands) -> None:
    Xs, Y = two_bands
    scores = [banded_ridge_cv(Xs, Y, alphas=ALPHAS, n_candidates=n).cv_scores for n in (1, 4, 12)]
    assert (scores[1] >= scores[0]).all()
    assert (scores[2] >= scores[1]).all()
    assert (scores[2] > scores[0]).any()


@pytest.mark.parametrize("method", ["random", "gradient"])
def test_weights_are_those_of_ridge_with_the_penalties_found(method, two_bands) -> None:
    """Weights of band b minimise ‖Y - XB‖² + Σ α/γ_b ‖B_b‖²: the normal equations, per target."""
    Xs, Y = two_bands
    fit = banded_ridge_cv(Xs, Y, alphas=ALPHAS, n_candidates=4, method=method, n_steps=10, dtype="float64")
    X = np.concatenate(Xs, 1) - np.concatenate(Xs, 1).mean(0)
    coef = np.concatenate(fit.coefs)
    for t in range(Y.shape[1]):
        penalty = np.repeat(fit.best_alphas[t] / fit.band_weights[:, t], [12, 40])
        expected = np.linalg.solve(X.T @ X + np.diag(penalty), X.T @ (Y[:, t] - Y[:, t].mean()))
        np.testing.assert_allclose(coef[:, t], expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(fit.predict(Xs).mean(0), Y.mean(0))


def test_a_band_of_weight_zero_gets_no_weights(two_bands) -> None:
    Xs, Y = two_bands
    fit = banded_ridge_cv(Xs, Y, alphas=ALPHAS, candidates=np.array([[1.0, 0.0]]), dtype="float64")
    alone = ridge(Xs[0], Y, fit.best_alphas, dtype="float64")
    np.testing.assert_array_equal(fit.coefs[1], 0)
    np.testing.assert_allclose(fit.coefs[0], alone.coef, rtol=1e-8, atol=1e-12)


def test_groups_and_explicit_folds_are_the_same(two_bands) -> None:
    Xs, Y = two_bands
    groups = np.random.default_rng(3).integers(0, 12, len(Y))
    by_groups = banded_ridge_cv(Xs, Y, alphas=ALPHAS, groups=groups, n_folds=4, n_candidates=3)
    by_folds = banded_ridge_cv(Xs, Y, alphas=ALPHAS, folds=assign_folds(200, groups, 4), n_candidates=3)
    np.testing.assert_array_equal(by_groups.cv_scores, by_folds.cv_scores)
    contiguous = banded_ridge_cv(Xs, Y, alphas=ALPHAS, n_folds=4, n_candidates=3)
    assert not np.array_equal(by_groups.cv_scores, contiguous.cv_scores)


def test_contributions_of_bands_sum_to_the_prediction(two_bands) -> None:
    Xs, Y = two_bands
    fit = banded_ridge_cv(Xs, Y, alphas=ALPHAS, n_candidates=3)
    parts = fit.predict_bands(Xs)
    assert parts.shape == (2, 200, 6)
    np.testing.assert_allclose(parts.sum(0) + fit.intercept, fit.predict(Xs))
    np.testing.assert_array_equal(parts[1], Xs[1] @ fit.coefs[1])


def test_predictions_of_other_bands_are_refused(two_bands) -> None:
    Xs, Y = two_bands
    fit: BandedFit = banded_ridge_cv(Xs, Y, alphas=ALPHAS, n_candidates=1)
    with pytest.raises(ValueError, match=r"bands of \[40, 12\] features: fitted on \[12, 40\]"):
        fit.predict(Xs[::-1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Xs": []}, "no band"),
        ({"Xs": [np.zeros((5, 2))]}, "rows as in Y"),
        ({"Xs": [np.full((200, 2), np.nan)]}, r"X contains NaN or infinity in column\(s\) 0, 1"),
        ({"method": "grid"}, "method='grid' is unknown: give one of random, gradient"),
        ({"solver": "svd"}, "solver='svd' is unknown"),
        ({"n_candidates": 0}, "n_candidates=0: give at least 1"),
        ({"alphas": [-1.0]}, "positive finite penalties"),
        ({"folds": np.arange(200)}, "2 rows in every fold"),
        ({"candidates": np.array([[0.5, 0.2, 0.3]])}, "rows of 2 weights"),
        ({"candidates": np.array([[1.5, -0.5]])}, "none negative"),
        ({"candidates": np.empty((0, 2))}, "rows of 2 weights"),
        ({"candidates": np.array([[0.5, 0.6]])}, "summing to 1"),
    ],
)
def test_errors(change, message, two_bands) -> None:
    Xs, Y = two_bands
    with pytest.raises(ValueError, match=message):
        banded_ridge_cv(**({"Xs": Xs, "Y": Y} | change))
