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
    """Pairs of responses and embeddings, clip-major: all windows of the first clip, then those of the second.

    Attributes
    ----------
    X : (pairs, voxels) float32
        Averages over the scans that each window covers.
    Y : (pairs, dims) float32
        Embeddings of the windows.
    groups : (pairs,) int
        Index of the clip; pairs of one clip overlap in time and belong in one fold.
    window : (pairs,) int
        Index of the window in its clip.
    """

    X: Float32[np.ndarray, "pairs voxels"]
    Y: Float32[np.ndarray, "pairs dims"]
    groups: Int[np.ndarray, " pairs"]
    window: Int[np.ndarray, " pairs"]

    @property
    def n_windows(self) -> int:
        """Windows per clip."""
        return int(self.window[-1]) + 1

    def select(self, rows: Bool[np.ndarray, " pairs"]) -> "Matched":
        """Select some of the pairs."""
        return Matched(self.X[rows], self.Y[rows], self.groups[rows], self.window[rows])


def match_windows(responses: Responses, embeddings: Embeddings, *, scans_per_window: int | None = None) -> Matched:
    """Average responses in the windows of the embeddings (Brain2Music §3.2, Eq. 1).

    Window j starts ``j * step_s`` into the clip and is paired with the mean of the k scans from there on, for all
    windows whose scans exist. k is ⌈window_s / TR⌉: 7 for MuLan's 10 s at a TR of 1.5 s. (The paper says five, yet
    lists seven.) An embedding with one window for the whole clip takes at most the available scans; responses without
    a time axis (one scan per clip) are paired with the average over windows.

    Parameters
    ----------
    responses : Responses
    embeddings : Embeddings
        Clips are matched by name; embeddings of other clips are ignored.
    scans_per_window : int, optional
        Another k.

    Raises
    ------
    InputError
        If a clip has no embedding, the step is not a multiple of the TR, or no window fits into the scans.
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
