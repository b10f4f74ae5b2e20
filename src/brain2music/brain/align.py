"""Several brains in one space: maps from each subject's voxels to components that mean the same in all of them.

Fitted on the training responses of people who heard the same clips, scan by scan; what was heard is not looked at, and
test responses are only ever transformed.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float32, Int
from scipy.linalg import eigh, orthogonal_procrustes, svd

from .._utils.errors import InputError
from ..ridge import RidgeWarning, assign_folds, ridge_cv
from .responses import Responses

METHODS = ("srm", "procrustes", "ridge")
Series = Float[np.ndarray, "scans _"]
Map = Float[np.ndarray, "_ components"]

N_COMPONENTS = 50
SRM_STEPS = 10  # Chen et al. 2015 use as many
N_FOLDS = 5
MEMORY_GB = 16
"""Working memory that ridge may take, in GiB: enough for 25,000 scans."""
SHARES = np.logspace(-4, 4, 17)
"""Penalties tried, relative to the mean variance of a scan over voxels."""


@dataclass(frozen=True)
class Alignment:
    """Maps of several subjects into one space: (responses - mean) @ map.

    Attributes
    ----------
    subjects : tuple of str
        The subject of each map.
    means : tuple of ndarray of shape (voxels,)
        Mean training response of each subject.
    maps : tuple of ndarray of shape (voxels, components)
        Map of each subject.
    """

    subjects: tuple[str, ...]
    means: tuple[Float32[np.ndarray, " _"], ...]
    maps: tuple[Float32[np.ndarray, "_ components"], ...]

    def transform(self, i: int, responses: Responses) -> Responses:
        """Map responses of subject ``i``, of either split, to (clips, scans, components).

        Parameters
        ----------
        i : int
            Index of the subject.
        responses : Responses
            Responses of this subject.

        Returns
        -------
        Responses
            Responses in the common space.

        Raises
        ------
        InputError
            The responses are of another subject, or have other voxels.
        """
        if responses.subject != self.subjects[i] or responses.n_voxels != len(self.means[i]):
            raise InputError(
                f"responses of sub-{responses.subject} with {responses.n_voxels} voxels cannot be aligned by the map "
                f"of sub-{self.subjects[i]} with {len(self.means[i])}",
                hint="load training and test responses with the same mask",
            )
        repeats = None if responses.repeats is None else self._apply(i, responses.repeats)
        return replace(responses, data=self._apply(i, responses.data), repeats=repeats, space=None)

    def _apply(self, i: int, data: Float32[np.ndarray, "*axes voxels"]) -> Float32[np.ndarray, "*axes components"]:
        offset = self.means[i] @ self.maps[i]
        return (data @ self.maps[i] - offset).astype(np.float32)


def align(train: Sequence[Responses], method: str = "srm", n_components: int = N_COMPONENTS) -> Alignment:
    """Fit the maps of all subjects into one space on their responses to the same training clips.

    Parameters
    ----------
    train : sequence of Responses
        Responses of each subject to the same clips in any order, which are matched by name.
    method : {"srm", "procrustes", "ridge"}
        ``ridge`` predicts the first subject's principal components from the voxels of every other subject, with one
        penalty per subject chosen by 5-fold cross-validation over clips (Ferrante et al. 2024; hyperalignment, Haxby et
        al. 2011, doi:10.1016/j.neuron.2011.08.026, with ridge in place of rotation). ``procrustes`` rotates each
        subject's principal components onto those of the first subject (Schönemann 1966). ``srm`` is the deterministic
        shared response model (Chen et al. 2015, NIPS 28, Eq. 2): orthonormal maps whose outputs are nearest to one
        shared response, which starts from the principal components of all subjects together.
    n_components : int, default 50
        Components to keep; at most the voxels of any subject and the scans.

    Returns
    -------
    Alignment
        One map per subject.

    Raises
    ------
    InputError
        There are fewer than two subjects, clips or their scans differ between subjects, or there are too few clips.
    """
    if method not in METHODS:
        raise InputError(f"there is no alignment {method!r}", hint=f"choose among {', '.join(METHODS)}")
    if n_components < 1:
        raise InputError(f"cannot align in {n_components} components", hint="ask for one or more")
    train = in_one_order(train)
    series = [each.data.reshape(-1, each.n_voxels) for each in train]
    means = [x.mean(axis=0, dtype=np.float64).astype(np.float32) for x in series]
    centred = [_of_one_size(x - mean) for x, mean in zip(series, means, strict=True)]
    n_components = min(n_components, len(series[0]) - 1, *(x.shape[1] for x in series))
    scaled = [x for x, _ in centred]
    if method == "srm":
        maps = srm(scaled, n_components)
    elif method == "procrustes":
        maps = procrustes(scaled, n_components)
    else:
        maps = ridge_maps(scaled, n_components, _folds(train[0]))
    sized = [(each * size).astype(np.float32) for each, (_, size) in zip(maps, centred, strict=True)]
    return Alignment(tuple(each.subject for each in train), tuple(means), tuple(sized))


def srm(series: Sequence[Series], n_components: int, n_steps: int = SRM_STEPS) -> list[Map]:
    """Find orthonormal maps Wᵢ and a shared response S that minimise Σᵢ‖Xᵢ - S Wᵢᵀ‖², each in turn given the other.

    ``series`` are centred responses of shape (scans, voxels); maps have the shape (voxels, n_components).
    """
    gram = np.sum([x @ x.T for x in series], axis=0)
    shared = _leading(gram, n_components)
    maps: list[Map] = []
    for _ in range(n_steps):
        maps = [_orthonormal(x.T @ shared.astype(x.dtype)) for x in series]
        shared = np.mean([x @ each for x, each in zip(series, maps, strict=True)], axis=0)
    return maps


def procrustes(series: Sequence[Series], n_components: int) -> list[Map]:
    """Rotate the principal components of every subject onto those of the first; ``series`` as in :func:`srm`."""
    axes = [leading_axes(x, n_components) for x in series]
    target = series[0] @ axes[0]
    return [axes[0], *(v @ orthogonal_procrustes(x @ v, target)[0] for x, v in zip(series[1:], axes[1:], strict=True))]


def ridge_maps(series: Sequence[Series], n_components: int, folds: Int[np.ndarray, " scans"]) -> list[Map]:
    """Fit ridge regressions from the voxels of every subject to the first one's principal components.

    ``series`` are as in :func:`srm`, and ``folds`` is the fold of every scan.
    """
    axes = leading_axes(series[0], n_components)
    target = series[0] @ axes
    return [axes, *(_ridge_map(x, target, folds) for x in series[1:])]


def leading_axes(x: Series, n_components: int) -> Map:
    """Compute the leading right singular vectors of centred responses, each with its largest entry positive."""
    if x.shape[0] < x.shape[1]:
        axes, _ = np.linalg.qr(x.T @ _leading(x @ x.T, n_components).astype(x.dtype))
    else:
        axes = _leading(x.T @ x, n_components).astype(x.dtype)
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(n_components)]
    return axes * np.where(largest < 0, -1, 1)


def in_one_order(train: Sequence[Responses]) -> list[Responses]:
    """Reorder the responses of all subjects to the order of the first subject's clips.

    Raises
    ------
    InputError
        There are fewer than two subjects, or clips, scans, TR or lag differ between them.
    """
    if len(train) < 2:
        raise InputError(f"{len(train)} subject cannot be aligned", hint="give two or more")
    first, *others = train
    names = [clip.name for clip in first.clips]
    for each in others:
        for field in ("n_scans", "tr", "lag_tr"):
            if getattr(each, field) != getattr(first, field):
                raise InputError(
                    f"sub-{first.subject} and sub-{each.subject} differ in {field}", hint="load both alike"
                )
        unshared = sorted(set(names) ^ {clip.name for clip in each.clips})
        if unshared:
            raise InputError(
                f"sub-{first.subject} and sub-{each.subject} did not hear the same training clips: "
                f"{len(unshared)} were heard by one only, {', '.join(unshared[:3])}",
                hint="align subjects over the clips that all of them heard",
            )
    return [first, *(_reordered(each, names) for each in others)]


def _reordered(responses: Responses, names: Sequence[str]) -> Responses:
    row_of = {clip.name: row for row, clip in enumerate(responses.clips)}
    rows = np.array([row_of[name] for name in names])
    return replace(
        responses,
        data=responses.data[rows],
        clips=tuple(responses.clips[row] for row in rows),
        runs=responses.runs[rows],
        n_repeats=responses.n_repeats[rows],
        repeats=None if responses.repeats is None else responses.repeats[:, rows],
    )


def _of_one_size(x: Float32[np.ndarray, "scans voxels"]) -> tuple[Series, float]:
    """Responses with a mean square over scans, summed over voxels, of 1, and the factor that made it so.

    Subjects then count alike however many voxels they have.
    """
    size = float(np.sqrt(np.einsum("sv,sv->", x, x, dtype=np.float64) / len(x)))
    factor = 1 / size if size > 0 else 0.0
    return x * np.float32(factor), factor


def _folds(responses: Responses) -> Int[np.ndarray, " scans"]:
    """Folds of neighbouring clips, for every scan."""
    n_clips = len(responses.clips)
    if n_clips < N_FOLDS:
        raise InputError(f"{n_clips} training clips cannot make {N_FOLDS} folds", hint="align by srm or procrustes")
    return np.repeat(assign_folds(n_clips, n_folds=N_FOLDS), responses.n_scans)


def _leading(symmetric: Float[np.ndarray, "n n"], k: int) -> Float[np.ndarray, "n k"]:
    """Eigenvectors of the k largest eigenvalues, largest first."""
    n = len(symmetric)
    return eigh(symmetric.astype(np.float64), subset_by_index=(n - k, n - 1))[1][:, ::-1]


def _orthonormal(x: Map) -> Map:
    """The nearest matrix with orthonormal columns."""
    u, _, vt = svd(x, full_matrices=False)
    return u @ vt


def _ridge_map(x: Series, y: Float[np.ndarray, "scans components"], folds: Int[np.ndarray, " scans"]) -> Map:
    """Weights (voxels, components) of ridge, with the one penalty that has the least error in held-out folds."""
    variance = float(np.einsum("sv,sv->", x, x, dtype=np.float64)) / len(x) or 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RidgeWarning)  # constant voxels get no weight; the grid is wide enough
        fit = ridge_cv(
            x,
            y,
            alphas=SHARES * variance,
            folds=folds,
            scoring="neg_mean_squared_error",
            per_target=False,
            dtype=str(x.dtype),
            memory_gb=MEMORY_GB,
        )
    return np.asarray(fit.coef)
