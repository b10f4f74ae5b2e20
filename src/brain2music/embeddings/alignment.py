"""Alignment of the windows of an embedding with the scans that they cover."""

from dataclasses import dataclass
from math import ceil

import numpy as np
from jaxtyping import Bool, Float32, Int

from .._utils.errors import InputError
from ..brain.responses import Responses
from .embeddings import Embeddings, EmbeddingSpace

_TOLERANCE = 0.01  # of a TR: below it, differences of window and step from whole scans are rounding


@dataclass(frozen=True)
class Matched:
    """Pairs of responses and embeddings, first all windows of the first clip, then those of the second, and so on.

    Attributes
    ----------
    X : ndarray of shape (pairs, voxels)
        Averages over the scans that each window covers.
    Y : ndarray of shape (pairs, dims)
        Embeddings of the windows.
    groups : ndarray of int of shape (pairs,)
        Index of the clip; pairs of one clip overlap in time and belong in one fold.
    window : ndarray of int of shape (pairs,)
        Index of the window in its clip.

    See Also
    --------
    match_windows : Makes them.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.embeddings import as_data_classes, match_windows
    >>> pairs = match_windows(*as_data_classes(np.zeros((2, 10, 5)), np.zeros((2, 4, 3))))
    >>> pairs.groups, pairs.n_windows
    (array([0, 0, 0, 0, 1, 1, 1, 1]), 4)
    """

    X: Float32[np.ndarray, "pairs voxels"]
    Y: Float32[np.ndarray, "pairs dims"]
    groups: Int[np.ndarray, " pairs"]
    window: Int[np.ndarray, " pairs"]

    @property
    def n_windows(self) -> int:
        """Number of windows per clip."""
        return int(self.window[-1]) + 1

    def select(self, rows: Bool[np.ndarray, " pairs"]) -> "Matched":
        """Select some of the pairs.

        Parameters
        ----------
        rows : ndarray of bool of shape (pairs,)
            Pairs to keep.

        Returns
        -------
        Matched
            The pairs selected.
        """
        return Matched(self.X[rows], self.Y[rows], self.groups[rows], self.window[rows])


def match_windows(responses: Responses, embeddings: Embeddings, *, scans_per_window: int | None = None) -> Matched:
    """Pair the embedding of every window with the average response in it (Brain2Music [1]_, §3.2, Eq. 1).

    Window j starts ``j * step_s`` into the clip and is paired with the mean of the k scans from there on, for all
    windows whose scans exist. k is ⌈window_s / TR⌉: 7 for MuLan's 10 s at a TR of 1.5 s. (The paper says five, but
    lists seven.) An embedding with one window for the whole clip takes at most the available scans; responses without a
    time axis (one scan per clip) are paired with the average over windows.

    Parameters
    ----------
    responses : Responses
        Responses to clips.
    embeddings : Embeddings
        Embeddings of these clips, matched by name, and of any others.
    scans_per_window : int, optional
        Another k.

    Returns
    -------
    Matched
        Averaged responses and embeddings, pair by pair.

    Raises
    ------
    InputError
        A clip has no embedding, the step is not a multiple of the TR, or no window fits into the scans.

    References
    ----------
    .. [1] Denk, Takagi et al., "Brain2Music: Reconstructing music from human brain activity", arXiv 2307.11078.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.embeddings import as_data_classes, match_windows
    >>> scans = np.arange(10.0).reshape(1, 10, 1)
    >>> pairs = match_windows(*as_data_classes(scans, np.zeros((1, 4, 3))))
    >>> pairs.X.ravel()  # the means of scans 0-6, 1-7, 2-8 and 3-9
    array([3., 4., 5., 6.], dtype=float32)
    """
    targets = embeddings.of([clip.name for clip in responses.clips]).data
    averaged = average_windows(responses, embeddings.space, targets.shape[1], scans_per_window)
    if responses.n_scans == 1:
        targets = targets.mean(axis=1, keepdims=True, dtype=np.float32)
    return _make_pairs(averaged, targets[:, : averaged.shape[1]])


def average_windows(
    responses: Responses, space: EmbeddingSpace, n_windows: int, scans_per_window: int | None = None
) -> Float32[np.ndarray, "clips windows voxels"]:
    """Average the scans that each window of a clip covers, for the windows that :func:`match_windows` pairs.

    Parameters
    ----------
    responses : Responses
    space : EmbeddingSpace
        The space of the embeddings.
    n_windows : int
        The number of windows of a clip in the embeddings.
    scans_per_window : int, optional
    """
    if responses.n_scans == 1:
        return responses.data
    if n_windows == 1:
        k = scans_per_window or _covered(space, responses.tr)
        return responses.data[:, :k].mean(axis=1, keepdims=True)
    step = step_in_scans(space, responses.tr)
    k = window_in_scans(space, responses.tr, responses.n_scans, scans_per_window)
    count = min(n_windows, (responses.n_scans - k) // step + 1)
    averaged = np.empty((len(responses.clips), count, responses.n_voxels), np.float32)
    for j in range(count):
        responses.data[:, j * step : j * step + k].mean(axis=1, out=averaged[:, j])
    return averaged


def window_in_scans(space: EmbeddingSpace, tr: float, n_scans: int, scans_per_window: int | None = None) -> int:
    """Count the scans that are averaged in a window: ⌈window / TR⌉, or ``scans_per_window``.

    If the window is as long as the clip, rounding up may give one scan more than the ``n_scans`` of the clip, of which
    all are then averaged.

    Raises
    ------
    InputError
        If clips have fewer scans.
    """
    k = scans_per_window or _covered(space, tr)
    if scans_per_window is None and k == n_scans + 1:
        return n_scans
    if k > n_scans:
        raise InputError(
            f"a window of {space.name} covers {k} scans, but clips have {n_scans}",
            hint="choose an embedding with a shorter window, or smaller window_s or scans_per_window",
        )
    return k


def step_in_scans(space: EmbeddingSpace, tr: float) -> int:
    """Count the scans between windows; :class:`InputError` if the number is not an integer."""
    exact = space.step_s / tr
    step = round(exact)
    if step < 1 or abs(exact - step) > _TOLERANCE:
        raise InputError(
            f"{space.name} has a vector every {space.step_s:g} s, no multiple of the TR of {tr:g} s",
            hint="run subjects of each TR by themselves (--participant-label), or embed with a step of one TR",
        )
    return step


def _covered(space: EmbeddingSpace, tr: float) -> int:
    return max(1, ceil(space.window_s / tr - _TOLERANCE))


def _make_pairs(
    x: Float32[np.ndarray, "clips windows voxels"], y: Float32[np.ndarray, "clips windows dims"]
) -> Matched:
    n_clips, n_windows = x.shape[:2]
    return Matched(
        np.ascontiguousarray(x).reshape(n_clips * n_windows, -1),
        np.ascontiguousarray(y).reshape(n_clips * n_windows, -1),
        np.repeat(np.arange(n_clips), n_windows),
        np.tile(np.arange(n_windows), n_clips),
    )
