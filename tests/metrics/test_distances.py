"""Kernel distance and Fréchet limit, against independent references, and what both are for."""

import numpy as np
import pytest
import scipy.linalg
from scipy.spatial.distance import cdist
from scipy.stats import entropy

from brain2music.metrics import frechet_distance, frechet_limit, kernel_distance, tagger_divergence


def reference_kad(x: np.ndarray, y: np.ndarray, paired: bool) -> float:
    """By its definition, with loops; bandwidth of the reference."""
    bandwidth = np.median(cdist(x, x)[np.triu_indices(len(x), 1)])

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.exp(-np.sum((a - b) ** 2) / (2 * bandwidth**2)))

    within = [
        np.mean([kernel(a, b) for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j]) for rows in (x, y)
    ]
    between = np.mean([kernel(a, b) for i, a in enumerate(x) for j, b in enumerate(y) if not (paired and i == j)])
    return float(100 * (sum(within) - 2 * between))


@pytest.mark.parametrize(("m", "paired"), [(9, False), (9, True), (6, False)])
def test_kernel_distance_is_its_definition(m: int, paired: bool, rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(9, 5)), 0.5 + rng.normal(size=(m, 5))
    found = kernel_distance(x, y, rng, 99, paired=paired)
    assert found.value == pytest.approx(reference_kad(x, y, paired), abs=1e-9)
    assert found.low < found.value < found.high
    assert (found.n_reference, found.n_made) == (9, m)


def test_kernel_distance_is_unbiased_for_few_sounds_and_frechet_is_not(rng: np.random.Generator) -> None:
    pairs = [(rng.normal(size=(8, 6)), rng.normal(size=(8, 6))) for _ in range(120)]
    kernel = [kernel_distance(x, y, rng, 1).value for x, y in pairs]
    assert abs(np.mean(kernel)) < 3 * np.std(kernel) / np.sqrt(len(kernel))
    frechet = [frechet_distance(x, y, rng).value for x, y in pairs[:20]]
    assert np.min(frechet) > 0.5


def test_p_of_alike_sets_is_uniform_and_pairs_that_are_alike_do_not_seem_closer(rng: np.random.Generator) -> None:
    p, values = [], []
    for _ in range(100):
        x, noise = rng.normal(size=(12, 4)), rng.normal(size=(2, 12, 4))
        found = kernel_distance(x + noise[0], x + noise[1], rng, 99, paired=True)
        p.append(found.p)
        values.append(found.value)
    assert 0.35 < np.mean(p) < 0.65
    assert np.mean(np.array(p) <= 0.05) < 0.1
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))


@pytest.mark.parametrize("n", [12, 200])
def test_frechet_is_scipys_sqrtm_form(n: int, rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(n, 6)), 0.3 + rng.normal(size=(n, 6)) @ rng.normal(size=(6, 6))
    a, b = np.cov(x.T), np.cov(y.T)
    root = scipy.linalg.sqrtm(a @ b)
    expected = np.sum((x.mean(axis=0) - y.mean(axis=0)) ** 2) + np.trace(a + b - 2 * np.real(root))
    assert frechet_distance(x, y, rng).value == pytest.approx(expected, abs=1e-6)


def test_the_limit_is_the_intercept_of_a_line_and_undoes_the_bias(rng: np.random.Generator) -> None:
    reference, made = rng.normal(size=(4000, 8)), rng.normal(size=(80, 8)) + 0.5
    found = frechet_limit(reference, made, rng)
    slope, intercept = np.polyfit(1 / found.sizes, found.distances, 1)
    assert (found.value, found.slope) == (pytest.approx(intercept), pytest.approx(slope))
    assert found.low < found.value < found.high
    truth = 8 * 0.5**2
    assert abs(found.value - truth) < abs(frechet_distance(reference, made, rng).value - truth)
    assert found.sizes[0] == 20
    assert found.sizes[-1] == 80


def test_divergence_is_scipys_entropy(rng: np.random.Generator) -> None:
    reference, made = rng.random((5, 30)), rng.random((5, 30))
    expected = [entropy(p, q) for p, q in zip(reference, made, strict=True)]
    np.testing.assert_allclose(tagger_divergence(reference, made), expected, atol=1e-12)
    assert tagger_divergence(reference, 3 * reference).max() == pytest.approx(0, abs=1e-12)
    assert np.isfinite(tagger_divergence(np.eye(3), np.roll(np.eye(3), 1, axis=0))).all()


def test_what_cannot_be_compared_is_refused(rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match="cannot compare"):
        kernel_distance(np.ones((2, 3)), np.ones((5, 3)), rng)
    with pytest.raises(ValueError, match="all alike"):
        kernel_distance(np.ones((5, 3)), rng.normal(size=(5, 3)), rng)
    with pytest.raises(ValueError, match="cannot compare"):
        kernel_distance(np.ones((5, 3)), np.ones((4, 3)), rng, paired=True)
    with pytest.raises(ValueError, match="cannot extrapolate"):
        frechet_limit(rng.normal(size=(20, 3)), rng.normal(size=(11, 3)), rng)
    with pytest.raises(ValueError, match="negative or not finite"):
        tagger_divergence(np.array([[-0.1, 1.0]]), np.ones((1, 2)))
