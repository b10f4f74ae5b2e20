"""Ridge on Gaussian-kernel features of the responses: for few voxels or components, whose use may be curved."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .fits import Fitted, Pairs, scaling
from .mappings import KernelFeatures, KernelMapping, squared_distances
from .problem import Problem

WIDTHS = (0.3, 1.0, 3.0, 10.0)
"""Kernel widths tried, as multiples of the median squared distance; the widest is nearly linear."""

LANDMARKS = 1000
"""Training pairs, evenly spaced, whose span carries the features (Nyström); with fewer pairs they are exact."""


def nonlinear(problem: Problem, targets: Sequence[Pairs]) -> list[Fitted]:
    """Fit kernel ridge with exp(-d²/(width · median d²)) over standardised responses; width and α are chosen by r².

    The features F of the training pairs have F Fᵀ = K, so that cross-validation with them is that of kernel ridge; they
    do not depend on the embeddings. Responses of many noisy voxels are nearly equidistant, and the kernel is then
    nearly linear.
    """
    standardised = scaling(problem.views[0].X)
    X = standardised(problem.views[0].X).astype(np.float64)
    marks = X[np.unique(np.linspace(0, len(X) - 1, min(len(X), LANDMARKS)).astype(int))]
    between = squared_distances(marks, marks)
    unit = np.median(between[np.triu_indices(len(marks), 1)])
    settings = replace(problem.settings, standardise=False)
    tries: list[list[Fitted]] = []
    for width in WIDTHS:
        values, vectors = np.linalg.eigh(np.exp(-between / (width * unit)))
        kept = values > 1e-6 * values[-1]
        span = vectors[:, kept] * np.sqrt(len(X) / values[kept])
        features = KernelFeatures(standardised, marks, width * unit, span)
        fits = problem.ridge_from(features(problem.views[0].X), targets, settings)
        tries.append([replace(fitted, mapping=KernelMapping(features, fitted.mapping)) for fitted in fits])
    return [max(of_target, key=lambda each: each.cv_scores.mean()) for of_target in zip(*tries, strict=True)]
