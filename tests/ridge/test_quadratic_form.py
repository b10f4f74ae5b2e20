"""Quadratic forms: a triangle in strips, and the least of several found with rounded numbers first."""

import numpy as np
import pytest
import torch

from brain2music.ridge._quadratic_form import Batch, QuadraticForm, ScreenedForm, make_minima_exact


def _forms(rows: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Positive definite; the third is the second over again, the fourth all but."""
    roots = [rng.standard_normal((rows, rows)) / rows**0.5 for _ in range(3)]
    plain = [root @ root.T + strength * np.eye(rows) for root, strength in zip(roots, (1.0, 1.1, 2.0), strict=True)]
    return [plain[0], plain[1], plain[1], plain[1] * (1 + 3e-6), plain[2]]


@pytest.mark.parametrize("rows", [20, 100, 333])
def test_a_form_is_that_of_the_whole_matrix(rows: int) -> None:
    rng = np.random.default_rng(rows)
    M, Y = _forms(rows, rng)[0], rng.standard_normal((rows, 7))
    found = QuadraticForm.from_matrix(torch.from_numpy(M))(torch.from_numpy(Y))
    np.testing.assert_allclose(found, np.einsum("it,ij,jt->t", Y, M, Y), rtol=1e-12)


@pytest.mark.parametrize("kind", ["plain", "one row", "alike", "nothing"])
def test_the_least_is_exact_and_none_that_is_less_is_missed(kind: str) -> None:
    rng = np.random.default_rng(1)
    matrices = _forms(400, rng)
    Y = rng.standard_normal((400, 300)).astype(np.float32)
    if kind == "one row":
        Y *= np.logspace(0, -4, 400)[:, None]
    if kind == "alike":
        Y = np.repeat(Y[:, :3], 100, axis=1)
    if kind == "nothing":
        Y[:, ::2] = 0
    forms = [QuadraticForm.from_matrix(torch.from_numpy(M.astype(np.float32))) for M in matrices]
    exact = torch.stack([form(torch.from_numpy(Y)) for form in forms])
    screens, columns = {row: ScreenedForm.from_form(form) for row, form in enumerate(forms)}, torch.from_numpy(Y)
    found = torch.stack([screen(Batch.from_columns(columns)) for screen in screens.values()])
    make_minima_exact(screens, columns, torch.ones_like(found, dtype=torch.bool), found)
    torch.testing.assert_close(found.min(0).values, exact.min(0).values, rtol=1e-6, atol=0)
    torch.testing.assert_close(found, exact, rtol=2e-2, atol=1e-20)
    others = torch.tensor([0, 1, 4])  # none of them another over again
    assert torch.equal(found[others].argmin(0), exact[others].argmin(0))
    assert bool((found == exact).all(0)[0]) == (kind == "nothing")


def test_what_is_not_possible_stays_as_it_was_estimated_and_is_not_the_least() -> None:
    rng = np.random.default_rng(2)
    forms = [QuadraticForm.from_matrix(torch.from_numpy(M.astype(np.float32))) for M in _forms(200, rng)]
    Y = torch.from_numpy(rng.standard_normal((200, 40)).astype(np.float32))
    screens = {0: ScreenedForm.from_form(forms[0]), 1: ScreenedForm.from_form(forms[1])}
    estimates = torch.stack([form(Y) for form in forms])
    estimates[2:] *= 10
    estimates[4, ::2] = 1e-3
    possible = torch.zeros_like(estimates, dtype=torch.bool)
    possible[:2] = True
    found = estimates.clone()
    make_minima_exact(screens, Y, possible, found)
    assert torch.equal(found[2:4], estimates[2:4])
    assert torch.equal(found[4, 1::2], estimates[4, 1::2])
    assert torch.equal(found[4, ::2], found[:2, ::2].min(0).values)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.8])
def test_some_columns_are_as_in_the_whole(share: float) -> None:
    rng = np.random.default_rng(3)
    screen = ScreenedForm.from_form(QuadraticForm.from_matrix(torch.from_numpy(_forms(200, rng)[0].astype(np.float32))))
    Y = torch.from_numpy(rng.standard_normal((200, 100)).astype(np.float32))
    mask = torch.arange(100) < 100 * share
    found = screen.select(Batch.from_columns(Y), mask)
    torch.testing.assert_close(found, screen(Batch.from_columns(Y))[mask], rtol=1e-3, atol=0)
