"""Functions of the eigenvalues that a grid of penalties spans."""

import numpy as np
import pytest
import torch

from brain2music.ridge._primal_per_fold import span


@pytest.mark.parametrize(("dtype", "tolerance", "most"), [(torch.float32, 2e-6, 15), (torch.float64, 1e-12, 20)])
def test_the_span_of_a_grid_is_exact_and_smaller(dtype, tolerance, most) -> None:
    values, alphas = torch.logspace(0, 3, 200, dtype=torch.float64), np.logspace(-3, 8, 20).tolist()
    functions, mix = span(values, alphas, dtype)
    assert functions.dtype == mix.dtype == dtype
    factors = values * (mix.double() @ functions.double())
    expected = values / (values + torch.tensor(alphas, dtype=torch.float64)[:, None])
    assert len(functions) < most
    assert float(((factors - expected).abs() / expected.amax(1, keepdim=True)).max()) < tolerance


@pytest.mark.parametrize("values", [torch.zeros(5), torch.tensor([0.0, 2.0]), torch.full((9,), 3.0)])
def test_degenerate_eigenvalues(values) -> None:
    alphas = [0.1, 1.0, 100.0]
    functions, mix = span(values, alphas, torch.float64)
    found = values.double() * (mix @ functions)
    expected = values.double() / (values.double() + torch.tensor(alphas, dtype=torch.float64)[:, None])
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_one_penalty_is_its_own_span() -> None:
    values = torch.tensor([1.0, 4.0])
    functions, mix = span(values, [2.0], torch.float64)
    torch.testing.assert_close(mix @ functions, torch.tensor([[1 / 3, 1 / 6]], dtype=torch.float64))
