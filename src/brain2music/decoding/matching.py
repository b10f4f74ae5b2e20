"""Distribution matching: predicted embeddings given the mean, scale and covariance that true embeddings have."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from .._utils.errors import InputError
from .._utils.files import read_arrays, write_arrays
from .problem import HeldOut, shrunk_spectrum

MAX_GAIN = 4.0
"""Bound on how far a direction is stretched."""


@dataclass(frozen=True)
class Matching:
    """The linear map of predictions onto the distribution of true embeddings that moves them least.

    Ridge predictions are nearer to the mean than what they predict, most in directions that are decoded badly; searches
    and generators expect vectors like those of music. Between Gaussians the optimal transport is linear (Dowson &
    Landau 1982, doi:10.1016/0047-259X(82)90077-X): p ↦ m + (p - h) A with A = Σh^(-1/2) (Σh^(1/2) Σy Σh^(1/2))^(1/2)
    Σh^(-1/2). It is fitted to held-out predictions, because those of training rows by their own fit are hardly shrunk.
    Σy is that of Ledoit and Wolf; so is Σh, relative to Σy, and it is at least Σy / MAX_GAIN²: a direction predicted
    with less variance is not decoded, and would be filled with noise.

    Attributes
    ----------
    predicted_mean, true_mean : ndarray of shape (dims,)
        h and m.
    basis : ndarray of shape (dims, rank)
        Orthonormal basis of what training embeddings span; predictions do not leave it.
    inner : ndarray of shape (rank, rank)
        A in that basis; symmetric.
    """

    predicted_mean: Float32[np.ndarray, " dims"]
    true_mean: Float32[np.ndarray, " dims"]
    basis: Float32[np.ndarray, "dims rank"]
    inner: Float32[np.ndarray, "rank rank"]

    @classmethod
    def fit(cls, predicted: Float32[np.ndarray, "rows dims"], true: Float32[np.ndarray, "rows dims"]) -> "Matching":
        """Fit the map to held-out predictions of training rows and their true embeddings, with one origin."""
        basis, values, _ = shrunk_spectrum(true)
        if not len(values):
            raise ValueError("all true embeddings are equal: there is no distribution to match")
        scale = np.sqrt(values)
        relative = ((predicted - predicted.mean(axis=0)) @ basis / scale).astype(np.float32)
        vectors, spread, floor = shrunk_spectrum(relative)
        least = MAX_GAIN**-2
        above = np.maximum(spread, least) - max(floor, least)
        covariance = (vectors * above) @ vectors.T + max(floor, least) * np.eye(len(values))
        inner = _transport(covariance * np.outer(scale, scale), np.diag(values))
        means = predicted.mean(axis=0, dtype=np.float32), true.mean(axis=0, dtype=np.float32)
        return cls(*means, basis.astype(np.float32), inner.astype(np.float32))

    def transform(self, predicted: Float32[np.ndarray, "rows dims"]) -> Float32[np.ndarray, "rows dims"]:
        """Map predictions that have the origin of the fit."""
        return self.true_mean + ((predicted - self.predicted_mean) @ self.basis @ self.inner) @ self.basis.T

    def save(self, path: Path) -> None:
        """Write the map to a safetensors file."""
        write_arrays(path, vars(self), {"kind": "distribution matching"})

    @classmethod
    def load(cls, path: Path) -> "Matching":
        """Read a map from a file of :meth:`save`; raises :class:`InputError` if it is not one."""
        arrays, metadata = read_arrays(path)
        if metadata.get("kind") != "distribution matching" or set(arrays) != set(cls.__dataclass_fields__):
            raise InputError(
                "this is no distribution matching of predictions", path, "give the file that was saved as one"
            )
        return cls(**arrays)


def matched(held_out: HeldOut, seed: int) -> tuple[Matching, HeldOut]:
    """Fit the map to all held-out predictions, each of which is mapped by a fit to the other folds."""
    cross_validated = np.empty_like(held_out.predicted)
    for fold in range(held_out.n_folds):
        held = held_out.fold == fold
        others = held_out.rows(~held)
        cross_validated[held] = Matching.fit(others.predicted, others.true).transform(held_out.predicted[held])
    mapped = HeldOut(cross_validated, held_out.true, held_out.fold, held_out.clip)
    return Matching.fit(held_out.predicted, held_out.true), mapped


def _transport(source: Float[np.ndarray, "k k"], target: Float[np.ndarray, "k k"]) -> Float[np.ndarray, "k k"]:
    """The symmetric A with A source A = target."""
    root, back = _matrix_power(source, 0.5), _matrix_power(source, -0.5)
    return back @ _matrix_power(root @ target @ root, 0.5) @ back


def _matrix_power(matrix: Float[np.ndarray, "k k"], power: float) -> Float[np.ndarray, "k k"]:
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return (vectors * np.maximum(values, 1e-12 * values[-1]) ** power) @ vectors.T
