"""Exactness: everything equals refitting in every fold."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import GroupKFold, KFold, PredefinedSplit

from brain2music.ridge import RidgeWarning, assign_folds, plan, predict_many, ridge, ridge_cv, ridge_cv_many
from brain2music.ridge._block_tridiagonal import reduce_to_band
from brain2music.ridge._chunked import Targets
from brain2music.ridge._primal_per_fold import span

from .conftest import KINDS, make_problem, refitted

ALPHAS = np.logspace(-2, 7, 7)
quiet = pytest.mark.filterwarnings("ignore:the best alpha", "ignore:. is constant")


def score_of(name: str, truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    if name == "r2":
        return r2_score(truth, prediction, multioutput="raw_values")
    if name == "mse":
        return -((truth - prediction) ** 2).mean(0)
    return np.array([np.corrcoef(t, p)[0, 1] for t, p in zip(truth.T, prediction.T, strict=True)])


@quiet
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("dual", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_equals_refitting_in_every_fold(kind, dual, intercept, force, rng) -> None:
    X, Y, groups = make_problem(kind, rng)
    folds = assign_folds(len(X), groups, 4)
    assert len(set(np.bincount(folds))) > 1
    reference = refitted(X, Y, ALPHAS, folds, intercept)
    force(dual)
    for dtype, tolerance in [("float64", 1e-7), ("float32", 1e-5)]:
        for score in ("r2", "correlation", "mse"):
            fit = ridge_cv(
                X.astype(dtype), Y.astype(dtype), alphas=ALPHAS, groups=groups, n_folds=4, score=score,
                fit_intercept=intercept, dtype=dtype, keep_held_out=True,
            )  # fmt: skip
            expected = np.array(
                [np.mean([score_of(score, Y[folds == f], p[folds == f]) for f in range(4)], 0) for p in reference]
            )
            np.testing.assert_allclose(fit.cv_scores, expected, rtol=tolerance, atol=tolerance)
            chosen = np.abs(np.log(fit.best_alphas / ALPHAS[:, None])).argmin(0)
            reached = expected[chosen, np.arange(len(chosen))]
            np.testing.assert_allclose(reached, expected.max(0), rtol=tolerance, atol=tolerance)
            held_out = np.stack([reference[k, :, j] for j, k in enumerate(chosen)], 1)
            np.testing.assert_allclose(fit.held_out, held_out, rtol=tolerance, atol=tolerance * np.abs(Y).max())
            model = Ridge(alpha=ALPHAS[chosen], fit_intercept=intercept, solver="svd").fit(X, Y)
            np.testing.assert_allclose(fit.coef, model.coef_.T, atol=tolerance * np.abs(model.coef_).max())
            np.testing.assert_allclose(fit.predict(X), model.predict(X), atol=3 * tolerance * np.abs(Y).max())
            np.testing.assert_allclose(fit.intercept, model.intercept_, atol=10 * tolerance * np.abs(Y).max())


@quiet
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_errors_as_forms_equal_refitting(kind, intercept, force, rng) -> None:
    """Folds of unequal size, features fewer and more than rows, triangles of one strip and of several."""
    X, Y, groups = make_problem(kind, rng)
    folds = assign_folds(len(X), groups, 4)
    reference = refitted(X, Y, ALPHAS, folds, intercept)
    expected = np.array(
        [np.mean([score_of("mse", Y[folds == f], p[folds == f]) for f in range(4)], 0) for p in reference]
    )
    force(False, forms=True)
    for dtype, tolerance in [("float64", 1e-7), ("float32", 1e-5)]:
        settings = {"alphas": ALPHAS, "folds": folds, "score": "mse", "fit_intercept": intercept, "dtype": dtype}
        fit = ridge_cv(X.astype(dtype), Y.astype(dtype), **settings)
        np.testing.assert_allclose(fit.cv_scores, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("scale", [np.ones(1000), np.logspace(0, -3, 1000)])
def test_forms_in_single_precision_are_right_where_penalties_are_small(scale, force, rng) -> None:
    """Small penalties leave single precision for double, great ones leave hardly anything to predict with."""
    X = (rng.standard_normal((1100, 1000)) * scale).astype(np.float32)
    Y = (X[:, :2] + rng.standard_normal((1100, 2))).astype(np.float32)
    force(False, forms=True)
    alphas = np.logspace(-1, 8, 10)
    single, double = (ridge_cv(X, Y, alphas=alphas, score="mse", dtype=dtype) for dtype in ("float32", "float64"))
    np.testing.assert_allclose(single.cv_scores, double.cv_scores, rtol=2e-5)


@quiet
def test_forms_are_left_where_they_cannot_resolve_the_errors(force, rng) -> None:
    """Features of 1e5 beside a penalty of 0.01: what is left of the identity would have no digits."""
    X, Y, groups = make_problem("random", rng)
    X, folds = 1e5 * X, assign_folds(len(X), groups, 4)
    reference = refitted(X, Y, ALPHAS, folds, True)
    expected = [np.mean([score_of("mse", Y[folds == f], p[folds == f]) for f in range(4)], 0) for p in reference]
    force(False, forms=True)
    fit = ridge_cv(X, Y, alphas=ALPHAS, folds=folds, score="mse", dtype="float64")
    np.testing.assert_allclose(fit.cv_scores, expected, rtol=1e-6)


@quiet
def test_forms_are_left_where_single_precision_was_enough_to_factorise(force, rng) -> None:
    """Rows that are all alike in size are well-conditioned beside any penalty, however small it is beside them."""
    X = 100 * rng.standard_normal((1100, 3000), dtype=np.float32)
    Y = (X[:, :2] / 100 + rng.standard_normal((1100, 2))).astype(np.float32)
    force(False, forms=True)
    alphas = np.array([1e-1, 1e4, 1e8])
    single, double = (ridge_cv(X, Y, alphas=alphas, score="mse", dtype=dtype) for dtype in ("float32", "float64"))
    np.testing.assert_allclose(single.cv_scores, double.cv_scores, rtol=2e-4)


@quiet
def test_penalties_ruled_out_by_rounded_numbers_are_not_the_best(force, rng) -> None:
    """Targets of every strength and of none: penalties and best scores are the exact way's, the rest are estimates."""
    X = rng.standard_normal((1100, 1000), dtype=np.float32)  # fewer numbers are left to double precision
    strength = np.repeat([0.0, 0.03, 0.3, 3.0], 300).astype(np.float32)
    Y = strength * (X[:, :8] @ rng.standard_normal((8, 1200), dtype=np.float32))
    Y += rng.standard_normal((1100, 1200), dtype=np.float32)
    Y[0, 5] += 300  # one row counts for all
    settings = {"alphas": np.logspace(1, 6, 12), "score": "mse"}
    force(False, forms=True, batch=500)
    exact = ridge_cv(X, Y, **settings)
    force(False, forms=True, rounded=True, batch=500)
    rounded = ridge_cv(X, Y, **settings)
    np.testing.assert_array_equal(rounded.best_alphas, exact.best_alphas)
    np.testing.assert_allclose(rounded.cv_scores.max(0), exact.cv_scores.max(0), rtol=1e-5)
    near = exact.cv_scores > 1.2 * exact.cv_scores.max(0)
    np.testing.assert_allclose(rounded.cv_scores[near], exact.cv_scores[near], rtol=2e-2)
    assert not np.array_equal(rounded.cv_scores[near], exact.cv_scores[near])
    np.testing.assert_allclose(rounded.cv_scores, exact.cv_scores, rtol=0.6)  # six deviations of a sketch
    assert np.abs(rounded.cv_scores / exact.cv_scores - 1)[~near].max() > 0.05


