"""Scores, predictions and weights equal those of refitting in every fold."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, PredefinedSplit

from brain2music.ridge import RidgeWarning, assign_folds, predict_many, ridge, ridge_cv, ridge_cv_many
from brain2music.ridge._plan import SOLVERS
from brain2music.ridge._scores import SCORES

from .conftest import KINDS, least_plan, make_problem, refitted, score_of, scores_of

ALPHAS = np.logspace(-2, 7, 7)
quiet = pytest.mark.filterwarnings("ignore:the best alpha", "ignore:. is constant")


@quiet
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", KINDS)
def test_equals_refitting_in_every_fold(kind, solver, intercept, rng) -> None:
    X, Y, groups = make_problem(kind, rng)
    folds = assign_folds(len(X), groups, 4)
    assert len(set(np.bincount(folds))) > 1
    reference = refitted(X, Y, ALPHAS, folds, intercept)
    settings = {"alphas": ALPHAS, "groups": groups, "n_folds": 4, "fit_intercept": intercept, "solver": solver}
    for dtype, tolerance in [("float64", 1e-7), ("float32", 1e-5)]:
        for scoring in SCORES:
            fit = ridge_cv(
                X.astype(dtype), Y.astype(dtype), scoring=scoring, dtype=dtype, keep_held_out=True, **settings
            )
            expected = scores_of(scoring, Y, reference, folds)
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
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", KINDS)
def test_little_memory_changes_nothing_but_the_batches(kind, solver, rng) -> None:
    """Batches of targets and chunks of features: the results of one piece, to rounding."""
    X, Y, groups = make_problem(kind, rng, n_targets=60)
    settings = {"alphas": ALPHAS, "groups": groups, "solver": solver, "dtype": "float64", "keep_held_out": True}
    memory, planned = least_plan(*X.shape, 60, len(ALPHAS), 5, solver=solver, dtype="float64")
    assert planned.batch < 30
    assert planned.chunk < X.shape[1] or solver == "primal_per_fold" or kind == "many rows"
    whole, parts = ridge_cv(X, Y, **settings), ridge_cv(X, Y, memory_gb=memory, **settings)
    np.testing.assert_array_equal(parts.best_alphas, whole.best_alphas)
    np.testing.assert_allclose(parts.cv_scores, whole.cv_scores, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(parts.held_out, whole.held_out, rtol=1e-7, atol=1e-8 * np.abs(Y).max())
    np.testing.assert_allclose(parts.coef, whole.coef, atol=1e-8 * np.abs(whole.coef).max())


@quiet
@pytest.mark.parametrize("scoring", SCORES)
@pytest.mark.parametrize("kind", KINDS)
def test_solvers_agree(kind, scoring, rng) -> None:
    X, Y, groups = make_problem(kind, rng, n_targets=20)
    dual, primal = (
        ridge_cv(X, Y, alphas=ALPHAS, groups=groups, scoring=scoring, solver=solver, dtype="float64")
        for solver in SOLVERS
    )
    np.testing.assert_allclose(dual.cv_scores, primal.cv_scores, rtol=1e-7, atol=1e-8)
    np.testing.assert_array_equal(dual.best_alphas, primal.best_alphas)
    np.testing.assert_allclose(dual.predict(X), primal.predict(X), atol=1e-7 * np.abs(Y).max())


@quiet
@pytest.mark.parametrize("solver", SOLVERS)
def test_single_precision_equals_himalaya(solver, rng) -> None:
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import KernelRidgeCV

    X, Y, groups = make_problem("random", rng)
    folds = assign_folds(len(X), groups, 5)
    fit = ridge_cv(X, Y, alphas=ALPHAS, folds=folds, scoring="neg_mean_squared_error", solver=solver)
    set_backend("numpy")
    peer = KernelRidgeCV(alphas=ALPHAS, cv=PredefinedSplit(folds), fit_intercept=True).fit(X, Y)
    np.testing.assert_allclose(fit.best_alphas, peer.best_alphas_, rtol=1e-6)
    np.testing.assert_allclose(
        fit.cv_scores.max(0), peer.cv_scores_[0] if peer.cv_scores_.ndim == 2 else peer.cv_scores_, rtol=1e-5
    )
    np.testing.assert_allclose(fit.predict(X), peer.predict(X), rtol=1e-5, atol=1e-5 * np.abs(Y).max())


@quiet
@pytest.mark.parametrize("solver", SOLVERS)
def test_correlation_scores_equal_himalaya(solver, rng) -> None:
    from himalaya.backend import set_backend
    from himalaya.ridge import RidgeCV
    from himalaya.scoring import correlation_score

    X, Y, groups = make_problem("many rows", rng)
    folds = assign_folds(len(X), groups, 5)
    fit = ridge_cv(X, Y, alphas=ALPHAS, folds=folds, scoring="correlation", solver=solver, dtype="float64")
    set_backend("numpy")
    params = {"score_func": correlation_score}
    peer = RidgeCV(alphas=ALPHAS, cv=PredefinedSplit(folds), fit_intercept=True, solver_params=params).fit(X, Y)
    np.testing.assert_allclose(fit.best_alphas, peer.best_alphas_)
    np.testing.assert_allclose(fit.cv_scores.max(0), peer.cv_scores_.ravel(), rtol=1e-8)
    np.testing.assert_allclose(fit.coef, peer.coef_, rtol=1e-7, atol=1e-9)


@quiet
@pytest.mark.parametrize("solver", SOLVERS)
def test_one_penalty_for_all_targets_is_scikit_learns_grid_search(solver, rng) -> None:
    X, Y, groups = make_problem("random", rng)
    folds = assign_folds(len(X), groups, 5)
    fit = ridge_cv(X, Y, alphas=ALPHAS, folds=folds, per_target=False, solver=solver, dtype="float64")
    search = GridSearchCV(Ridge(solver="svd"), {"alpha": ALPHAS}, cv=PredefinedSplit(folds), scoring="r2").fit(X, Y)
    np.testing.assert_array_equal(fit.best_alphas, np.full(5, search.best_params_["alpha"]))
    np.testing.assert_allclose(fit.cv_scores.mean(1), search.cv_results_["mean_test_score"], rtol=1e-7)
    np.testing.assert_allclose(fit.predict(X), search.predict(X), rtol=1e-7)


@quiet
@pytest.mark.parametrize("solver", SOLVERS)
def test_leave_one_out_is_scikit_learns(solver, rng) -> None:
    """One row per fold: the closed form of ``RidgeCV(cv=None)``."""
    from sklearn.linear_model import RidgeCV

    X, Y, _ = make_problem("many rows", rng)
    settings = {"folds": np.arange(len(X)), "scoring": "neg_mean_squared_error", "dtype": "float64"}
    fit = ridge_cv(X, Y, alphas=ALPHAS, keep_held_out=True, solver=solver, **settings)
    peer = RidgeCV(alphas=ALPHAS, alpha_per_target=True, store_cv_results=True).fit(X, Y)
    np.testing.assert_allclose(fit.cv_scores, -peer.cv_results_.mean(0).T, rtol=1e-6)
    np.testing.assert_allclose(fit.best_alphas, peer.alpha_)
    np.testing.assert_allclose(fit.coef, peer.coef_.T, rtol=1e-6, atol=1e-9)
    errors = ((fit.held_out - Y) ** 2).mean(0)
    np.testing.assert_allclose(errors, -fit.cv_scores.max(0), rtol=1e-7)


@quiet
@pytest.mark.parametrize("solver", SOLVERS)
def test_explicit_folds_may_have_any_labels_and_order(solver, rng) -> None:
    X, Y, _ = make_problem("random", rng)
    labels = rng.choice([-7, 3, 40], len(X), p=[0.6, 0.3, 0.1])
    fit = ridge_cv(X, Y, alphas=ALPHAS, folds=labels, solver=solver, dtype="float64", keep_held_out=True)
    reference = refitted(X, Y, ALPHAS, labels, True)
    np.testing.assert_allclose(fit.cv_scores, scores_of("r2", Y, reference, labels), rtol=1e-7, atol=1e-9)
    order = np.argsort(labels, kind="stable")
    sorted_fit = ridge_cv(
        X[order], Y[order], alphas=ALPHAS, folds=labels[order], solver=solver, dtype="float64", keep_held_out=True
    )
    np.testing.assert_allclose(sorted_fit.held_out, fit.held_out[order], rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(sorted_fit.coef, fit.coef, rtol=1e-6, atol=1e-9)


@quiet
@pytest.mark.parametrize("solver", SOLVERS)
def test_penalties_in_any_order_and_repeated_are_one_grid(solver, rng) -> None:
    X, Y, groups = make_problem("many rows", rng)
    fit = ridge_cv(X, Y, alphas=[100.0, 1.0, 10.0, 1.0], groups=groups, solver=solver)
    expected = ridge_cv(X, Y, alphas=[1.0, 10.0, 100.0], groups=groups, solver=solver)
    np.testing.assert_array_equal(fit.alphas, [1.0, 10.0, 100.0])
    np.testing.assert_array_equal(fit.cv_scores, expected.cv_scores)
    np.testing.assert_array_equal(fit.coef, expected.coef)


@quiet
@pytest.mark.parametrize("per_target", [True, False])
@pytest.mark.parametrize("solver", SOLVERS)
def test_several_target_sets_equal_one_by_one(solver, per_target, rng) -> None:
    X, Y, groups = make_problem("random", rng)
    settings = {"groups": groups, "per_target": per_target, "solver": solver, "keep_held_out": True}
    many = ridge_cv_many(X, [Y[:, :2], Y[:, 2:3], Y[:, 3:]], **settings)
    for fit, part in zip(many, (Y[:, :2], Y[:, 2:3], Y[:, 3:]), strict=True):
        alone = ridge_cv(X, part, **settings)
        np.testing.assert_allclose(fit.predict(X), alone.predict(X), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(fit.held_out, alone.held_out, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(fit.cv_scores, alone.cv_scores, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(fit.best_alphas, alone.best_alphas)
        assert per_target or len(set(fit.best_alphas)) == 1


@quiet
def test_target_sets_of_different_kinds_are_answered_in_kind(rng) -> None:
    X, Y, _ = make_problem("many rows", rng)
    sets = [Y[:, :2].astype(np.float32), torch.from_numpy(Y[:, 2:3]), Y[:, 3:]]
    fits = ridge_cv_many(X, sets, alphas=[1.0, 10.0], dtype="float64")
    expected = ridge_cv(X, Y, alphas=[1.0, 10.0], dtype="float64")
    assert [type(fit.coef) for fit in fits] == [np.ndarray, torch.Tensor, np.ndarray]
    found = np.concatenate([np.asarray(fit.coef) for fit in fits], 1)
    np.testing.assert_allclose(found, expected.coef, rtol=1e-5, atol=1e-6)


@quiet
@pytest.mark.parametrize("rows", [1, 40])
def test_few_rows_are_predicted_without_weights_of_features(rows, rng) -> None:
    """By products with the fitted rows: the same numbers, for one fit and for several that share them."""
    X, Y, groups = make_problem("wide", rng)
    new = rng.standard_normal((rows, X.shape[1])) + 3
    fits = ridge_cv_many(X, [Y[:, :1], Y[:, 1:]], groups=groups)
    assert all("_coef" not in vars(fit) for fit in fits)
    many = predict_many(fits, new)
    for fit, part in zip(fits, many, strict=True):
        expected = new @ fit.coef + fit.intercept
        np.testing.assert_allclose(part, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
        np.testing.assert_allclose(fit.predict(new), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
        assert part.shape == expected.shape


@quiet
def test_unrelated_fits_are_predicted_one_by_one(rng) -> None:
    X, Y, _ = make_problem("random", rng)
    fits = [ridge_cv(X, Y[:, :2], solver="dual"), ridge_cv(X, Y[:, 2:], solver="primal_per_fold")]
    for fit, part in zip(fits, predict_many(fits, X[:7]), strict=True):
        np.testing.assert_array_equal(part, fit.predict(X[:7]))


@pytest.mark.parametrize("solver", SOLVERS)
def test_predictions_of_other_features_are_refused(solver, rng) -> None:
    X, Y, _ = make_problem("many rows", rng)
    fit = ridge(X, Y, np.ones(5), solver=solver)
    with pytest.raises(ValueError, match=r"X has shape \(150, 19\): this fit needs \(rows, 20\)"):
        fit.predict(X[:, :19])


@quiet
@pytest.mark.parametrize("solver", SOLVERS)
def test_memory_map_and_tensor_equal_array(solver, rng, tmp_path) -> None:
    X, Y, _ = make_problem("wide", rng)
    np.save(tmp_path / "X.npy", X.astype(np.float32))
    np.save(tmp_path / "Y.npy", Y)
    mapped, targets = (np.load(tmp_path / name, mmap_mode="r") for name in ("X.npy", "Y.npy"))
    plain = ridge_cv(np.asarray(mapped), Y, solver=solver, memory_gb=0.01)
    streamed = ridge_cv(mapped, targets, solver=solver, memory_gb=0.01)
    tensor = ridge_cv(torch.from_numpy(np.array(mapped)), torch.from_numpy(Y), solver=solver)
    np.testing.assert_array_equal(streamed.predict(mapped), plain.predict(np.asarray(mapped)))
    np.testing.assert_array_equal(streamed.coef, plain.coef)
    assert isinstance(tensor.coef, torch.Tensor)
    np.testing.assert_allclose(tensor.coef.numpy(), plain.coef, rtol=1e-4, atol=1e-6)


@quiet
@pytest.mark.parametrize("solver", SOLVERS)
def test_inputs_are_not_modified(solver, rng) -> None:
    X, Y, groups = make_problem("random", rng)
    before = X.copy(), Y.copy()
    fit = ridge_cv(X, Y, groups=groups, solver=solver, dtype="float64", keep_held_out=True)
    fit.predict(X)
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(Y, before[1])
    tensors = torch.from_numpy(X), torch.from_numpy(Y)
    ridge_cv(*tensors, groups=groups, solver=solver, dtype="float64")
    np.testing.assert_array_equal(tensors[0].numpy(), before[0])
    np.testing.assert_array_equal(tensors[1].numpy(), before[1])


@quiet
@pytest.mark.parametrize("layout", ["columns", "strided", "integers", "read-only"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_arrays_of_any_layout(layout, solver, rng) -> None:
    X, Y = rng.integers(-9, 10, (60, 40)).astype(float), rng.integers(-9, 10, (60, 3)).astype(float)
    expected = ridge_cv(X, Y, alphas=[1.0, 10.0], solver=solver, dtype="float64")
    if layout == "columns":
        X, Y = np.asfortranarray(X), np.asfortranarray(Y)
    elif layout == "strided":
        X, Y = np.repeat(X, 2, axis=1)[:, ::2], np.repeat(Y, 2, axis=0)[::2]
    elif layout == "integers":
        X, Y = X.astype(np.int16), Y.astype(np.int64)
    else:
        X.flags.writeable = Y.flags.writeable = False
    found = ridge_cv(X, Y, alphas=[1.0, 10.0], solver=solver, dtype="float64")
    np.testing.assert_allclose(found.coef, expected.coef, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(found.best_alphas, expected.best_alphas)


@quiet
@pytest.mark.parametrize("solver", SOLVERS)
def test_bit_equal_on_a_repeat(solver, rng) -> None:
    X, Y, groups = make_problem("random", rng)
    first, second = (ridge_cv(X, Y, groups=groups, solver=solver) for _ in range(2))
    np.testing.assert_array_equal(first.coef, second.coef)
    np.testing.assert_array_equal(first.cv_scores, second.cv_scores)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("solver", SOLVERS)
def test_given_penalties(solver, intercept, rng) -> None:
    X, Y, _ = make_problem("random", rng)
    alphas = np.array([1.0, 100.0, 10.0, 1.0, 3.0])
    fit = ridge(X, Y, alphas, fit_intercept=intercept, solver=solver, dtype="float64")
    expected = Ridge(alpha=alphas, fit_intercept=intercept, solver="svd").fit(X, Y)
    np.testing.assert_allclose(fit.coef, expected.coef_.T, rtol=1e-7, atol=1e-10)
    np.testing.assert_array_equal(fit.best_alphas, alphas)
    assert np.isnan(fit.cv_scores).all()


@quiet
def test_weights_of_many_targets_that_share_few_penalties(rng) -> None:
    X, _, _ = make_problem("many rows", rng)
    Y = X[:, :1] * rng.standard_normal(400) + rng.standard_normal((len(X), 400))
    fit = ridge_cv(X, Y, alphas=[1.0, 1000.0], solver="primal_per_fold", dtype="float64")
    assert len(np.unique(fit.best_alphas)) * len(X) < Y.shape[1]
    expected = Ridge(alpha=fit.best_alphas, solver="svd").fit(X, Y).coef_.T
    np.testing.assert_allclose(fit.coef, expected, rtol=1e-6, atol=1e-9)


@quiet
@pytest.mark.parametrize("features", [20, 90])
def test_a_penalty_common_to_most_targets_gives_each_its_weights(features: int, rng) -> None:
    """One operator for the targets of the common penalty, in several batches, and two products for the others."""
    X = rng.standard_normal((60, features))
    Y = np.concatenate([10 * X[:, :1] + 0.1 * rng.standard_normal((60, 30)), rng.standard_normal((60, 600))], 1)
    fit = ridge_cv(X, Y, alphas=[0.1, 1e6], solver="primal_per_fold", dtype="float64")
    counts = np.unique(fit.best_alphas, return_counts=True)[1]
    assert counts.min() < 60
    assert counts.max() > 512
    np.testing.assert_allclose(fit.coef, Ridge(alpha=fit.best_alphas).fit(X, Y).coef_.T, rtol=1e-6, atol=1e-10)


@quiet
@pytest.mark.parametrize("solver", SOLVERS)
def test_ill_conditioned_single_precision_is_solved_in_double(solver, rng) -> None:
    """1,100 rows are factorised in single precision unless the spectrum forbids it; both must be right."""
    for scale in (np.ones(1300), np.logspace(0, -3, 1300)):
        X = (rng.standard_normal((1100, 1300)) * scale).astype(np.float32)
        Y = (X[:, :4] + rng.standard_normal((1100, 4))).astype(np.float32)
        settings = {"alphas": np.array([1e-3, 1e1, 1e4]), "solver": solver, "n_folds": 3}
        single, double = (ridge_cv(X, Y, dtype=dtype, **settings) for dtype in ("float32", "float64"))
        np.testing.assert_allclose(single.cv_scores, double.cv_scores, rtol=2e-4, atol=2e-4)
        np.testing.assert_allclose(single.predict(X), double.predict(X), atol=1e-4 * np.abs(Y).max())


@pytest.mark.parametrize("solver", SOLVERS)
def test_nearly_equal_features_in_single_precision(solver, rng) -> None:
    X = rng.normal(size=(2100, 520)).astype(np.float32)
    X[:, 1] = X[:, 0] + 1e-4 * rng.normal(size=2100)
    Y = (X[:, :30] @ rng.normal(size=(30, 4)) + rng.normal(size=(2100, 4))).astype(np.float32)
    fit = ridge_cv(X, Y, alphas=[1e-2, 1.0, 100.0], solver=solver, n_folds=3)
    for target, alpha in enumerate(fit.best_alphas):
        expected = Ridge(alpha=alpha).fit(X.astype(np.float64), Y[:, target]).coef_
        np.testing.assert_allclose(fit.coef[:, target], expected, atol=1e-5 * abs(expected).max())


@quiet
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("offset", [1e2, 1e4])
def test_features_far_from_zero_keep_their_digits(offset, solver, rng) -> None:
    """Means of ten thousand standard deviations, in single precision: as in double precision of the same numbers."""
    X = (rng.standard_normal((200, 50)) + offset).astype(np.float32)
    Y = (X[:, :3] - offset + 0.5 * rng.standard_normal((200, 3)) + offset).astype(np.float32)
    fit = ridge_cv(X, Y, alphas=[0.1, 10.0, 1000.0], solver=solver)
    expected = Ridge(alpha=fit.best_alphas).fit(X.astype(np.float64), Y.astype(np.float64))
    np.testing.assert_allclose(fit.coef, expected.coef_.T, atol=1e-4)


@pytest.mark.parametrize("solver", SOLVERS)
def test_best_alpha_on_the_edge_warns(solver, rng) -> None:
    X, _, _ = make_problem("random", rng)
    noise = rng.standard_normal((len(X), 2))
    with pytest.warns(RidgeWarning, match=r"largest \(1\) for 2 of 2 targets: widen alphas"):
        fit = ridge_cv(X, noise, alphas=[1e-2, 1e-1, 1e0], solver=solver)
    assert fit.on_edge.all()


@quiet
@pytest.mark.parametrize("solver", SOLVERS)
def test_constant_columns_are_named(solver, rng) -> None:
    X, Y = rng.standard_normal((30, 15)), rng.standard_normal((30, 3))
    X[:, 2:14], Y[:, 1] = 0.1, 7.0
    with pytest.warns(RidgeWarning) as caught:
        fit = ridge_cv(X, Y, solver=solver)
    texts = [str(warning.message) for warning in caught]
    assert any("X is constant in column(s) 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more" in text for text in texts)
    assert any("Y is constant in column(s) 1," in text for text in texts)
    np.testing.assert_allclose(fit.coef[2:14], 0, atol=1e-6)
    np.testing.assert_allclose(fit.predict(X)[:, 1], 7.0, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:the best alpha")
@pytest.mark.parametrize("scoring", SCORES)
def test_a_score_of_a_constant_target_is_zero_or_its_error(scoring, rng) -> None:
    X, Y = rng.standard_normal((40, 6)), rng.standard_normal((40, 2))
    Y[:, 0] = 3.0
    for solver in SOLVERS:
        with pytest.warns(RidgeWarning, match="Y is constant"):
            fit = ridge_cv(X, Y, alphas=[1.0, 10.0, 100.0], scoring=scoring, solver=solver, dtype="float64")
        np.testing.assert_allclose(fit.cv_scores[:, 0], 0, atol=1e-12)
        reference = refitted(X, Y, fit.alphas, assign_folds(40, None, 5), True)
        expected = [
            np.mean([score_of(scoring, Y[f : f + 8, 1:], p[f : f + 8, 1:]) for f in range(0, 40, 8)]) for p in reference
        ]
        np.testing.assert_allclose(fit.cv_scores[:, 1], expected, rtol=1e-8)


@quiet
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
