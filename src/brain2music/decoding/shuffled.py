"""The decoder's chance level, measured: the same fits after the clips' embeddings have changed places."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float32, Int

from ..brain.responses import Responses
from ..embeddings.alignment import Matched, match_windows
from ..embeddings.embeddings import Embeddings
from ..study.folds import draw_permutations
from .decoder import Decoded, Labels, assemble, match_sides, outer_folds, undivided
from .fits import Fit, Grouping, Prediction, fit_predict, predict_folds


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
    sides = match_sides(train, train_embeddings, test, test_embeddings, scans_per_window, groups)
    stacked = replace(sides.train, Y=_stack(sides.train, n_shuffles, seed))
    prediction = fit_predict(stacked, sides.test.X, sides.units, fit)
    space = train_embeddings.space
    return tuple(assemble(part, sides.test, test.clips, space, fit) for part in _parts(prediction, n_shuffles))


def decode_kfold_shuffled(
    responses: Responses,
    embeddings: Embeddings,
    *,
    n_shuffles: int = 10,
    n_folds: int = 10,
    seed: int = 0,
    together: Labels | None = None,
    folds: Sequence[Int[np.ndarray, " _"]] | None = None,
    alphas: Sequence[float] | None = None,
    inner_folds: int = 5,
    groups: Grouping = "clip",
    scans_per_window: int | None = None,
    standardise: bool = True,
) -> tuple[Decoded, ...]:
    """:func:`decode_kfold` refitted after recordings' embeddings have changed places (:func:`shuffled_orders`).

    That is what the score would be if brain and music had nothing to do with each other, all choices of the fit
    included. Permuting the clips of predictions, which is exact for clips of a test set, makes too little of it: fits
    of different folds share clips, so that their predictions are wrong together. Each result names the clips whose
    music it is about in the places of those whose responses they are. All permutations are fitted at once, as further
    targets.
    """
    fit = Fit(alphas, inner_folds, groups, standardise)
    pairs = match_windows(responses, embeddings, scans_per_window=scans_per_window)
    by_clip = pairs.Y.reshape(len(responses.clips), pairs.n_windows, -1)
    orders = shuffled_orders(responses, groups, together, n_shuffles, seed)
    truths = [replace(pairs, Y=by_clip[order].reshape(pairs.Y.shape)) for order in orders]
    stacked = replace(pairs, Y=np.concatenate([truth.Y for truth in truths], axis=1))
    dealt = outer_folds(responses, n_folds, seed, together, folds)
    prediction = predict_folds(stacked, undivided(responses, groups, together), dealt, fit)
    return tuple(
        assemble(part, truth, tuple(responses.clips[i] for i in order), embeddings.space, fit)
        for part, truth, order in zip(_parts(prediction, n_shuffles), truths, orders, strict=True)
    )


def shuffled_orders(
    responses: Responses, groups: Grouping, together: Labels | None, n_shuffles: int, seed: int
) -> Int[np.ndarray, "shuffles clips"]:
    """Orders of the clips in which no recording keeps its place, within runs where they are long enough."""
    units = undivided(responses, groups, together)
    return draw_permutations(units, n_shuffles, np.random.default_rng(seed), responses.runs, deranged=True)


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
