"""The block tridiagonal form is similar to the matrix, and is multiplied and solved as it is."""

import numpy as np
import pytest
import torch

from brain2music.ridge._block_tridiagonal import reduce_to_block_tridiagonal

SIZES = (1, 50, 96, 97, 250)


def _positive(n: int, rng: np.random.Generator) -> torch.Tensor:
    A = rng.standard_normal((n, n))
    return torch.from_numpy(A @ A.T)


@pytest.mark.parametrize("n", SIZES)
def test_the_form_is_similar_to_the_matrix(n, rng) -> None:
    A = _positive(n, rng)
    form = reduce_to_block_tridiagonal(A.clone())
    Z = torch.from_numpy(rng.standard_normal((n, 3)))
    U = form.rotation
    torch.testing.assert_close(U.T @ U, torch.eye(n, dtype=torch.float64))
    torch.testing.assert_close(U @ form.times(U.T @ Z, 2.0), A @ Z - 2 * Z, rtol=1e-9, atol=1e-8)
    torch.testing.assert_close(form.times_rows(Z.T.contiguous(), 2.0), form.times(Z, 2.0).T, rtol=1e-9, atol=1e-8)


@pytest.mark.parametrize("n", SIZES)
def test_its_cholesky_factor_solves(n, rng) -> None:
    A = _positive(n, rng)
    form, U = reduce_to_block_tridiagonal(A.clone()), None
    U, factor = form.rotation, form.factor(0.5)
    shifted = A + 0.5 * torch.eye(n, dtype=torch.float64)
    Z = torch.from_numpy(rng.standard_normal((n, 3)))
    torch.testing.assert_close(U @ factor.solve(U.T @ Z), torch.linalg.solve(shifted, Z))
    half = factor.forward(Z)
    torch.testing.assert_close(half.T @ half, Z.T @ torch.linalg.solve(U.T @ shifted @ U, Z))
    torch.testing.assert_close(factor.forward_rows(Z.T.contiguous()), half.T)
    torch.testing.assert_close(factor.backward_rows_(half.T.clone()), factor.backward_(half.clone()).T)


@pytest.mark.parametrize("alpha", [1e-3, 0.5, 1e6])
@pytest.mark.parametrize("n", SIZES)
def test_its_condition_number(n, alpha, rng) -> None:
    A = _positive(n, rng)
    expected = float(torch.linalg.cond(A + alpha * torch.eye(n, dtype=torch.float64)))
    assert reduce_to_block_tridiagonal(A).condition(alpha) == pytest.approx(expected, rel=0.3)


def test_what_is_not_positive_definite_has_no_factor() -> None:
    form = reduce_to_block_tridiagonal(-torch.eye(200, dtype=torch.float64))
    with pytest.raises(FloatingPointError, match=r"B \+ 0\.5 I is not positive definite in torch\.float64"):
        form.factor(0.5)
    assert form.condition(0.5) == float("inf")
    assert form.condition(2.0) == pytest.approx(1.0)


@pytest.mark.parametrize("block", [5, 32])
def test_any_width_of_blocks_serves(block, rng) -> None:
    A = _positive(83, rng)
    form = reduce_to_block_tridiagonal(A.clone(), block)
    assert max(len(each) for each in form.diagonal) == block
    assert form.starts == [*range(0, 83, block), 83]
    Z = torch.from_numpy(rng.standard_normal((83, 2)))
    torch.testing.assert_close(form.rotation @ form.times(form.rotation.T @ Z), A @ Z, rtol=1e-9, atol=1e-8)
