"""Permutation test of a decoder: what it scores when brain and music have nothing to do with each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from ..brain.responses import Responses
from ..decoding import Decoder
from ..decoding.decoded import Decoded, Labels, undivided
from ..decoding.fits import RidgeSettings
from ..decoding.splitters import Splitter, split_clips
from ..decoding.subject import SubjectDecoder
from ..embeddings.plain import as_data_classes
from ..study.folds import most_folds
from .ranking import identification_by_clip, similarity


@dataclass(frozen=True)
class PermutationTest:
    """A score beside those of decoders fitted to permuted clips.

    Attributes
    ----------
    score : float
        Two-way identification of the scored clips, from 0 to 1.
    permuted : ndarray of shape (n_permutations,)
        The scores of decoders fitted to permuted embeddings.
    p_value : float
        Share of the permutations, the order presented included, that score at least as high.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> test = b2m.PermutationTest(0.9, np.array([0.4, 0.5, 0.6]), 0.25)
    >>> bool(test.score > test.permuted.max()), test.p_value
    (True, 0.25)
    """

    score: float
    permuted: Float[np.ndarray, " permutations"]
    p_value: float


def permutation_test(
    decoder: Decoder,
    responses: Any,
    embeddings: Any,
    *,
    test: Responses | None = None,
    cv: Splitter | int | None = None,
    groups: Labels | None = None,
    n_permutations: int = 20,
    random_state: int = 0,
) -> PermutationTest:
    """Compare the score of a decoder with those of decoders fitted to clips in permuted order.

    Every choice of the fit, such as penalties and voxels, is made again for each permutation. Fits share the Gram
    matrix of the responses, so that many cost less than one by one.

    Parameters
    ----------
    decoder : Decoder
        The decoder, which is not changed.
    responses : Responses or array of shape (clips, scans, voxels) or (clips, voxels)
        Responses to the training clips, or to all clips if there is no ``test``.
    embeddings : Embeddings or array of shape (clips, windows, dims) or (clips, dims)
        Embeddings of these clips, and of those of ``test``.
    test : Responses, optional
        Responses to the clips that are scored.
    cv : splitter or int, optional
        Which clips are held out together if there is no ``test``; default ten folds of recordings.
    groups : sequence of hashable, optional
        A label per clip, such as its artist; no fold divides clips of one label.
    n_permutations : int, default 20
        Permuted fits; p is at least 1 / (n_permutations + 1).
    random_state : int, default 0
        Seed of the permutations.

    Returns
    -------
    PermutationTest
        The score, those of the permuted fits, and p.

    Raises
    ------
    InputError
        As :meth:`brain2music.Decoder.fit` raises.
    LeakageError
        A fold divides a recording.

    References
    ----------
    Ojala & Garriga, "Permutation tests for studying classifier performance", JMLR 11, 2010, test 1.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> rng = np.random.default_rng(0)
    >>> music = rng.normal(size=(60, 1, 4))
    >>> bold = music @ rng.normal(size=(4, 30)) + 0.1 * rng.normal(size=(60, 1, 30))
    >>> round(b2m.permutation_test(b2m.Decoder(), bold, music, n_permutations=19).p_value, 2)
    0.05
    """
    train, music = as_data_classes(responses, embeddings)
    units = undivided(train, groups)
    held_out: Sequence[np.ndarray] = ()
    if test is None:
        held_out = [rows for _, (_, rows) in split_clips(cv, train, groups)]
    trained = [np.delete(units, rows) for rows in held_out] or [units]
    n_folds = min(most_folds(each, decoder.n_folds) for each in trained)
    fitted = SubjectDecoder(
        decoder.name,
        train,
        test,
        music,
        held_out=held_out,
        groups=groups,
        settings=RidgeSettings(decoder.alphas, n_folds or decoder.n_folds, decoder.standardise),
        scans_per_window=decoder.scans_per_window,
        seed=random_state,
    ).fit(n_permutations)
    score = _identified(fitted.decoded())
    permuted = np.array([_identified(each) for each in fitted.permuted(n_permutations)])
    return PermutationTest(score, permuted, float((1 + (permuted >= score).sum()) / (1 + n_permutations)))


def _identified(decoded: Decoded) -> float:
    sides = (side.mean(axis=1) - decoded.train_mean for side in (decoded.predicted, decoded.true))
    return float(identification_by_clip(similarity(*sides)).mean())