@quiet
@pytest.mark.parametrize("features", [20, 90])
def test_a_penalty_that_most_targets_share_gives_the_weights_that_it_gives_one(features: int, force, rng) -> None:
    """Their one operator, and the two products of the others."""
    X = rng.standard_normal((60, features))
    Y = np.concatenate([10 * X[:, :1] + 0.1 * rng.standard_normal((60, 30)), rng.standard_normal((60, 200))], 1)
    force(False, batch=70)
    fit = ridge_cv(X, Y, alphas=[0.1, 1e6], dtype="float64")
    counts = np.unique(fit.best_alphas, return_counts=True)[1]
    assert counts.min() < 60
    assert counts.max() > 90
    np.testing.assert_allclose(fit.coef, Ridge(alpha=fit.best_alphas).fit(X, Y).coef_.T, rtol=1e-6, atol=1e-10)


def test_targets_are_found_by_their_numbers_in_whatever_set_they_are(rng) -> None:
    Y, order, wanted = (
        rng.standard_normal((30, 50)),
        torch.from_numpy(rng.permutation(30)),
        torch.tensor([3, 4, 20, 49]),
    )
    sets = [Y[:, :20].astype(np.float32), torch.from_numpy(Y[:, 20:21]), Y[:, 21:]]
    targets = Targets.of(sets, order, centre=True)
    expected = (Y - Y.mean(0))[order][:, wanted]
    np.testing.assert_allclose(targets.these(wanted, torch.float64), expected, atol=1e-6)
    np.testing.assert_allclose(targets.these(wanted[1:2], torch.float64), expected[:, 1:2], atol=1e-6)


