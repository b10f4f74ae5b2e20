"""One Gram matrix for fits to any of the rows: the same fits as without it."""

import numpy as np
import pytest
import torch

from brain2music.ridge import Gram, assign_folds, ridge_cv, ridge_cv_many

from .conftest import KINDS, make_problem

ALPHAS = np.logspace(0, 4, 5)
pytestmark = pytest.mark.filterwarnings("ignore::brain2music.ridge.RidgeWarning")


def compared(ours, theirs, X_new, atol: float) -> None:
    """Two fits that say the same."""
    np.testing.assert_array_equal(ours.best_alphas, theirs.best_alphas)
    np.testing.assert_allclose(ours.cv_scores, theirs.cv_scores, atol=atol)
    np.testing.assert_allclose(ours.held_out, theirs.held_out, atol=atol)
    np.testing.assert_allclose(ours.predict(X_new), theirs.predict(X_new), atol=atol)
    np.testing.assert_allclose(ours.intercept, theirs.intercept, atol=10 * atol)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fits_are_those_without_it_for_all_rows_and_for_some(rng, kind, dtype):
    X, Y, groups = make_problem(kind, rng)
    gram, atol = Gram(X), 2e-3 if dtype == "float32" else 1e-7
    settings = {"alphas": ALPHAS, "n_folds": 4, "keep_held_out": True, "dtype": dtype, "solver": "dual"}
    for keep in (np.ones(len(X), dtype=bool), groups > 1, groups < 6):
        given = {**settings, "groups": groups[keep]}
        ours = ridge_cv(X[keep], Y[keep], gram=gram if keep.all() else gram[keep], **given)
        compared(ours, ridge_cv(X[keep], Y[keep], **given), X, atol)


def test_rows_may_be_numbers_in_any_order(rng):
    X, Y, _ = make_problem("wide", rng)
    rows = rng.permutation(len(X))[:40]
    settings = {"alphas": ALPHAS, "keep_held_out": True, "dtype": "float64"}
    ours = ridge_cv(X[rows], Y[rows], gram=Gram(X)[rows], **settings)
    compared(ours, ridge_cv(X[rows], Y[rows], **settings), X, 1e-8)


def test_rows_of_rows_are_counted_from_those(rng):
    X, Y, groups = make_problem("wide", rng)
    first, second = groups != 3, groups[groups != 3] != 5
    gram = Gram(X)[first][second]
    keep = (groups != 3) & (groups != 5)
    assert len(gram) == keep.sum()
    np.testing.assert_array_equal(gram.rows, np.flatnonzero(keep))
    settings = {"alphas": ALPHAS, "groups": groups[keep], "keep_held_out": True, "dtype": "float64"}
    compared(ridge_cv(X[keep], Y[keep], gram=gram, **settings), ridge_cv(X[keep], Y[keep], **settings), X, 1e-8)


def test_blocks_are_those_of_the_rows_about_their_own_mean(rng):
    X = rng.standard_normal((30, 50)) + 100.0
    keep = np.arange(30) % 3 > 0
    K, moments = Gram(X)[keep].of(X[keep])(torch.float64)
    about = X[keep] - X[keep].mean(0)
    np.testing.assert_allclose(K, about @ about.T, atol=1e-9)
    np.testing.assert_allclose(moments.mean, X[keep].mean(0))
    K.zero_()  # a fit overwrites it; the next one finds it whole
    np.testing.assert_allclose(Gram(X)[keep].of(X[keep])(torch.float64)[0], about @ about.T, atol=1e-9)


def test_it_is_computed_once_for_all_rows_and_all_parts(rng, monkeypatch):
    from brain2music.ridge import _gram

    computed, centred = [], _gram.centred_gram
    monkeypatch.setattr(_gram, "centred_gram", lambda *given, **more: computed.append(1) or centred(*given, **more))
    X, Y, groups = make_problem("wide", rng)
    gram = Gram(X)
    for _ in range(2):
        ridge_cv(X, Y, alphas=ALPHAS, gram=gram, keep_held_out=True)
        for label in range(3):
            keep = groups != label
            ridge_cv(X[keep], Y[keep], alphas=ALPHAS, gram=gram[keep])
    assert len(computed) == 1


def test_sets_of_targets_share_it_too(rng):
    X, Y, groups = make_problem("wide", rng)
    keep = groups > 2
    targets = [Y[keep], Y[keep][::-1].copy(), Y[keep][:, :2]]
    settings = {"alphas": ALPHAS, "keep_held_out": True, "dtype": "float64"}
    ours = ridge_cv_many(X[keep], targets, gram=Gram(X)[keep], **settings)
    for fit, expected in zip(ours, ridge_cv_many(X[keep], targets, **settings), strict=True):
        compared(fit, expected, X, 1e-8)


def test_it_serves_more_than_1024_rows_in_single_precision(rng):
    """There products are in single precision, and parts of fewer rows in double: each has a matrix of its own."""
    X = rng.standard_normal((1300, 1500)).astype(np.float32) + 2
    Y = (X[:, :5] @ rng.standard_normal((5, 3)) + 3 * rng.standard_normal((1300, 3))).astype(np.float32)
    gram, folds = Gram(X), assign_folds(1300, None, 5)
    settings = {"alphas": [1e2, 1e3, 1e4], "keep_held_out": True, "solver": "dual"}
    for keep in (folds != 0, folds > 1):
        ours = ridge_cv(X[keep], Y[keep], gram=gram[keep], **settings)
        compared(ours, ridge_cv(X[keep], Y[keep], **settings), X[~keep], 2e-3)


def test_the_primal_solver_does_without_it(rng):
    X, Y, groups = make_problem("many rows", rng)
    keep = groups > 2
    settings = {"alphas": ALPHAS, "keep_held_out": True, "solver": "primal_per_fold"}
    compared(ridge_cv(X[keep], Y[keep], gram=Gram(X)[keep], **settings), ridge_cv(X[keep], Y[keep], **settings), X, 0)


def test_what_it_is_not_of_is_refused(rng):
    X, Y, groups = make_problem("wide", rng)
    keep = groups > 2
    with pytest.raises(ValueError, match=rf"gram is of {len(X)} rows and 900 features, X of \({keep.sum()}, 900\)"):
        ridge_cv(X[keep], Y[keep], gram=Gram(X))
    with pytest.raises(ValueError, match=rf"gram is of {keep.sum()} rows and 900 features, X of \({len(X)}, 900\)"):
        ridge_cv(X, Y, gram=Gram(X)[keep])
    with pytest.raises(ValueError, match=r"and 900 features, X of \(60, 899\)"):
        ridge_cv(X[:, 1:], Y, gram=Gram(X))
    with pytest.raises(ValueError, match="fit_intercept=False"):
        ridge_cv(X, Y, gram=Gram(X), fit_intercept=False)
    with pytest.raises(ValueError, match="fit_intercept=False"):
        ridge_cv_many(X, [Y], gram=Gram(X), fit_intercept=False)


@pytest.mark.parametrize("place", [(0, 3), (59, 899)])
def test_infinite_values_are_refused(rng, place):
    X, Y, _ = make_problem("wide", rng)
    X[place] = np.nan
    with pytest.raises(ValueError, match="X"):
        ridge_cv(X, Y, gram=Gram(X))
