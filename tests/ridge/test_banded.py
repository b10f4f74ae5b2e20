import numpy as np
import pytest
import torch

from brain2music.ridge import banded_ridge_cv, delayed, ridge_cv, variance_partition
from brain2music.ridge._banded_gradient import held_out_loss

pytestmark = pytest.mark.filterwarnings("ignore:the best alpha")
ALPHAS = np.logspace(-1, 5, 7)


@pytest.fixture
def two_bands(rng) -> tuple[list[np.ndarray], np.ndarray]:
    """Targets 0-2 depend on the first band only, 3-5 on the second only, amid noise."""
    Xs = [rng.standard_normal((200, 12)), rng.standard_normal((200, 40))]
    Y = np.concatenate([Xs[0] @ rng.standard_normal((12, 3)), 0.5 * Xs[1] @ rng.standard_normal((40, 3))], 1)
    return Xs, Y + 2 * rng.standard_normal(Y.shape) + 1


def test_one_band_is_ridge(two_bands) -> None:
    (X, _), Y = two_bands
    banded, plain = banded_ridge_cv([X], Y, alphas=ALPHAS, n_draws=1), ridge_cv(X, Y, alphas=ALPHAS)
    np.testing.assert_allclose(banded.predict([X]), plain.predict(X), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(banded.cv_scores, plain.cv_scores.max(0), rtol=1e-6)


def test_random_search_equals_himalaya(two_bands) -> None:
    from himalaya.backend import set_backend
    from himalaya.ridge import GroupRidgeCV
    from himalaya.scoring import r2_score

    Xs, Y = two_bands
    draws = np.array([[0.5, 0.5], [0.9, 0.1], [0.1, 0.9], [0.99, 0.01]])
    ours = banded_ridge_cv(Xs, Y, alphas=ALPHAS, draws=draws, dtype="float64")
    set_backend("numpy")
    params = {"n_iter": draws, "alphas": ALPHAS, "progress_bar": False, "score_func": r2_score}
    peer = GroupRidgeCV(groups="input", cv=5, fit_intercept=True, solver_params=params).fit(Xs, Y)
    np.testing.assert_allclose(ours.cv_scores, peer.cv_scores_.max(0), rtol=1e-6)
    np.testing.assert_allclose(ours.predict(Xs), peer.predict(Xs), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(ours.band_weights / ours.best_alphas, np.exp(peer.deltas_), rtol=1e-6)


@pytest.mark.parametrize("dual", [True, False])
def test_draws_equal_ridge_on_scaled_features(dual, force, rng) -> None:
    """Over rows, Gram matrices are made once a band; each draw must be what scaled features give."""
    force(dual)
    Xs = [rng.standard_normal((60, 150)) + 4, rng.standard_normal((60, 90))]
    Y = Xs[0][:, :3] + rng.standard_normal((60, 3))
    draws = np.array([[0.5, 0.5], [0.8, 0.2]])
    banded = banded_ridge_cv(Xs, Y, alphas=ALPHAS, draws=draws, dtype="float64")
    scaled = [np.concatenate([X * np.sqrt(g) for X, g in zip(Xs, gamma, strict=True)], 1) for gamma in draws]
    fits = [ridge_cv(X, Y, alphas=ALPHAS, dtype="float64") for X in scaled]
    best = np.argmax([fit.cv_scores.max(0) for fit in fits], 0)
    np.testing.assert_allclose(banded.cv_scores, [fits[b].cv_scores[:, t].max() for t, b in enumerate(best)])
    predicted = np.stack([fits[b].predict(scaled[b])[:, t] for t, b in enumerate(best)], 1)
    np.testing.assert_allclose(banded.predict(Xs), predicted, rtol=1e-8, atol=1e-8)


def test_gradient_improves_on_few_draws_and_finds_the_band(two_bands) -> None:
    Xs, Y = two_bands
    few = banded_ridge_cv(Xs, Y, alphas=ALPHAS, n_draws=1)
    better = banded_ridge_cv(Xs, Y, alphas=ALPHAS, n_draws=1, method="gradient")
    assert (better.cv_scores > few.cv_scores).all()
    assert (better.band_weights[0, :3] > 0.8).all()
    assert (better.band_weights[1, 3:] > 0.8).all()


def test_gradients_loss_is_the_cross_validated_score(two_bands) -> None:
    Xs, Y = two_bands
    gamma, alpha = np.array([0.3, 0.7]), 20.0
    fit = banded_ridge_cv(Xs, Y, alphas=[alpha], draws=gamma[None], dtype="float64")
    kernels = torch.stack([torch.from_numpy((X - X.mean(0)) @ (X - X.mean(0)).T) for X in Xs])
    weights = torch.from_numpy(np.log(gamma / alpha))[:, None].expand(2, Y.shape[1]).clone().requires_grad_()
    folds = list(torch.arange(200).chunk(5))
    centred = torch.from_numpy(Y - Y.mean(0))
    loss = held_out_loss(kernels, centred, folds, weights, True)
    np.testing.assert_allclose(1 - loss.detach().numpy(), fit.cv_scores, rtol=1e-8)
    assert torch.autograd.gradcheck(lambda w: held_out_loss(kernels, centred[:, :1], folds, w, True), weights[:, :1])


def test_variance_is_given_to_the_band_that_has_it(two_bands, rng) -> None:
    Xs, Y = two_bands
    train, test = slice(0, 140), slice(140, 200)
    part = variance_partition(
        [X[train] for X in Xs], Y[train], [X[test] for X in Xs], Y[test], alphas=ALPHAS, n_draws=20
    )
    np.testing.assert_allclose(part.product.sum(0), part.r2)
    np.testing.assert_allclose(part.unique.sum(0) + part.shared, part.r2)
    assert (part.product[0, :3] > 0.9 * part.r2[:3]).all()
    assert (part.unique[1, 3:] > 0.8 * part.r2[3:]).all()
    assert (np.abs(part.unique[1, :3]) < 0.1).all()


def test_delays_stay_in_their_group() -> None:
    X = np.arange(1, 9, dtype=np.float32)[:, None]
    groups = [0, 0, 0, 0, 1, 1, 1, 1]
    np.testing.assert_array_equal(
        delayed(X, [0, 2, -1, 9], groups),
        [[1, 0, 2, 0], [2, 0, 3, 0], [3, 1, 4, 0], [4, 2, 0, 0],
         [5, 0, 6, 0], [6, 0, 7, 0], [7, 5, 8, 0], [8, 6, 0, 0]],
    )  # fmt: skip
    interleaved = [0, 1] * 4
    np.testing.assert_array_equal(delayed(X, [1], interleaved)[:, 0], [0, 0, 1, 2, 3, 4, 5, 6])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Xs": []}, "no band"),
        ({"Xs": [np.zeros((5, 2))]}, "rows as in Y"),
        ({"method": "grid"}, "unknown"),
        ({"draws": np.array([[0.5, 0.6]])}, "summing to 1"),
    ],
)
def test_errors(change, message, two_bands) -> None:
    Xs, Y = two_bands
    with pytest.raises(ValueError, match=message):
        banded_ridge_cv(**({"Xs": Xs, "Y": Y} | change))