def test_the_plan_takes_forms_for_many_targets_of_many_features() -> None:
    assert plan(4800, 4096, 60_000, 15, 5, 2).forms
    assert [plan(4800, 4096, 60_000, 15, 5, gb, rounded=True).rounded for gb in (2, 4)] == [False, True]
    assert not plan(4800, 4096, 60_000, 15, 5, 4).rounded
    assert not plan(4800, 512, 60_000, 15, 5, 2).forms  # a fold's triangle is far smaller than all rows
    assert not plan(4800, 60_000, 128, 15, 5, 2).forms


@quiet
@pytest.mark.parametrize("dual", [True, False])
def test_single_precision_equals_himalaya(dual, force, rng) -> None:
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import KernelRidgeCV

    X, Y, groups = make_problem("random", rng)
    folds = assign_folds(len(X), groups, 5)
    force(dual)
    fit = ridge_cv(X, Y, alphas=ALPHAS, folds=folds, score="mse")
    set_backend("numpy")
    peer = KernelRidgeCV(alphas=ALPHAS, cv=PredefinedSplit(folds), fit_intercept=True).fit(X, Y)
    np.testing.assert_allclose(fit.best_alphas, peer.best_alphas_, rtol=1e-6)
    np.testing.assert_allclose(
        fit.cv_scores.max(0), peer.cv_scores_[0] if peer.cv_scores_.ndim == 2 else peer.cv_scores_, rtol=1e-5
    )
    np.testing.assert_allclose(fit.predict(X), peer.predict(X), rtol=1e-5, atol=1e-5 * np.abs(Y).max())


@quiet
def test_large_single_precision_leaves_what_it_cannot_resolve_to_double(rng) -> None:
    """1,100 rows are factorised in single precision unless the spectrum forbids it; both must be right."""
    for scale in (np.ones(1300), np.logspace(0, -3, 1300)):
        X = (rng.standard_normal((1100, 1300)) * scale).astype(np.float32)
        Y = (X[:, :4] + rng.standard_normal((1100, 4))).astype(np.float32)
        alphas = np.array([1e-3, 1e1, 1e4])
        single, double = (ridge_cv(X, Y, alphas=alphas, dtype=d) for d in ("float32", "float64"))
        np.testing.assert_allclose(single.cv_scores, double.cv_scores, rtol=2e-4, atol=2e-4)
        np.testing.assert_allclose(single.predict(X), double.predict(X), atol=1e-4 * np.abs(Y).max())


@quiet
def test_several_target_sets_equal_one_by_one(rng) -> None:
    X, Y, groups = make_problem("random", rng)
    together = ridge_cv_many(X, [Y[:, :2], Y[:, 2:]], groups=groups, per_target=False)
    for fit, part in zip(together, (Y[:, :2], Y[:, 2:]), strict=True):
        alone = ridge_cv(X, part, groups=groups, per_target=False)
        np.testing.assert_allclose(fit.predict(X), alone.predict(X), rtol=1e-5, atol=1e-5)
        assert len(set(fit.best_alphas)) == 1
        assert fit.best_alphas[0] == alone.best_alphas[0]


