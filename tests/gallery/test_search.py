"""Exact search against sorting every product, on easy data and on data made to break a coarse screening."""

import numpy as np
import pytest
import torch

from brain2music.gallery.search import ExactIndex, Screening, _coarse, _coarse_products, _margin

SCREENINGS: list[Screening] = ["bfloat16", "float32"]


def by_sorting(vectors: np.ndarray, queries: np.ndarray, k: int, where: np.ndarray | None = None) -> np.ndarray:
    products = np.round(queries.astype(np.float64) @ vectors.T.astype(np.float64), 12)
    if where is not None:
        products[:, ~where] = -np.inf
    return np.argsort(-products, axis=1, kind="stable")[:, :k]


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("screening", SCREENINGS)
@pytest.mark.parametrize(("rows", "k"), [(1, 1), (63, 63), (64, 5), (65, 65), (5000, 10), (5000, 200)])
def test_equals_sorting_everything(screening: Screening, rows: int, k: int, rng: np.random.Generator) -> None:
    vectors, queries = unit(rng.normal(size=(rows, 37))), unit(rng.normal(size=(70, 37)))
    indices, products = ExactIndex(vectors, screening).search(queries, k)
    np.testing.assert_array_equal(indices, by_sorting(vectors, queries, k))
    exact = np.take_along_axis(queries.astype(float) @ vectors.T.astype(float), indices, axis=1)
    np.testing.assert_allclose(products, exact, atol=1e-12)


@pytest.mark.parametrize("screening", SCREENINGS)
@pytest.mark.parametrize("spread", [1e-2, 1e-4, 1e-6])
def test_equals_sorting_where_rows_differ_by_less_than_the_screening_sees(
    screening: Screening, spread: float, rng: np.random.Generator
) -> None:
    vectors = unit(rng.normal(size=64) + spread * rng.normal(size=(4000, 64)))
    vectors = vectors * rng.choice([-1, 1], (4000, 1)).astype(np.float32)
    queries = unit(rng.normal(size=(8, 64)))
    np.testing.assert_array_equal(
        ExactIndex(vectors, screening).search(queries, 10)[0], by_sorting(vectors, queries, 10)
    )


@pytest.mark.parametrize("screening", SCREENINGS)
def test_lengths_may_differ_and_products_may_all_be_negative(screening: Screening, rng: np.random.Generator) -> None:
    vectors = (rng.uniform(0.1, 100, (3000, 20)) * rng.uniform(0.01, 10, (3000, 1))).astype(np.float32)
    queries = -rng.uniform(0, 3, (5, 20)).astype(np.float32)
    np.testing.assert_array_equal(
        ExactIndex(vectors, screening).search(queries, 15)[0], by_sorting(vectors, queries, 15)
    )


@pytest.mark.parametrize("screening", SCREENINGS)
def test_equal_rows_come_in_order(screening: Screening, rng: np.random.Generator) -> None:
    vectors = np.repeat(unit(rng.normal(size=(1, 753))), 1000, axis=0)
    indices, _ = ExactIndex(vectors, screening).search(unit(rng.normal(size=(3, 753))), 10)
    np.testing.assert_array_equal(indices, np.tile(np.arange(10), (3, 1)))


@pytest.mark.parametrize("screening", SCREENINGS)
@pytest.mark.parametrize("share", [0.5, 0.01])
def test_a_filter_equals_sorting_what_passes(screening: Screening, share: float, rng: np.random.Generator) -> None:
    vectors, queries = unit(rng.normal(size=(3000, 24))), unit(rng.normal(size=(6, 24)))
    where = rng.random(3000) < share
    where[-1] = True
    indices, _ = ExactIndex(vectors, screening).search(queries, 10, where)
    np.testing.assert_array_equal(indices, by_sorting(vectors, queries, 10, where))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("adversarial", [False, True])
def test_no_coarse_product_errs_by_more_than_the_margin(
    dtype: torch.dtype, adversarial: bool, rng: np.random.Generator
) -> None:
    vectors, queries = unit(rng.normal(size=(2000, 96))), unit(rng.normal(size=(20, 96)))
    if adversarial:  # every number lies half-way between two of bfloat16, all rounded the same way
        halfway = np.float32(1 + 2**-8 - 2**-20) / np.float32(8)
        vectors, queries = np.full_like(vectors, halfway), np.full_like(queries, halfway)
    (rows, row_error), (asks, query_error) = _coarse(vectors, dtype), _coarse(queries, dtype)
    lengths = torch.from_numpy(np.linalg.norm(queries.astype(float), axis=1))
    longest = float(np.linalg.norm(vectors.astype(float), axis=1).max()) + row_error
    margin, rounding = _margin(lengths, query_error, longest, row_error, 96, dtype)
    coarse = _coarse_products(asks, rows).double().numpy()
    error = np.abs(coarse - queries.astype(float) @ vectors.T.astype(float))
    bound = margin.numpy()[:, None] + rounding * np.abs(coarse)
    assert (error <= bound).all()
    if adversarial and dtype == torch.bfloat16:
        assert error.max() > 0.4 * bound.max()


def test_torch_settings_do_not_loosen_the_float32_margin(rng: np.random.Generator) -> None:
    vectors, queries = (
        unit(rng.normal(size=64) + 1e-4 * rng.normal(size=(4000, 64))),
        unit(rng.normal(size=(8, 64))),
    )
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        indices, _ = ExactIndex(vectors, "float32").search(queries, 10)
    finally:
        torch.set_float32_matmul_precision(before)
    np.testing.assert_array_equal(indices, by_sorting(vectors, queries, 10))


def test_impossible_searches_are_refused() -> None:
    index = ExactIndex(np.eye(4, dtype=np.float32))
    for k in (0, 5):
        with pytest.raises(ValueError, match="4 may be found"):
            index.search(np.eye(4, dtype=np.float32), k)
    with pytest.raises(ValueError, match="1 may be found"):
        index.search(np.eye(4, dtype=np.float32), 2, np.array([True, False, False, False]))
    with pytest.raises(ValueError, match="queries are not finite"):
        index.search(np.full((1, 4), np.inf, np.float32), 1)
    with pytest.raises(ValueError, match="empty or not finite"):
        ExactIndex(np.zeros((0, 4), np.float32))
