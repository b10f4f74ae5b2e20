"""Decoders of two sides, or of one in folds, from responses and embeddings as the fixtures give them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from brain2music.brain.responses import Responses
from brain2music.decoding.decoded import Decoded, undivided
from brain2music.decoding.fits import RidgeSettings
from brain2music.decoding.problem import HeldOut, Problem, View
from brain2music.decoding.registry import Form, fit_decoder
from brain2music.decoding.subject import SubjectDecoder
from brain2music.embeddings.embeddings import Embeddings
from brain2music.study.folds import group_k_fold


def decoder_of(
    train: Responses,
    train_embeddings: Embeddings,
    test: Responses,
    test_embeddings: Embeddings,
    decoder: str = "ridge",
    *,
    alphas: Sequence[float] | None = None,
    n_folds: int = 5,
    standardise: bool = False,
    **settings: Any,
) -> SubjectDecoder:
    """The decoder of test clips; clips of both sides have the embedding of the training side."""
    embeddings = joined(train_embeddings, test_embeddings)
    fit = RidgeSettings(alphas, n_folds, standardise)
    return SubjectDecoder(decoder, train, test, embeddings, settings=fit, **settings)


def decode(*sides: Any, form: Form = "plain", **settings: Any) -> Decoded:
    """The test clips; arguments as for :func:`decoder_of`."""
    return decoder_of(*sides, **settings).decoded(form)


def decoder_in_folds(
    responses: Responses,
    embeddings: Embeddings,
    decoder: str = "ridge",
    *,
    n_folds: int = 10,
    folds: Sequence[np.ndarray] | None = None,
    seed: int = 0,
    groups: Any = None,
    alphas: Sequence[float] | None = None,
    inner_folds: int = 5,
    standardise: bool = True,
    **settings: Any,
) -> SubjectDecoder:
    """The decoder of the clips themselves, in ``folds`` or ``n_folds`` dealt out by the seed."""
    units = undivided(responses, groups)
    held_out = list(group_k_fold(len(units), n_folds, seed, units) if folds is None else folds)
    fit = RidgeSettings(alphas, inner_folds, standardise)
    return SubjectDecoder(
        decoder, responses, None, embeddings, held_out=held_out, groups=groups, settings=fit, seed=seed, **settings
    )


def decode_in_folds(*given: Any, form: Form = "plain", **settings: Any) -> Decoded:
    """All clips; arguments as for :func:`decoder_in_folds`."""
    return decoder_in_folds(*given, **settings).decoded(form)


def joined(first: Embeddings, second: Embeddings) -> Embeddings:
    """Embeddings of the clips of both, each once."""
    if first.space != second.space:
        raise AssertionError("the two are of different spaces")
    further = np.flatnonzero(~np.isin(second.names, first.names))
    names = (*first.names, *(second.names[i] for i in further))
    return Embeddings(np.concatenate([first.data, second.data[further]]), names, first.space)


def problem_of(X: np.ndarray, **settings: Any) -> Problem:
    """Pairs of clips of one window each, of as many recordings; ``settings`` are those of ridge."""
    n = len(X)
    return Problem((View.of(X.astype(np.float32)),), np.arange(n), np.arange(n), RidgeSettings(**settings))


def predict(name: str, X: np.ndarray, Y: np.ndarray, test_X: np.ndarray, **settings: Any) -> np.ndarray:
    """What the named decoder of (X, Y) says of other responses."""
    fitted = fit_decoder(name, problem_of(X, **settings), [Y.astype(np.float32)])[0]
    return fitted.predict(test_X.astype(np.float32))


def held_out_of(predicted: np.ndarray, true: np.ndarray, n_folds: int = 5) -> HeldOut:
    """Rows as held-out predictions, dealt to folds in turn."""
    n = len(true)
    return HeldOut(predicted.astype(np.float32), true.astype(np.float32), np.arange(n) % n_folds, np.arange(n))


def two_way(decoded: Decoded) -> float:
    """Two-way identification, written out (Brain2Music Eqs. 2-3)."""
    predicted, true = (side.mean(1) - decoded.train_mean for side in (decoded.predicted, decoded.true))
    similarity = np.corrcoef(predicted, true)[: len(true), len(true) :]
    n = len(similarity)
    return float(np.mean([(similarity[i, i] > np.delete(similarity[i], i)).sum() / (n - 1) for i in range(n)]))
