"""Plain arrays where responses and embeddings are asked for: their rows are clips, and their steps scans."""

from typing import Any

import numpy as np
from jaxtyping import Float32

from .._utils.errors import InputError
from ..brain.responses import Responses
from ..study.study import Clip
from .embeddings import Embeddings, EmbeddingSpace

NAME = "array"
"""Of the space that plain arrays of embeddings are in."""


def as_nouns(responses: Any, embeddings: Any) -> tuple[Responses, Embeddings]:
    """Responses and embeddings of the same clips, of which either may be a plain array.

    Row i of an array is clip i of the other side. Windows of an array follow one another by one scan and are as long
    as the scans allow: windows of 7 scans where a clip has 10 scans and 4 windows.

    Parameters
    ----------
    responses : :class:`Responses`, or (clips, scans, voxels), or (clips, voxels) without a time axis.
    embeddings : :class:`Embeddings`, or (clips, windows, dims), or (clips, dims).

    Raises
    ------
    InputError : an array has another number of axes, NaN or infinite values, another number of clips than the other
        side, or more windows than scans.
    """
    if isinstance(responses, Responses) and isinstance(embeddings, Embeddings):
        return responses, embeddings
    if isinstance(embeddings, Embeddings):
        data = as_steps(responses, "responses", "voxels")
        _require_rows(len(data), len(embeddings))
        return as_responses(data, embeddings.space.step_s, embeddings.names), embeddings
    vectors = as_steps(embeddings, "embeddings", "dims")
    if not isinstance(responses, Responses):
        responses = as_responses(responses)
    _require_rows(len(responses), len(vectors))
    return responses, Embeddings(
        vectors, tuple(clip.name for clip in responses.clips), _space(vectors, responses.n_scans, responses.tr)
    )


def as_responses(responses: Any, tr: float = 1.0, names: tuple[str, ...] | None = None) -> Responses:
    """Responses as they are, or a plain array (clips, scans, voxels) or (clips, voxels) as such.

    Parameters
    ----------
    tr : seconds between scans of an array. names : of its clips; default ``row-0``, ``row-1`` and so on.

    Raises
    ------
    InputError : the array has another number of axes, or NaN or infinite values.
    """
    if isinstance(responses, Responses):
        return responses
    data = as_steps(responses, "responses", "voxels")
    names = names or tuple(f"row-{row}" for row in range(len(data)))
    clips = tuple(Clip(name, 0.0, data.shape[1] * tr, label=name) for name in names)
    return Responses("", data, clips, np.zeros(len(data), dtype=int), tr, 0, np.ones(len(data), dtype=int))


def as_steps(values: Any, what: str, last: str) -> Float32[np.ndarray, "clips steps values"]:
    """An array of two or three axes with all three; :class:`InputError` where it is none, or not finite."""
    middle = "scans" if last == "voxels" else "windows"
    shapes = f"(clips, {middle}, {last}) or (clips, {last})"
    try:
        array = np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"these {what} are no array of numbers ({error})", hint=f"give {shapes}") from None
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise InputError(f"{what} have the shape {array.shape}", hint=f"give {shapes}")
    if not np.isfinite(array).all():
        raise InputError(f"some {what} are NaN or infinite", hint="leave these rows or columns out")
    return array if array.ndim == 3 else array[:, None]


def _require_rows(responses: int, embeddings: int) -> None:
    if responses != embeddings:
        what = f"there are responses to {responses} clips, and embeddings of {embeddings}"
        raise InputError(what, hint="give arrays whose rows are the same clips in the same order")


def _space(vectors: Float32[np.ndarray, "clips windows dims"], n_scans: int, tr: float) -> EmbeddingSpace:
    _, n_windows, dims = vectors.shape
    if n_windows > n_scans > 1:
        what = f"clips have {n_windows} windows and {n_scans} scans"
        raise InputError(what, hint="give embeddings with at most one window per scan")
    scans = n_scans - n_windows + 1 if n_scans > 1 else 1
    return EmbeddingSpace(NAME, "1", "none", dims, scans * tr, tr, 0)
