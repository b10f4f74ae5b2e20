"""Approximate search against exact search: recall, filters, the file, and where it gives way to exact search."""

from pathlib import Path

import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music.gallery.ann import AnnIndex
from brain2music.gallery.search import ExactIndex


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def clustered(rows: int, seed: int, dims: int = 33) -> np.ndarray:
    """Unit rows around 200 centres."""
    centres = np.random.default_rng(0).normal(size=(200, dims))
    rng = np.random.default_rng(seed)
    return unit(centres[rng.integers(0, 200, rows)] + 1.0 * rng.normal(size=(rows, dims)))


def recall(found: np.ndarray, exact: np.ndarray) -> float:
    return float(np.mean([np.isin(wanted, rows).mean() for wanted, rows in zip(exact, found, strict=True)]))


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return clustered(8000, 1)


@pytest.fixture(scope="module")
def index(vectors: np.ndarray) -> AnnIndex:
    return AnnIndex.build(vectors, target=0.95)


def test_recall_reaches_the_target_on_queries_it_has_not_seen(index: AnnIndex, vectors: np.ndarray) -> None:
    queries = clustered(300, 2)
    indices, products = index.search(queries, 10)
    assert recall(indices, ExactIndex(vectors).search(queries, 10)[0]) >= 0.94
    assert 0.95 <= index.measured.recall <= 1
    assert index.measured.probes < index.measured.lists
    exact = np.take_along_axis(queries.astype(float) @ vectors.T.astype(float), indices, axis=1)
    np.testing.assert_allclose(products, exact, atol=1e-12)
    assert (np.diff(products, axis=1) <= 0).all()


def test_a_higher_target_looks_further(vectors: np.ndarray, index: AnnIndex) -> None:
    queries = clustered(200, 3)
    loose, strict = (AnnIndex.build(vectors, target=target, queries=queries).measured for target in (0.5, 0.99))
    assert loose.probes < strict.probes
    assert strict.recall >= 0.99
    assert (strict.given, index.measured.given) == (True, False)


def test_the_measured_recall_is_that_of_the_given_queries(vectors: np.ndarray) -> None:
    queries = clustered(100, 4)
    index = AnnIndex.build(vectors, target=0.8, queries=queries)
    found, exact = index.search(queries, 10)[0], ExactIndex(vectors).search(queries, 10)[0]
    assert index.measured.recall == pytest.approx(recall(found, exact))


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01])
def test_filters_act_before_candidates_are_taken(
    share: float, index: AnnIndex, vectors: np.ndarray, rng: np.random.Generator
) -> None:
    where = rng.random(len(vectors)) < share
    queries = clustered(100, 5)
    indices, _ = index.search(queries, 10, where)
    assert where[indices].all()
    exact = ExactIndex(vectors).search(queries, 10, where)[0]
    assert recall(indices, exact) >= (1 if share < 0.05 else 0.85)


def test_queries_that_find_too_few_are_searched_exactly(index: AnnIndex, vectors: np.ndarray) -> None:
    queries, k = clustered(3, 6), 4000
    np.testing.assert_array_equal(index.search(queries, k)[0], ExactIndex(vectors).search(queries, k)[0])


def test_rows_may_be_half_precise_and_prepared_as_they_are_read(vectors: np.ndarray) -> None:
    stored = (3 * vectors + 1).astype(np.float16)

    def prepare(rows: np.ndarray) -> np.ndarray:
        return (rows.astype(np.float32) - 1) / 3

    index = AnnIndex.build(stored, prepare=prepare)
    queries = clustered(100, 7)
    assert recall(index.search(queries, 10)[0], ExactIndex(stored, prepare=prepare).search(queries, 10)[0]) >= 0.9


def test_a_saved_index_searches_alike(index: AnnIndex, vectors: np.ndarray, tmp_path: Path) -> None:
    index.save(tmp_path / "ann.faiss")
    opened = AnnIndex.open(tmp_path / "ann.faiss", index.measured, vectors)
    queries = clustered(20, 8)
    np.testing.assert_array_equal(opened.search(queries, 5)[0], index.search(queries, 5)[0])
    with pytest.raises(InputError, match="8000 rows, but 7999"):
        AnnIndex.open(tmp_path / "ann.faiss", index.measured, vectors[:-1])
    (tmp_path / "ann.faiss").write_bytes((tmp_path / "ann.faiss").read_bytes()[:1000])
    with pytest.raises(InputError, match="cannot be read"):
        AnnIndex.open(tmp_path / "ann.faiss", index.measured, vectors)


def test_the_same_seed_builds_the_same_index(vectors: np.ndarray, index: AnnIndex, tmp_path: Path) -> None:
    index.save(tmp_path / "one.faiss")
    AnnIndex.build(vectors, target=0.95).save(tmp_path / "two.faiss")
    assert (tmp_path / "one.faiss").read_bytes() == (tmp_path / "two.faiss").read_bytes()


def test_impossible_wishes_are_refused(index: AnnIndex, rng: np.random.Generator) -> None:
    with pytest.raises(InputError, match="too few"):
        AnnIndex.build(np.eye(4, dtype=np.float32))
    with pytest.raises(ValueError, match="3 may be found"):
        index.search(clustered(1, 9), 4, np.arange(8000) < 3)
    with pytest.raises(ValueError, match="not finite"):
        index.search(np.full((1, 33), np.nan, np.float32), 1)
