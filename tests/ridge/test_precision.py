"""Which precision a matrix needs, told without its eigenvalues."""

import numpy as np
import pytest
import torch

from brain2music.ridge._precision import is_ill_conditioned
from brain2music.ridge._principal_axes import principal_axes


@pytest.mark.parametrize(("least", "alpha", "expected"), [(1e-2, 1e-9, False), (1e-6, 1e-9, True), (1e-6, 1e-2, False)])
@pytest.mark.parametrize("greatest", [1.0, 1e6])
def test_a_condition_beyond_single_precision_is_told(
    least: float, alpha: float, expected: bool, greatest: float
) -> None:
    rng = np.random.default_rng(0)
    axes, _ = np.linalg.qr(rng.standard_normal((300, 300)))
    G = torch.from_numpy((axes * np.geomspace(greatest, least * greatest, 300)) @ axes.T).float()
    assert is_ill_conditioned(G, alpha * greatest) == expected


def test_nothing_is_well_conditioned_beside_any_penalty() -> None:
    assert not is_ill_conditioned(torch.zeros(5, 5), 0.1)


@pytest.mark.parametrize(("alpha", "precision"), [(1e-3, torch.float64), (1e3, torch.float32)])
def test_ill_conditioned_rows_are_decomposed_in_double_precision(alpha: float, precision: torch.dtype) -> None:
    X = torch.from_numpy(np.random.default_rng(0).standard_normal((1300, 1100)) * np.logspace(0, -3, 1100)).float()
    found = principal_axes(X, alpha, intercept=True)
    assert found.values.dtype == precision
    assert found.condition > 1e4 if precision == torch.float64 else found.condition < 1e4