@quiet
@pytest.mark.parametrize("rows", [1, 40])
def test_few_rows_are_predicted_without_weights_over_features(rows, rng) -> None:
    """By products with the fitted rows: the same numbers, for one fit and for several that share them."""
    X, Y, groups = make_problem("wide", rng)
    asked = rng.standard_normal((rows, X.shape[1])) + 3
    fits = ridge_cv_many(X, [Y[:, :1], Y[:, 1:]], groups=groups)
    assert all("_coef" not in vars(fit) for fit in fits)
    together = predict_many(fits, asked)
    for fit, part in zip(fits, together, strict=True):
        expected = asked @ fit.coef + fit.intercept
        np.testing.assert_allclose(part, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
        np.testing.assert_allclose(fit.predict(asked), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
        assert part.shape == expected.shape


@quiet
def test_memory_map_and_tensor_equal_array(rng, tmp_path) -> None:
    X, Y, _ = make_problem("wide", rng)
    np.save(tmp_path / "X.npy", X.astype(np.float32))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    plain = ridge_cv(np.asarray(mapped), Y, memory_gb=0.01)
    streamed = ridge_cv(mapped, Y, memory_gb=0.01)
    tensor = ridge_cv(torch.from_numpy(np.array(mapped)), torch.from_numpy(Y))
    np.testing.assert_array_equal(streamed.predict(mapped), plain.predict(np.asarray(mapped)))
    assert isinstance(tensor.coef, torch.Tensor)
    np.testing.assert_allclose(tensor.coef.numpy(), plain.coef, rtol=1e-4, atol=1e-6)


@quiet
@pytest.mark.parametrize("dual", [True, False])
def test_bit_equal_on_a_repeat(dual, force, rng) -> None:
    X, Y, groups = make_problem("random", rng)
    force(dual)
    first, second = (ridge_cv(X, Y, groups=groups) for _ in range(2))
    np.testing.assert_array_equal(first.coef, second.coef)
    np.testing.assert_array_equal(first.cv_scores, second.cv_scores)


@pytest.mark.parametrize("dual", [True, False])
def test_given_penalties(dual, force, rng) -> None:
    X, Y, _ = make_problem("random", rng)
    alphas = np.array([1.0, 100.0, 10.0, 1.0, 3.0])
    force(dual)
    fit = ridge(X, Y, alphas, dtype="float64")
    np.testing.assert_allclose(fit.coef, Ridge(alpha=alphas, solver="svd").fit(X, Y).coef_.T, rtol=1e-7, atol=1e-10)
    np.testing.assert_array_equal(fit.best_alphas, alphas)


@quiet
def test_weights_of_many_targets_that_share_few_penalties(force, rng) -> None:
    X, _, _ = make_problem("many rows", rng)
    Y = X[:, :1] * rng.standard_normal(400) + rng.standard_normal((len(X), 400))
    force(False)
    fit = ridge_cv(X, Y, alphas=[1.0, 1000.0], dtype="float64")
    assert len(np.unique(fit.best_alphas)) * len(X) < Y.shape[1]
    expected = Ridge(alpha=fit.best_alphas, solver="svd").fit(X, Y).coef_.T
    np.testing.assert_allclose(fit.coef, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("n", [1, 50, 96, 97, 250])
def test_band_is_similar_to_the_matrix(n, rng) -> None:
    A = rng.standard_normal((n, n))
    A = torch.from_numpy(A @ A.T)
    band = reduce_to_band(A.clone())
    Z = torch.from_numpy(rng.standard_normal((n, 3)))
    U = band.rotation
    torch.testing.assert_close(U.T @ U, torch.eye(n, dtype=torch.float64))
    torch.testing.assert_close(U @ band.times(U.T @ Z, 2.0), A @ Z - 2 * Z, rtol=1e-9, atol=1e-8)
    shifted = A + 0.5 * torch.eye(n, dtype=torch.float64)
    torch.testing.assert_close(U @ band.factor(0.5).solve(U.T @ Z), torch.linalg.solve(shifted, Z))
    assert band.condition(0.5) == pytest.approx(float(torch.linalg.cond(shifted)), rel=0.3)


def test_the_span_of_a_grid_is_exact_and_smaller() -> None:
    values, alphas = torch.logspace(0, 3, 200, dtype=torch.float64), np.logspace(-3, 8, 20).tolist()
    functions, mix = span(values, alphas, torch.float32)
    factors = values * (mix.double() @ functions.double())
    expected = values / (values + torch.tensor(alphas)[:, None])
    assert len(functions) < 15
    assert float(((factors - expected).abs() / expected.amax(1, keepdim=True)).max()) < 2e-6


def test_folds_are_those_of_scikit_learn(rng) -> None:
    for n in (20, 23):
        ours = assign_folds(n, None, 5)
        for fold, (_, held) in enumerate(KFold(5).split(np.zeros(n))):
            np.testing.assert_array_equal(np.flatnonzero(ours == fold), held)
    groups = np.repeat(np.arange(6), [2, 9, 4, 7, 3, 12])
    ours = assign_folds(len(groups), groups, 3)
    for fold, (_, held) in enumerate(GroupKFold(3).split(groups, groups=groups)):
        np.testing.assert_array_equal(np.flatnonzero(ours == fold), held)


def test_best_alpha_on_the_edge_warns(rng) -> None:
    X, _, _ = make_problem("random", rng)
    noise = rng.standard_normal((len(X), 2))
    with pytest.warns(RidgeWarning, match="widen alphas"):
        fit = ridge_cv(X, noise, alphas=[1e-2, 1e-1, 1e0])
    assert fit.on_edge.all()


@quiet
def test_constant_columns_are_named(rng) -> None:
    X, Y = rng.standard_normal((30, 15)), rng.standard_normal((30, 3))
    X[:, 2:14], Y[:, 1] = 0.1, 7.0
    with pytest.warns(RidgeWarning) as caught:
        fit = ridge_cv(X, Y)
    texts = [str(warning.message) for warning in caught]
    assert any("X is constant in column(s) 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more" in text for text in texts)
    assert any("Y is constant in column(s) 1," in text for text in texts)
    np.testing.assert_allclose(fit.coef[2:14], 0, atol=1e-6)
    np.testing.assert_allclose(fit.predict(X)[:, 1], 7.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.full((30, 4), np.nan)}, r"X contains NaN or infinity in column\(s\) 0, 1, 2, 3"),
        ({"Y": np.full((30, 2), np.inf)}, r"Y contains NaN or infinity in column\(s\) 0, 1"),
        ({"Y": np.zeros((29, 2))}, "30 rows as in X"),
        ({"X": np.zeros(30)}, "must be"),
        ({"alphas": [0.0, 1.0]}, "positive finite penalties"),
        ({"alphas": []}, "positive finite penalties"),
        ({"groups": np.zeros(29)}, "one label for each of the 30 rows"),
        ({"groups": np.zeros(30)}, "1 groups cannot fill 5 folds"),
        ({"folds": np.zeros(30)}, "one fold only"),
        ({"n_folds": 1}, "at least 2 folds"),
        ({"n_folds": 31}, "n_samples = 30"),
        ({"n_folds": 30}, "2 rows in every fold"),
        ({"score": "r"}, "unknown"),
        ({"dtype": "float16"}, "float32"),
        ({"memory_gb": 1e-7}, r"needs 0\.01 GB: give memory_gb"),
        ({"X": np.ones((30, 4)) * 1e9 + np.arange(30)[:, None] * 1e9, "alphas": [1e-9]}, "too small"),
    ],
)  # fmt: skip
def test_errors_say_what_to_do(change, message, rng) -> None:
    arguments = {"X": rng.standard_normal((30, 4)), "Y": rng.standard_normal((30, 2))} | change
    X, Y = arguments.pop("X"), arguments.pop("Y")
    if message == "unknown":
        arguments["score"] = "r2x"
    with pytest.raises(ValueError, match=message):
        ridge_cv(X, Y, **arguments)


