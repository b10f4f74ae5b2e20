"""Ridge on Gaussian-kernel features of the responses: for few voxels or components, whose use may be curved."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float32

from .fits import Fitted, Pairs
from .problem import Problem

WIDTHS = (0.3, 1.0, 3.0, 10.0)
"""Kernel widths tried, as multiples of the median squared distance; the widest is nearly linear."""

Features = Callable[[np.ndarray], np.ndarray]

LANDMARKS = 1000
"""Training pairs, evenly spaced, whose span carries the features (Nyström); with fewer pairs they are exact."""


def nonlinear(problem: Problem, targets: Sequence[Pairs]) -> list[Fitted]:
    """Fit kernel ridge with exp(-d²/(width · median d²)) over standardised responses; width and α are chosen by r².

    The features F of the training pairs have F Fᵀ = K, so that cross-validation with them is that of kernel ridge; they
    do not depend on the embeddings. Responses of many noisy voxels are nearly equidistant, and the kernel is then
    nearly linear.
    """
    standardised = _standardising(problem.views[0].X)
    X = standardised(problem.views[0].X)
    marks = X[np.unique(np.linspace(0, len(X) - 1, min(len(X), LANDMARKS)).astype(int))]
    between = _distances(marks, marks)
    unit = np.median(between[np.triu_indices(len(marks), 1)])
    settings = replace(problem.settings, standardise=False)
    tries: list[tuple[list[Fitted], Features]] = []
    for width in WIDTHS:
        values, vectors = np.linalg.eigh(np.exp(-between / (width * unit)))
        kept = values > 1e-6 * values[-1]
        span = vectors[:, kept] * np.sqrt(len(X) / values[kept])
        features = _features(marks, width * unit, span)
        tries.append((problem.ridge_from(features(X), targets, settings), features))
    return [
        _best_width([(fits[number], features) for fits, features in tries], standardised)
        for number in range(len(targets))
    ]


def _best_width(tries: Sequence[tuple[Fitted, Features]], standardised: Features) -> Fitted:
    best, features = max(tries, key=lambda each: each[0].cv_scores.mean())
    return replace(best, mapping=lambda views: best.predict(features(standardised(views[0]))))


def _features(marks: np.ndarray, width: float, span: np.ndarray) -> Features:
    """What gives the kernel features of standardised responses."""
    return lambda X: (np.exp(-_distances(X, marks) / width) @ span).astype(np.float32)


def _standardising(X: Float32[np.ndarray, "pairs voxels"]) -> Callable[[np.ndarray], np.ndarray]:
    mean, sd = X.mean(axis=0), X.std(axis=0)
    scale = np.divide(1, sd, out=np.zeros_like(sd), where=sd > 1e-6 * np.abs(mean))
    return lambda rows: ((rows - mean) * scale).astype(np.float64)


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(rows of a, rows of b) squared Euclidean."""
    squared = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.maximum(squared, 0)
