"""The choice of a solver, the memory it takes, and the names that users may give."""

import numpy as np
import pytest

from brain2music.ridge import plan, ridge, ridge_cv, ridge_cv_many
from brain2music.ridge._plan import SOLVERS

from .conftest import least_plan


def test_the_plan_follows_the_shape() -> None:
    assert plan(4800, 60_000, 128, 15, 5).solver == "dual"
    assert plan(4800, 512, 60_000, 15, 5).solver == "primal_per_fold"
    assert plan(4800, 4096, 60_000, 15, 5).solver == "primal_per_fold"
    assert "4800 rows x 512 features" in str(plan(4800, 512, 100))


def test_quadratic_errors_are_planned_for_many_targets_of_many_features() -> None:
    assert plan(4800, 4096, 60_000, 15, 5, 2).quadratic_errors
    assert not plan(4800, 512, 60_000, 15, 5, 2).quadratic_errors  # a fold's triangle is far smaller than all rows
    assert not plan(4800, 60_000, 128, 15, 5, 2).quadratic_errors
    assert not plan(4800, 4096, 60_000, 15, 5, 4).screened
    assert [plan(4800, 4096, 60_000, 15, 5, gb, screened=True).screened for gb in (2, 4)] == [False, True]


@pytest.mark.parametrize("shape", [(4800, 60_000, 128), (4800, 512, 60_000), (400, 400, 400), (50, 3000, 2)])
@pytest.mark.parametrize("solver", SOLVERS)
def test_the_solver_asked_for_is_planned(solver, shape) -> None:
    assert plan(*shape, solver=solver, memory_gb=40).solver == solver
    assert plan(*shape, memory_gb=40).solver in SOLVERS


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("solver", ["auto", *SOLVERS])
def test_a_plan_keeps_to_its_memory(solver, dtype) -> None:
    least, tight = least_plan(2000, 3000, 5000, solver=solver, dtype=dtype)
    assert tight.gigabytes <= least
    previous = tight
    for factor in (2, 4, 16):
        larger = plan(2000, 3000, 5000, memory_gb=factor * least, solver=solver, dtype=dtype)
        assert larger.gigabytes <= factor * least
        assert larger.batch >= previous.batch or larger.solver != previous.solver
        previous = larger


def test_auto_takes_the_dual_solver_where_the_other_does_not_fit() -> None:
    assert plan(4800, 4096, 60_000, 15, 5, 4).solver == "primal_per_fold"
    assert plan(4800, 4096, 60_000, 15, 5, 0.7).solver == "dual"
    with pytest.raises(ValueError, match=r"this needs \d.* GB: give memory_gb \(here 0.7\) at least that"):
        plan(4800, 4096, 60_000, 15, 5, 0.7, solver="primal_per_fold")


@pytest.mark.filterwarnings("ignore:the best alpha")
def test_the_memory_asked_for_suffices(rng) -> None:
    X, Y = rng.standard_normal((600, 40)), rng.standard_normal((600, 9))
    with pytest.raises(ValueError, match="needs") as refusal:
        ridge_cv(X, Y, alphas=[1.0, 1e3, 1e6], memory_gb=1e-6, solver="dual")
    needed = float(str(refusal.value).split("needs ")[1].split(" GB")[0])
    fit = ridge_cv(X, Y, alphas=[1.0, 1e3, 1e6], memory_gb=needed, solver="dual")
    assert fit.coef.shape == (40, 9)


def test_an_unknown_solver_is_refused_wherever_it_may_be_given(rng) -> None:
    X, Y = rng.standard_normal((30, 4)), rng.standard_normal((30, 2))
    for call in (
        lambda: ridge_cv(X, Y, solver="cholesky"),
        lambda: ridge_cv_many(X, [Y], solver="cholesky"),
        lambda: ridge(X, Y, np.ones(2), solver="cholesky"),
        lambda: plan(30, 4, 2, solver="cholesky"),
    ):
        with pytest.raises(
            ValueError, match=r"^solver='cholesky' is unknown: give one of auto, dual, primal_per_fold$"
        ):
            call()


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ValueError, match="dtype='int8': give 'float32' or 'float64'"):
        plan(30, 4, 2, dtype="int8")
