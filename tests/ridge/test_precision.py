"""The precision a matrix needs, found without its eigenvalues."""

import numpy as np
import pytest
import torch

from brain2music.ridge._precision import MAX_CONDITION, alpha_too_small, dtypes_to_try, is_ill_conditioned


@pytest.mark.parametrize(("least", "alpha", "expected"), [(1e-2, 1e-9, False), (1e-6, 1e-9, True), (1e-6, 1e-2, False)])
@pytest.mark.parametrize("greatest", [1.0, 1e6])
def test_a_condition_that_single_precision_does_not_allow_is_found(
    least: float, alpha: float, expected: bool, greatest: float
) -> None:
    rng = np.random.default_rng(0)
    axes, _ = np.linalg.qr(rng.standard_normal((300, 300)))
    G = torch.from_numpy((axes * np.geomspace(greatest, least * greatest, 300)) @ axes.T).float()
    assert is_ill_conditioned(G, alpha * greatest) == expected


def test_nothing_is_well_conditioned_beside_any_penalty() -> None:
    assert not is_ill_conditioned(torch.zeros(5, 5), 0.1)


@pytest.mark.parametrize(
    ("n_rows", "dtype", "expected"),
    [
        (100, torch.float32, [torch.float64]),
        (2000, torch.float32, [torch.float32, torch.float64]),
        (2000, torch.float64, [torch.float64]),
    ],
)
def test_small_factorisations_are_in_double_precision(n_rows, dtype, expected) -> None:
    assert dtypes_to_try(n_rows, dtype) == expected


def test_the_penalty_that_is_named_has_the_condition_that_is_allowed() -> None:
    error = alpha_too_small(1e-6, 1e16)
    smallest = float(str(error).split("start the grid at ")[1].split()[0])
    assert smallest == pytest.approx(1e-6 * 1e16 / MAX_CONDITION[torch.float64])
