"""Cleaning of the time series of one run, on plain arrays (scans, voxels): drift, confounds, scaling."""

import warnings
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32

from .._utils.errors import Brain2MusicWarning, InputError

Detrending = Literal["median", "cosine", "linear", "none"]

_BLOCK = 4096  # voxels cleaned at once: bounds the memory of their copies


def detrend(
    x: Float32[np.ndarray, "scans voxels"],
    tr: float,
    method: Detrending = "median",
    window_s: float = 240.0,
) -> Float32[np.ndarray, "scans voxels"]:
    """Remove slow drifts from every voxel of a run.

    Parameters
    ----------
    x : ndarray of shape (scans, voxels)
        Time series in any unit, in single precision.
    tr : float
        Repetition time in seconds.
    method : {"median", "cosine", "linear", "none"}
        ``median`` subtracts a running median of ``window_s`` seconds (Brain2Music [1]_, A.1.1: 240 s); ``cosine``
        regresses out the cosines slower than ``window_s`` and the mean; ``linear`` regresses out a straight line.
    window_s : float, default 240
        Duration in seconds of the window of the median, or period of the slowest cosine that is kept.

    Returns
    -------
    ndarray of shape (scans, voxels)
        Time series without drifts.

    Notes
    -----
    The median pads the series by reflection, and its window never exceeds the run.

    References
    ----------
    .. [1] Denk, Takagi et al., "Brain2Music: Reconstructing music from human brain activity", arXiv 2307.11078.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.brain import detrend
    >>> drift = np.linspace(0, 5, 200, dtype=np.float32)[:, None]
    >>> signal = np.sin(np.arange(200, dtype=np.float32))[:, None]
    >>> bool(np.abs(detrend(drift + signal, tr=1.5, method="linear") - signal).max() < 0.1)
    True
    """
    if method == "none" or len(x) < 2:
        return x
    if method == "median":
        return _subtract_median(x, tr, window_s)
    return regress_out(x, drift_columns(len(x), tr, method, window_s))


class Cleaned(NamedTuple):
    """Which voxels of a run were finite before it was cleaned, and which were constant."""

    finite: Bool[np.ndarray, " voxels"]
    constant: Bool[np.ndarray, " voxels"]


def clean_run(
    x: Float32[np.ndarray, "scans voxels"],
    tr: float,
    method: Detrending = "median",
    nuisance: Float[np.ndarray, "scans columns"] | None = None,
    *,
    window_s: float = 240.0,
    scale: bool = True,
    kept: Bool[np.ndarray, " scans"] | None = None,
) -> Cleaned:
    """Remove drifts and confounds from a run and scale it, in place, so that it needs little more memory than the run.

    ``median`` is Brain2Music's (A.1.1): confounds, if any, are regressed out of what it leaves. Drifts that are columns
    (``cosine``, ``linear``) are removed in one regression with the confounds, as one after the other brings back what
    was removed before (Lindquist et al. 2019, "Modular preprocessing pipelines can reintroduce artifacts into fMRI
    data").

    Parameters
    ----------
    x : (scans, voxels) float32
        Time series, which are replaced by the cleaned ones; those with NaN or infinite values by zeros.
    tr : float
        Repetition time in seconds.
    method, window_s
        As of :func:`detrend`.
    nuisance : (scans, columns) float, optional
        Confounds.
    scale : bool
        Whether to scale every voxel to mean 0 and standard deviation 1; constant voxels become 0.
    kept : (scans,) bool, optional
        Volumes that count; default all. The others take no part in any fit, mean or standard deviation, and become
        what is interpolated between the cleaned volumes on both sides of them (:func:`fill_between`), as if they had
        not been measured. Drifts are those of the whole run, at the volumes that count (``sample_mask`` of nilearn).
    """
    cleaned = Cleaned(np.empty(x.shape[1], bool), np.zeros(x.shape[1], bool))
    columns = [drift_columns(len(x), tr, method, window_s), *([] if nuisance is None else [nuisance])]
    design = np.column_stack(columns)
    rows = slice(None) if kept is None or kept.all() else np.flatnonzero(kept)
    basis = _basis(design[rows]) if design.shape[1] or method in ("cosine", "linear") else None
    for first in range(0, x.shape[1], _BLOCK):
        these = slice(first, first + _BLOCK)
        block = np.ascontiguousarray(x[:, these])
        finite = cleaned.finite[these]
        np.isfinite(block[rows]).all(axis=0, out=finite)
        block[:, ~finite] = 0
        if method == "median" and len(x) > 1:
            fill_between(block, kept)
            block = _subtract_median(block, tr, window_s)
        part = block[rows]
        if basis is not None:
            _remove(part, basis)
        if scale:
            cleaned.constant[these] = _scale(part)
        block[rows] = part
        fill_between(block, kept)
        x[:, these] = block
    return cleaned


