"""The layout of responses without their values: what a fitted model knows of the scans that it takes or predicts."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from .._utils.errors import InputError
from ..study.surfaces import Grayordinates
from .responses import Responses, VoxelSpace

_NUMBERS = ("subject", "tr", "lag_tr", "simulated")


def layout_of(responses: Responses, arrays: dict[str, np.ndarray], name: str = "responses") -> dict[str, Any]:
    """Describe responses as JSON types: subject, TR, lag, scans, voxels; mask, affine and regions go to ``arrays``."""
    space = responses.space
    layout: dict[str, Any] = {each: getattr(responses, each) for each in _NUMBERS}
    layout |= {"n_scans": responses.n_scans, "n_voxels": responses.n_voxels, "regions": None}
    if space is not None:
        arrays[f"{name}.mask"], arrays[f"{name}.affine"] = space.mask, np.asarray(space.affine, np.float64)
        if space.grayordinates is not None:
            layout["grayordinates"] = asdict(space.grayordinates)
        if space.roi is not None:
            names, codes = np.unique(np.array(space.roi, dtype=str), return_inverse=True)
            arrays[f"{name}.regions"], layout["regions"] = codes.astype(np.int32), names.tolist()
    return layout


def from_layout(layout: Mapping[str, Any], arrays: Mapping[str, np.ndarray], name: str = "responses") -> Responses:
    """Make responses to no clips in a layout, which stand for those that a model was fitted to.

    Raises
    ------
    KeyError, TypeError, ValueError
        The layout is incomplete, or does not fit its mask.
    """
    n_scans, n_voxels = int(layout["n_scans"]), int(layout["n_voxels"])
    space, nothing = None, np.zeros(0, dtype=int)
    if f"{name}.mask" in arrays:
        names, codes = layout["regions"], arrays.get(f"{name}.regions")
        roi = None if names is None or codes is None else tuple(np.array(names, dtype=object)[codes])
        surfaces = layout.get("grayordinates")
        where = None if surfaces is None else Grayordinates(**{**surfaces, "vertices": tuple(surfaces["vertices"])})
        space = VoxelSpace(arrays[f"{name}.mask"], arrays[f"{name}.affine"], roi, where)
    return Responses(
        str(layout["subject"]),
        np.zeros((0, n_scans, n_voxels), np.float32),
        (),
        nothing,
        float(layout["tr"]),
        int(layout["lag_tr"]),
        nothing,
        space=space,
        simulated=bool(layout["simulated"]),
    )


def require_same_grid(model: Responses, asked: Responses) -> None:
    """Raise :class:`InputError` where responses are on another grid than those that a model was fitted to."""
    ours, theirs = model.space, asked.space
    if ours is None or theirs is None:
        return
    if ours.grayordinates != theirs.grayordinates:
        what = "the responses are on other surfaces than those that the model was fitted to"
        raise InputError(what, hint="read runs in the space of the training runs")
    if ours.mask.shape == theirs.mask.shape and np.allclose(ours.affine, theirs.affine, atol=1e-3):
        return
    shapes = f"{'×'.join(map(str, theirs.mask.shape))} and {'×'.join(map(str, ours.mask.shape))} voxels"
    where = "with another affine" if ours.mask.shape == theirs.mask.shape else f"of {shapes}"
    what = f"the responses are in another space than those that the model was fitted to: the grids are {where}"
    raise InputError(what, hint="align the images to those of the training runs, and load both with one mask")
