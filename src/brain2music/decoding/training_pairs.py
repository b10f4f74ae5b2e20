"""What a decoder is fitted to: pairs of windows and embeddings, made once for all folds."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int
from sklearn.base import clone

from .._utils.errors import InputError
from ..brain.responses import Responses
from ..embeddings.alignment import match_windows
from ..embeddings.embeddings import Embeddings
from ..embeddings.plain import as_data_classes, as_responses
from ..study.folds import most_folds
from .decoded import Labels, undivided
from .fits import Pairs, RidgeSettings
from .problem import Problem, View
from .registry import require_decoder

if TYPE_CHECKING:
    from .estimator import Decoder


@dataclass(frozen=True)
class TrainingPairs:
    """What a decoder is fitted to.

    Attributes
    ----------
    views : responses without clips, at the main lag and further ones, which those that are decoded have to be like.
    problem : pairs of scans and windows. targets : their embeddings. music : what these were taken from.
    names : of the clips.
    """

    views: tuple[Responses, ...]
    problem: Problem
    targets: Pairs
    music: Embeddings
    names: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, decoder: "Decoder", responses: Any, embeddings: Any, groups: Labels | None, lagged: Sequence[Any] = ()
    ) -> "TrainingPairs":
        require_decoder(decoder.name)
        train, music = as_data_classes(responses, embeddings)
        views = [train, *(_at_further_lag(train, each) for each in lagged)]
        pairs = [match_windows(each, music, scans_per_window=decoder.scans_per_window) for each in views]
        units = undivided(train, groups)
        n_folds = most_folds(units, decoder.n_folds) or decoder.n_folds
        settings = RidgeSettings(decoder.alphas, n_folds, decoder.standardise)
        roi = None if train.space is None else train.space.roi
        matched = tuple(View.of(each.X, roi) for each in pairs)
        problem = Problem(matched, pairs[0].groups, units, settings, decoder.random_state)
        names = tuple(clip.name for clip in train.clips)
        return cls(tuple(each[:0] for each in views), problem, pairs[0].Y, music, names)

    def clips(self, rows: Int[np.ndarray, " _"], n_folds: int) -> "TrainingPairs":
        """Those of some clips, whose Gram matrix is a block of that of all."""
        keep = np.isin(self.problem.clip, rows)
        settings = replace(self.problem.settings, n_folds=most_folds(self.problem.units[rows], n_folds) or n_folds)
        names = tuple(self.names[row] for row in rows)
        return replace(self, problem=self.problem.rows(keep, settings), targets=self.targets[keep], names=names)


def fit_folds(
    decoder: "Decoder",
    responses: Responses,
    music: Embeddings,
    folds: Iterable[Int[np.ndarray, " _"]],
    groups: Labels | None = None,
) -> "Iterator[Decoder]":
    """Fit clones of a decoder, each to the clips of a fold; they share the Gram matrix of the responses.

    Parameters
    ----------
    decoder : Decoder
        The decoder, which is not changed.
    responses, music, groups
        All clips, as :meth:`Decoder.fit` takes them.
    folds : iterable of arrays of int
        The clips that each clone is fitted to.

    Yields
    ------
    Decoder
        The clone of each fold, fitted.
    """
    training = TrainingPairs.of(decoder, responses, music, groups)
    for rows in folds:
        yield clone(decoder).fit_to(training.clips(rows, decoder.n_folds), keep_rows=True)


def _at_further_lag(train: Responses, lagged: Any) -> Responses:
    """Training responses at a further lag, which are to the same clips and voxels."""
    given = lagged if isinstance(lagged, Responses) else as_responses(lagged, train.tr)
    if len(given) != len(train) or given.n_voxels != train.n_voxels or given.n_scans != train.n_scans:
        what = f"responses at a further lag have the shape {given.data.shape}, at the first {train.data.shape}"
        raise InputError(what, hint="give responses to the same clips with the same mask")
    return given if isinstance(lagged, Responses) else replace(given, clips=train.clips)