def fill_between(x: Float32[np.ndarray, "scans voxels"], kept: Bool[np.ndarray, " scans"] | None) -> None:
    """Replace volumes that do not count by the line between those on both sides, in place; at the ends by the nearest.

    Raises
    ------
    ValueError
        No volume counts.
    """
    if kept is None or kept.all():
        return
    counted = np.flatnonzero(kept)
    if not len(counted):
        raise ValueError("no volume counts")
    for volume in np.flatnonzero(~kept):
        after = int(np.searchsorted(counted, volume))
        left, right = counted[max(after - 1, 0)], counted[min(after, len(counted) - 1)]
        weight = np.float32(0 if right <= left else np.clip((volume - left) / (right - left), 0, 1))
        x[volume] = (1 - weight) * x[left] + weight * x[right]


def spare_degrees(design: Float[np.ndarray, "scans columns"]) -> int:
    """Count the degrees of freedom that columns and a constant leave."""
    return len(design) - _basis(design).shape[1]


def zscore(
    x: Float32[np.ndarray, "scans voxels"],
) -> tuple[Float32[np.ndarray, "scans voxels"], Bool[np.ndarray, " voxels"]]:
    """Scale every voxel to mean 0 and standard deviation 1 over the run.

    Parameters
    ----------
    x : ndarray of shape (scans, voxels)
        Time series, in single precision.

    Returns
    -------
    scaled : ndarray of shape (scans, voxels)
        Scaled time series; constant voxels are 0, and NaN stays.
    constant : ndarray of bool of shape (voxels,)
        Which voxels are constant, to single precision.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.brain import zscore
    >>> scaled, constant = zscore(np.array([[1, 7], [3, 7]], np.float32))
    >>> scaled.tolist(), constant.tolist()
    ([[-1.0, 0.0], [1.0, 0.0]], [False, True])
    """
    scaled = x.copy()
    return scaled, _scale(scaled)


def regress_out(
    x: Float32[np.ndarray, "scans voxels"], nuisance: Float[np.ndarray, "scans columns"]
) -> Float32[np.ndarray, "scans voxels"]:
    """Compute the residuals of every voxel after least squares on nuisance columns and a constant.

    Parameters
    ----------
    x : ndarray of shape (scans, voxels)
        Time series, in single precision.
    nuisance : ndarray of shape (scans, columns)
        Confounds, such as head motion; columns may be linearly dependent.

    Returns
    -------
    ndarray of shape (scans, voxels)
        Residuals.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.brain import regress_out
    >>> rng = np.random.default_rng(0)
    >>> motion = rng.normal(size=(100, 6))
    >>> bold = (motion @ rng.normal(size=(6, 3)) + 7).astype(np.float32)
    >>> bool(np.abs(regress_out(bold, motion)).max() < 1e-4)
    True
    """
    residuals = x.copy()
    _remove(residuals, _basis(nuisance))
    return residuals


def drift_columns(n_scans: int, tr: float, method: Detrending, window_s: float) -> Float[np.ndarray, "scans columns"]:
    """Make the columns that stand for slow drifts: cosines or a line; none for the median."""
    if method == "linear":
        return np.linspace(-1.0, 1.0, n_scans)[:, None]
    return cosine_basis(n_scans, int(2 * n_scans * tr / window_s) if method == "cosine" else 0)


def cosine_basis(n_scans: int, n_cosines: int) -> Float[np.ndarray, "scans cosines"]:
    """Make the first cosines of the DCT-II after the constant, of unit norm, as in the high-pass filter of SPM."""
    orders = np.arange(1, n_cosines + 1)
    phase = np.pi * (np.arange(n_scans)[:, None] + 0.5) / n_scans
    return np.sqrt(2 / n_scans) * np.cos(phase * orders)


