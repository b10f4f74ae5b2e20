"""The decoder's chance level, measured: the same fits after the clips' embeddings have changed places."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float32

from ..brain.responses import Responses
from ..embed.embeddings import Embeddings
from .decoder import (
    Decoded,
    Fit,
    Grouping,
    Prediction,
    assemble,
    deal_folds,
    fit_predict,
    match_sides,
    predict_folds,
)
from .windows import Matched, match_windows


def decode_shuffled(
    train: Responses,
    train_embeddings: Embeddings,
    test: Responses,
    test_embeddings: Embeddings,
    *,
    n_shuffles: int = 10,
    seed: int = 0,
    alphas: Sequence[float] | None = None,
    n_folds: int = 5,
    groups: Grouping = "clip",
    scans_per_window: int | None = None,
    standardise: bool = False,
) -> tuple[Decoded, ...]:
    """:func:`decode` with the training clips' embeddings permuted, ``n_shuffles`` times by ``seed``.

    Windows of a clip stay together and in order. All permutations are fitted at once, as further targets.
    """
    fit = Fit(alphas, n_folds, groups, standardise)
    sides = match_sides(train, train_embeddings, test, test_embeddings, scans_per_window)
    stacked = replace(sides.train, Y=_stack(sides.train, n_shuffles, seed))
    prediction = fit_predict(stacked, sides.test.X, sides.runs, fit)
    space = train_embeddings.space
    return tuple(assemble(part, sides.test, test.clips, space, fit) for part in _parts(prediction, n_shuffles))


def decode_kfold_shuffled(
    responses: Responses,
    embeddings: Embeddings,
    *,
    n_shuffles: int = 10,
    n_folds: int = 10,
    seed: int = 0,
    together: Sequence[str] | None = None,
    alphas: Sequence[float] | None = None,
    inner_folds: int = 5,
    groups: Grouping = "clip",
    scans_per_window: int | None = None,
    standardise: bool = True,
) -> tuple[Decoded, ...]:
    """:func:`decode_kfold` with all clips' embeddings permuted, in ``predicted`` and in ``true``."""
    fit = Fit(alphas, inner_folds, groups, standardise)
    pairs = match_windows(responses, embeddings, scans_per_window=scans_per_window)
    stacked = replace(pairs, Y=_stack(pairs, n_shuffles, seed))
    folds = list(deal_folds(len(responses.clips), n_folds, seed, together))
    prediction = predict_folds(stacked, responses.groups, folds, fit)
    truths = (replace(pairs, Y=y) for y in np.split(stacked.Y, n_shuffles, axis=1))
    return tuple(
        assemble(part, truth, responses.clips, embeddings.space, fit)
        for part, truth in zip(_parts(prediction, n_shuffles), truths, strict=True)
    )


def _stack(pairs: Matched, n_shuffles: int, seed: int) -> Float32[np.ndarray, "pairs targets"]:
    """Targets of all permutations of the clips side by side."""
    rng = np.random.default_rng(seed)
    by_clip = pairs.Y.reshape(-1, pairs.n_windows, pairs.Y.shape[1])
    permuted = [by_clip[rng.permutation(len(by_clip))].reshape(pairs.Y.shape) for _ in range(n_shuffles)]
    return np.concatenate(permuted, axis=1)


def _parts(prediction: Prediction, n_shuffles: int) -> Iterator[Prediction]:
    fields = (prediction.values, prediction.train_mean, prediction.best_alphas, prediction.cv_scores)
    for part in zip(*(np.split(field, n_shuffles, axis=1) for field in fields), strict=True):
        yield Prediction(*part)