def test_the_plan_follows_the_shape() -> None:
    assert plan(4800, 60_000, 128, 15, 5).dual
    assert not plan(4800, 512, 60_000, 15, 5).dual
    assert not plan(4800, 4096, 60_000, 15, 5).dual
    assert plan(4800, 60_000, 128, memory_gb=1).gigabytes <= 1
    assert "4800 rows x 512 features" in str(plan(4800, 512, 100))


def test_many_ill_conditioned_features_are_solved_in_double(rng) -> None:
    X = rng.normal(size=(2200, 520)).astype(np.float32)
    X[:, 1] = X[:, 0] + 1e-4 * rng.normal(size=2200)
    Y = (X[:, :30] @ rng.normal(size=(30, 4)) + rng.normal(size=(2200, 4))).astype(np.float32)
    fit = ridge_cv(X, Y, alphas=[1e-2, 1.0, 100.0])
    for target, alpha in enumerate(fit.best_alphas):
        expected = Ridge(alpha=alpha).fit(X.astype(np.float64), Y[:, target]).coef_
        np.testing.assert_allclose(fit.coef[:, target], expected, atol=1e-5 * abs(expected).max())


def test_small_problems_leave_the_threads_as_they_were(rng) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        ridge_cv(rng.normal(size=(40, 9)), rng.normal(size=(40, 3)), alphas=[1.0, 10.0, 100.0])
        with pytest.raises(ValueError, match="NaN"):
            ridge_cv(np.full((40, 9), np.nan), rng.normal(size=(40, 3)), alphas=[1.0])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