def lacks_cosines(columns: Sequence[str]) -> bool:
    """Whether CompCor components are selected without the cosines of fMRIPrep's preceding high-pass filter.

    The components contain no slow drifts, which then stay in every voxel (fMRIPrep's documentation, "Confounds").
    """
    return any("comp_cor" in name for name in columns) and not any(name.startswith("cosine") for name in columns)


LACKS_COSINES = 'components (comp_cor) do not contain slow drifts: add "cosine*" to the confounds'


def read_confounds(path: Path, columns: Sequence[str], n_scans: int) -> Float[np.ndarray, "scans columns"]:
    """Read nuisance columns from an fMRIPrep confounds table.

    Parameters
    ----------
    path : Path
        ``*_desc-confounds_timeseries.tsv``, or the same under an older name.
    columns : sequence of str
        Names or shell patterns: ``("trans_?", "rot_?", "csf", "a_comp_cor_0[0-5]")``.
    n_scans : int
        The number of rows that the table must have.

    Raises
    ------
    InputError
        If a pattern matches no column, or the number of rows is not that of the scans.

    Warns
    -----
    Brain2MusicWarning
        If there are CompCor components without their cosines (:func:`lacks_cosines`).

    Notes
    -----
    The "n/a" in the first rows of derivatives become the mean of their column; those in other rows too, with a warning.
    """
    import pandas as pd

    try:
        table = pd.read_csv(path, sep="\t", na_values="n/a")
    except FileNotFoundError:
        raise InputError("the confounds table is missing", path, "run fMRIPrep or ask for no confounds") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"this is not a readable table ({error})", path, "write it again") from None
    names = []
    for pattern in columns:
        found = [name for name in table.columns if fnmatchcase(name, pattern)]
        if not found:
            raise InputError(f"no confound is named {pattern!r}", path, f"choose among {', '.join(table.columns[:20])}")
        names += [name for name in found if name not in names]
    if len(table) != n_scans:
        raise InputError(f"the table has {len(table)} rows for {n_scans} scans", path, "use the table of this run")
    if lacks_cosines(columns):
        warnings.warn(LACKS_COSINES, Brain2MusicWarning, stacklevel=2)
    chosen = table[names].apply(pd.to_numeric, errors="coerce").replace([np.inf, -np.inf], np.nan)
    for name in names:
        missing = int(chosen[name].iloc[1:].isna().sum())
        if missing == len(chosen) - 1 and missing:
            raise InputError(f"{name} is n/a or infinite throughout", path, "leave it out of the confounds")
        if missing:
            text = f"{path}: {name} is n/a or infinite at {missing} of {n_scans} volumes: its mean is taken"
            warnings.warn(text, Brain2MusicWarning, stacklevel=2)
    return chosen.fillna(chosen.mean()).fillna(0.0).to_numpy(dtype=np.float64)


def _subtract_median(
    x: Float32[np.ndarray, "scans voxels"], tr: float, window_s: float
) -> Float32[np.ndarray, "scans voxels"]:
    from .running_median import subtract_running_median  # with its compiler

    return subtract_running_median(x, round(window_s / tr))


def _basis(nuisance: Float[np.ndarray, "scans columns"]) -> Float32[np.ndarray, "scans rank"]:
    """An orthonormal basis of a constant and the columns."""
    constant = np.full((len(nuisance), 1), len(nuisance) ** -0.5)
    scale = np.linalg.norm(nuisance, axis=0)
    columns = nuisance[:, scale > 0] / scale[scale > 0]
    basis, sizes, _ = np.linalg.svd(np.column_stack([constant, columns]), full_matrices=False)
    return basis[:, sizes > 1e-9 * sizes[0]].astype(np.float32)


def _remove(x: Float32[np.ndarray, "scans voxels"], basis: Float32[np.ndarray, "scans rank"]) -> None:
    """Replace time series by their residuals."""
    x -= x.mean(axis=0, dtype=np.float64).astype(np.float32)  # first, for the precision of float32
    x -= basis @ (basis.T @ x)


def _scale(x: Float32[np.ndarray, "scans voxels"]) -> Bool[np.ndarray, " voxels"]:
    """Scale time series in place; returns which are constant."""
    mean = x.mean(axis=0, dtype=np.float64).astype(np.float32)
    x -= mean
    sd = np.sqrt(np.einsum("sv,sv->v", x, x) / np.float32(len(x)))
    constant = sd <= 1e-6 * np.abs(mean)
    x *= np.divide(1, sd, out=np.zeros_like(sd), where=~constant)
    return constant
