"""Conversion of plain arrays to responses and embeddings: rows are clips, and steps are scans."""

import warnings
from typing import Any

import numpy as np
from jaxtyping import Float32

from .._utils.errors import Brain2MusicWarning, InputError
from ..brain.responses import Responses, far_beyond
from ..study.study import Clip
from .embeddings import Embeddings, EmbeddingSpace

NAME = "array"
"""The name of the space of plain arrays."""


def as_data_classes(responses: Any, embeddings: Any) -> tuple[Responses, Embeddings]:
    """Convert responses and embeddings of the same clips, of which either may be a plain array, to data classes.

    Row i of an array is clip i of the other argument. The windows of an array have a step of one scan and are as long
    as the scans allow: 7 scans if a clip has 10 scans and 4 windows.

    Parameters
    ----------
    responses : Responses or array of shape (clips, scans, voxels) or (clips, voxels)
        Responses to clips.
    embeddings : Embeddings or array of shape (clips, windows, dims) or (clips, dims)
        Embeddings of the same clips.

    Returns
    -------
    responses : Responses
        The responses.
    embeddings : Embeddings
        The embeddings.

    Raises
    ------
    InputError
        An array has another number of axes, NaN or infinite values, more windows than scans, a different number of
        clips than the other argument, or scans that last far longer than the windows of an :class:`Embeddings`.

    Warns
    -----
    Brain2MusicWarning
        An array of responses has more scans than voxels, as where these axes are exchanged.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.embeddings import as_data_classes
    >>> bold, music = as_data_classes(np.zeros((20, 10, 300)), np.zeros((20, 4, 16)))
    >>> bold.n_voxels, music.space.dims, music.space.window_s
    (300, 16, 7.0)
    """
    if isinstance(responses, Responses) and isinstance(embeddings, Embeddings):
        return responses, embeddings
    if isinstance(embeddings, Embeddings):
        data = with_steps(responses, "responses", "voxels")
        _require_rows(len(data), len(embeddings))
        _require_length(data, embeddings)
        return as_responses(data, embeddings.space.step_s, embeddings.names), embeddings
    vectors = with_steps(embeddings, "embeddings", "dims")
    if not isinstance(responses, Responses):
        responses = as_responses(responses)
        _warn_of_exchanged(responses.data)
    _require_rows(len(responses), len(vectors))
    return responses, Embeddings(
        vectors, tuple(clip.name for clip in responses.clips), _array_space(vectors, responses.n_scans, responses.tr)
    )


def as_responses(responses: Any, tr: float = 1.0, names: tuple[str, ...] | None = None) -> Responses:
    """Convert an array of responses to :class:`Responses`.

    Parameters
    ----------
    responses : Responses or array of shape (clips, scans, voxels) or (clips, voxels)
        Responses to clips; :class:`Responses` are returned as they are.
    tr : float, default 1.0
        Repetition time of the array in seconds.
    names : tuple of str, optional
        Names of the clips; default ``row-0``, ``row-1`` and so on.

    Returns
    -------
    Responses
        Responses of one run, without coordinates.

    Raises
    ------
    InputError
        The array has another number of axes, or NaN or infinite values.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> bold = b2m.as_responses(np.zeros((20, 10, 300)), tr=1.5)
    >>> len(bold), bold.n_scans, bold.n_voxels, bold.clips[0].name
    (20, 10, 300, 'row-0')
    """
    if isinstance(responses, Responses):
        return responses
    data = with_steps(responses, "responses", "voxels")
    names = names or tuple(f"row-{row}" for row in range(len(data)))
    clips = tuple(Clip(name, 0.0, data.shape[1] * tr, label=name) for name in names)
    return Responses("", data, clips, np.zeros(len(data), dtype=int), tr, 0, np.ones(len(data), dtype=int))


def with_steps(values: Any, what: str, last: str) -> Float32[np.ndarray, "clips steps values"]:
    """Add the axis of steps to an array that lacks it; :class:`InputError` if it is not an array or not finite."""
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


def _require_length(data: Float32[np.ndarray, "clips scans voxels"], embeddings: Embeddings) -> None:
    """Refuse scans that last far longer than the windows of the sound; else warn of more scans than voxels."""
    _, n_scans, n_voxels = data.shape
    n_windows, space = embeddings.data.shape[1], embeddings.space
    scans_s, sound_s = n_scans * space.step_s, (n_windows - 1) * space.step_s + space.window_s
    if n_scans > 1 and n_windows > 1 and far_beyond(scans_s, sound_s):
        what = (
            f"responses of the shape (clips {len(data)}, scans {n_scans}, voxels {n_voxels}) last {scans_s:g} s at a "
            f"scan every {space.step_s:g} s, but the windows of {space.name} {sound_s:g} s"
        )
        raise InputError(what, hint="give (clips, scans, voxels); are scans and voxels exchanged?")
    _warn_of_exchanged(data)


def _warn_of_exchanged(data: Float32[np.ndarray, "clips scans voxels"]) -> None:
    n_clips, n_scans, n_voxels = data.shape
    if n_scans > n_voxels:
        text = (
            f"responses of the shape {data.shape} are taken as {n_clips} clips, {n_scans} scans and {n_voxels} "
            f"voxels: there are more scans than voxels; give (clips, scans, voxels)"
        )
        warnings.warn(text, Brain2MusicWarning, stacklevel=4)


def _array_space(vectors: Float32[np.ndarray, "clips windows dims"], n_scans: int, tr: float) -> EmbeddingSpace:
    _, n_windows, dims = vectors.shape
    if n_windows > n_scans > 1:
        what = f"clips have {n_windows} windows and {n_scans} scans"
        raise InputError(what, hint="give embeddings with at most one window per scan")
    scans = n_scans - n_windows + 1 if n_scans > 1 else 1
    return EmbeddingSpace(NAME, "1", "none", dims, scans * tr, tr, 0)
