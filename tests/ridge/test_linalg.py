"""Products and factorisations equal those of torch and scipy, whichever routine computes them."""

import numpy as np
import pytest
import scipy.linalg
import torch

from brain2music.ridge import _linalg as linalg


@pytest.mark.parametrize("shape", [(7, 30, 5), (64, 9, 40), (1, 1, 1)])
@pytest.mark.parametrize("convolves", [True, False])
def test_a_product_by_either_routine_is_a_product(shape, convolves, monkeypatch, rng) -> None:
    m, k, n = shape
    A, B = (torch.from_numpy(rng.standard_normal(size).astype(np.float32)) for size in ((m, k), (k, n)))
    monkeypatch.setattr(linalg, "SMALL", 0.0)
    monkeypatch.setattr(linalg, "_convolves", lambda thin, threads: convolves)
    torch.testing.assert_close(linalg.product(A, B), A @ B, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(1, 1), (130, 40), (97, 300)])
@pytest.mark.parametrize("by_syrk", [True, False])
def test_a_gram_matrix_by_either_routine_is_one(shape, dtype, by_syrk, monkeypatch, rng) -> None:
    rows = torch.from_numpy(rng.standard_normal(shape)).to(dtype)
    monkeypatch.setattr(linalg, "LARGE", 0.0)
    monkeypatch.setattr(linalg, "_by_syrk", lambda dtype, threads: by_syrk)
    found = linalg.gram(rows)
    torch.testing.assert_close(found, rows @ rows.T, rtol=1e-5, atol=1e-4)
    assert torch.equal(found, found.T)
    total = torch.ones(len(rows), len(rows), dtype=torch.float64)
    linalg.add_gram(total, rows)
    expected = (1 + rows.double() @ rows.double().T).tril()
    torch.testing.assert_close(total.tril(), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("n", [1, 40, 700])
def test_the_lower_triangle_is_mirrored(n, rng) -> None:
    A = torch.from_numpy(rng.standard_normal((n, n)))
    expected = A.tril() + A.tril(-1).T
    linalg.mirror(A)
    assert torch.equal(A, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_eigenvalues_and_vectors_are_scipys(dtype, rng) -> None:
    A = rng.standard_normal((60, 60))
    A = torch.from_numpy(A + A.T).to(dtype)
    values, vectors = linalg.eigh(A.clone())
    np.testing.assert_allclose(values, scipy.linalg.eigvalsh(A.double().numpy()), atol=1e-4)
    torch.testing.assert_close(vectors * values @ vectors.T, A, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(vectors.T @ vectors, torch.eye(60, dtype=dtype), rtol=1e-5, atol=1e-5)
    assert values.dtype == vectors.dtype == dtype


def test_a_positive_definite_system_is_solved_and_another_refused(rng) -> None:
    A, B = rng.standard_normal((30, 30)), torch.from_numpy(rng.standard_normal((30, 4)))
    A = torch.from_numpy(A @ A.T + np.eye(30))
    np.testing.assert_allclose(linalg.solve_spd(A, B), scipy.linalg.solve(A, B, assume_a="pos"), rtol=1e-9)
    with pytest.raises(FloatingPointError, match="not positive definite"):
        linalg.solve_spd(-A, B)
