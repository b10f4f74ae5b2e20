"""What users can get wrong is refused in one line that says what to do."""

import numpy as np
import pytest

from brain2music.ridge import ridge, ridge_cv, ridge_cv_many


@pytest.mark.parametrize("solver", ["dual", "primal_per_fold"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.full((30, 4), np.nan)}, r"X contains NaN or infinity in column\(s\) 0, 1, 2, 3"),
        ({"Y": np.full((30, 2), np.inf)}, r"Y contains NaN or infinity in column\(s\) 0, 1"),
        ({"Y": np.zeros((29, 2))}, "30 rows as in X"),
        ({"X": np.zeros(30)}, "must be"),
        ({"X": np.zeros((30, 0))}, "must be"),
        ({"Y": np.zeros((30, 0))}, "30 rows as in X, targets"),
        ({"Y": np.zeros(30)}, "30 rows as in X, targets"),
        ({"alphas": [0.0, 1.0]}, "positive finite penalties"),
        ({"alphas": []}, "positive finite penalties"),
        ({"alphas": [np.nan]}, "positive finite penalties"),
        ({"groups": np.zeros(29)}, "one label for each of the 30 rows"),
        ({"groups": np.zeros(30)}, "1 groups cannot fill 5 folds"),
        ({"folds": np.zeros(30)}, "one fold only"),
        ({"folds": np.zeros(29)}, "one fold number for each of the 30 rows"),
        ({"n_folds": 1}, "at least 2 folds"),
        ({"n_folds": 31}, "n_samples = 30"),
        ({"n_folds": 30}, "2 rows in every fold: give fewer folds or scoring='neg_mean_squared_error'"),
        ({"scoring": "mse"}, "scoring='mse' is unknown: give one of r2, correlation, neg_mean_squared_error"),
        ({"dtype": "float16"}, "dtype='float16': give 'float32' or 'float64'"),
        ({"memory_gb": 1e-7}, r"needs 0\.01 GB: give memory_gb \(here 1e-07\) at least that"),
        (
            {"X": np.ones((30, 4)) * 1e9 + np.arange(30)[:, None] * 1e9, "alphas": [1e-9]},
            r"alpha=1e-09 is too small for these features .* start the grid at .* or above, or scale the features up",
        ),
    ],
)
def test_errors_say_what_to_do(change, message, solver, rng) -> None:
    arguments = {"X": rng.standard_normal((30, 4)), "Y": rng.standard_normal((30, 2))} | change
    X, Y = arguments.pop("X"), arguments.pop("Y")
    with pytest.raises(ValueError, match=message) as refusal:
        ridge_cv(X, Y, solver=solver, **arguments)
    assert "\n" not in str(refusal.value)


def test_only_the_columns_at_fault_are_named(rng) -> None:
    X, Y = rng.standard_normal((30, 5000)), rng.standard_normal((30, 40))
    X[3, 4700], X[4, 4999] = np.nan, np.inf
    with pytest.raises(ValueError, match=r"X contains NaN or infinity in column\(s\) 4700, 4999: drop"):
        ridge_cv(X, Y, solver="dual")
    Y[2, 5:30] = np.nan
    message = r"Y contains NaN or infinity in column\(s\) 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 and 15 more: drop"
    with pytest.raises(ValueError, match=message):
        ridge_cv(X[:, :9], Y)


def test_no_target_set_is_refused(rng) -> None:
    with pytest.raises(ValueError, match="no target set was given"):
        ridge_cv_many(rng.standard_normal((30, 4)), [])


def test_penalties_must_be_one_per_target(rng) -> None:
    with pytest.raises(ValueError, match="3 alphas for 2 targets: give one for each"):
        ridge(rng.standard_normal((30, 4)), rng.standard_normal((30, 2)), np.array([1.0, 2.0, 3.0]))


@pytest.mark.filterwarnings("ignore:the best alpha")
def test_the_smallest_penalty_that_is_named_is_accepted(rng) -> None:
    X = np.ones((30, 4)) * 1e9 + np.arange(30)[:, None] * 1e9
    Y = rng.standard_normal((30, 2))
    with pytest.raises(ValueError, match="start the grid at") as refusal:
        ridge_cv(X, Y, alphas=[1e-9])
    smallest = float(str(refusal.value).split("start the grid at ")[1].split()[0])
    fit = ridge_cv(X, Y, alphas=[1.2 * smallest, 12 * smallest, 120 * smallest])
    assert np.isfinite(fit.predict(X)).all()
