"""Alignment of embeddings with windows of scans, whatever the windows of the embedding."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from jaxtyping import Float32, Int

from .._utils.errors import InputError
from ..brain.responses import Responses
from ..embeddings.embeddings import Embeddings
from ..ridge import delayed
from ..study.study import Clip

WINDOW_TOLERANCE = 0.01  # of a TR: below it, differences between times of sound and of scans are rounding


@dataclass(frozen=True)
class Windows:
    """Windows of scans: window j < ``count`` covers ``length`` scans from scan ``j * step`` of its clip.

    Attributes
    ----------
    length : int
        Scans per window.
    step : int
        Scans from one window to the next.
    count : int
        Windows per clip.

    See Also
    --------
    common_windows : Chooses the windows in which embeddings are compared.

    Examples
    --------
    >>> from brain2music.encoding import Windows
    >>> windows = Windows(length=7, step=1, count=4)
    >>> [range(j * windows.step, j * windows.step + windows.length) for j in range(windows.count)]
    [range(0, 7), range(1, 8), range(2, 9), range(3, 10)]
    """

    length: int
    step: int
    count: int


@dataclass(frozen=True)
class Pairs:
    """Pairs of features and responses, clip-major: all windows of the first clip, then those of the second.

    Attributes
    ----------
    X : (pairs, features) float32
        One block of columns per delay.
    Y : (pairs, voxels) float32
        Average responses in the windows.
    groups : (pairs,) int
        Index of the clip; windows of one clip overlap and belong in one fold.
    """

    X: Float32[np.ndarray, "pairs features"]
    Y: Float32[np.ndarray, "pairs voxels"]
    groups: Int[np.ndarray, " pairs"]


def common_windows(
    responses: Responses, embeddings: Sequence[Embeddings], scans_per_window: int | None = None
) -> Windows:
    """Choose the windows in which embeddings are compared: those of the first with more than one window per clip.

    Brain2Music [1]_ brings text and genre to the rate of the music embedding (§3.4), so that all are scored on the same
    rows. A window of w seconds covers ⌈w / TR⌉ scans; responses with one scan per clip have one window.

    Parameters
    ----------
    responses : Responses
        Responses that are to be predicted.
    embeddings : sequence of Embeddings
        Embeddings that are to be compared.
    scans_per_window : int, optional
        Scans per window; default from the duration of the embedding's window.

    Returns
    -------
    Windows
        Length, step and number of the windows.

    Raises
    ------
    InputError
        A window is longer than the clips.

    References
    ----------
    .. [1] Denk, Takagi et al., "Brain2Music: Reconstructing music from human brain activity", arXiv 2307.11078.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> from brain2music.embeddings import EmbeddingSpace
    >>> from brain2music.encoding import common_windows
    >>> bold = b2m.as_responses(np.zeros((3, 10, 5)), tr=1.5)
    >>> space = EmbeddingSpace("mulan", "1", "none", dims=8, window_s=10.0, step_s=1.5, sample_rate=16_000)
    >>> music = b2m.Embeddings(np.zeros((3, 4, 8), np.float32), ("row-0", "row-1", "row-2"), space)
    >>> common_windows(bold, [music])
    Windows(length=7, step=1, count=4)
    """
    chosen = next((each for each in embeddings if each.data.shape[1] > 1), embeddings[0])
    n_windows, space = chosen.data.shape[1], chosen.space
    length = scans_per_window or max(1, ceil(space.window_s / responses.tr - WINDOW_TOLERANCE))
    if n_windows == 1 or responses.n_scans == 1:
        return Windows(min(length, responses.n_scans), 1, 1)
    if scans_per_window is None and length == responses.n_scans + 1:
        length = responses.n_scans  # the window is as long as the clip, and was rounded up
    if length > responses.n_scans:
        raise InputError(
            f"a window of {space.name} covers {length} scans, but clips have {responses.n_scans}",
            hint="choose an embedding with a shorter window, or fewer scans per window",
        )
    step = max(1, round(space.step_s / responses.tr))
    return Windows(length, step, min(n_windows, (responses.n_scans - length) // step + 1))


def match_scans(
    responses: Responses, embeddings: Embeddings, *, windows: Windows | None = None, delays: Sequence[int] = (0,)
) -> Pairs:
    """Pair the embedding of every window with the average response in it.

    Parameters
    ----------
    responses : Responses
    embeddings : Embeddings
    windows : Windows, optional
        By default those of the embedding (:func:`common_windows`).
    delays : sequence of int
        Windows by which each copy of the features precedes the response; features before a clip are 0.

    Raises
    ------
    InputError
        If a clip has no embedding, or a window is longer than the clips.
    """
    windows = windows or common_windows(responses, [embeddings])
    groups = np.repeat(np.arange(len(responses.clips)), windows.count)
    X = features_in(embeddings, responses.clips, windows, responses.tr)
    if tuple(delays) != (0,):
        X = delayed(X, delays, groups)
    Y = average_in(responses.data, windows)
    return Pairs(X, Y.reshape(len(groups), -1), groups)


def average_in(
    data: Float32[np.ndarray, "clips scans voxels"], windows: Windows
) -> Float32[np.ndarray, "clips windows voxels"]:
    """Average the scans in every window."""
    averaged = np.empty((len(data), windows.count, data.shape[2]), np.float32)
    for j in range(windows.count):
        first = j * windows.step
        data[:, first : first + windows.length].mean(axis=1, out=averaged[:, j])
    return averaged


def features_in(
    embeddings: Embeddings, clips: Sequence[Clip], windows: Windows, tr: float
) -> Float32[np.ndarray, "pairs dims"]:
    """Average the windows of an embedding that are within each window of scans.

    If the windows of the embedding are longer, the one whose centre is nearest is taken, so that vectors repeat; with
    one window of scans per clip, the mean over the whole clip is taken.

    Raises
    ------
    InputError
        If a clip has no embedding.
    """
    data, space = embeddings.of([clip.name for clip in clips]).data, embeddings.space
    if windows.count == 1:
        return np.ascontiguousarray(data.mean(axis=1, dtype=np.float32))
    first = np.arange(windows.count)[:, None] * windows.step * tr
    last = first + windows.length * tr
    starts = np.arange(data.shape[1]) * space.step_s
    slack = WINDOW_TOLERANCE * tr
    within = (starts >= first - slack) & (starts + space.window_s <= last + slack)
    from_centre = np.abs(starts + space.window_s / 2 - (first + last) / 2)
    nearest = np.arange(len(starts)) == from_centre.argmin(axis=1)[:, None]
    share = np.where(within.any(axis=1, keepdims=True), within, nearest).astype(np.float32)
    share /= share.sum(axis=1, keepdims=True)
    return np.ascontiguousarray(np.matmul(share, data)).reshape(len(clips) * windows.count, -1)
