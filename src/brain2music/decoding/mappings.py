"""Fitted mappings from responses to embeddings, as data classes: what a fitted decoder consists of, and what is saved.

Each is called with the views of the responses, and gives the predicted embeddings.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from .._utils.object_tree import Kind, replace_within
from ..ridge import RidgeFit
from .contrastive import ContrastiveHead
from .denoising import HopfieldDenoising
from .fits import Asked, Mapping, RidgeMapping, Scaling
from .matching import Matching
from .whitening import Whitening


@runtime_checkable
class Transform(Protocol):
    """A fitted post-processing."""

    def transform(self, predicted: Float32[np.ndarray, "rows dims"]) -> Float32[np.ndarray, "rows dims"]:
        """Map predictions from which the training mean was subtracted."""
        ...


@dataclass(frozen=True)
class Restricted:
    """A mapping from some of the voxels at one lag, by the number of its view."""

    mapping: Mapping
    lag: int
    voxels: Bool[np.ndarray, " voxels"] | Int[np.ndarray, " chosen"] | None

    def __call__(self, views: Asked) -> Float32[np.ndarray, "asked dims"]:
        X = views[self.lag]
        return self.mapping((X if self.voxels is None else X[:, self.voxels],))


@dataclass(frozen=True)
class Average:
    """The mean of several mappings."""

    members: tuple[Mapping, ...]

    def __call__(self, views: Asked) -> Float32[np.ndarray, "asked dims"]:
        return np.stack([member(views) for member in self.members]).mean(axis=0)


@dataclass(frozen=True)
class WeightedSum:
    """Several mappings, summed with weights about a mean."""

    members: tuple[Mapping, ...]
    weights: Float32[np.ndarray, " members"]
    mean: Float32[np.ndarray, " dims"]

    def __call__(self, views: Asked) -> Float32[np.ndarray, "asked dims"]:
        each = np.stack([member(views) for member in self.members])
        return self.mean + np.tensordot(self.weights, each - self.mean, 1)


@dataclass(frozen=True)
class KernelFeatures:
    """Gaussian-kernel features of standardised responses.

    Attributes
    ----------
    standardised : Scaling
        Of the voxels.
    marks : ndarray of shape (marks, voxels)
        Standardised responses from which the kernel measures distances.
    width : float
        Squared distance at which the kernel is 1/e.
    span : ndarray of shape (marks, features)
        Map of kernel values to features.
    """

    standardised: Scaling
    marks: Float[np.ndarray, "marks voxels"]
    width: Float[np.ndarray, ""] | float
    span: Float[np.ndarray, "marks features"]

    def __call__(self, rows: Float32[np.ndarray, "rows voxels"]) -> Float32[np.ndarray, "rows features"]:
        X = self.standardised(rows).astype(np.float64)
        return (np.exp(-squared_distances(X, self.marks) / self.width) @ self.span).astype(np.float32)


@dataclass(frozen=True)
class KernelMapping:
    """A mapping from Gaussian-kernel features of the responses at the main lag."""

    features: KernelFeatures
    mapping: Mapping

    def __call__(self, views: Asked) -> Float32[np.ndarray, "asked dims"]:
        return self.mapping((self.features(views[0]),))


@dataclass(frozen=True)
class PostProcessed:
    """A mapping whose predictions are post-processed about the training mean."""

    mapping: Mapping
    train_mean: Float32[np.ndarray, " dims"]
    post: Transform

    def __call__(self, views: Asked) -> Float32[np.ndarray, "asked dims"]:
        predicted = np.asarray(self.mapping(views), dtype=np.float32)
        return self.train_mean + self.post.transform(predicted - self.train_mean)


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(rows of a, rows of b) squared Euclidean."""
    squared = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.maximum(squared, 0)


MAPPING_PARTS = {
    **{cls.__name__: Kind.of(cls) for cls in (RidgeMapping, Scaling, Restricted, Average, WeightedSum)},
    **{cls.__name__: Kind.of(cls) for cls in (KernelFeatures, KernelMapping, PostProcessed)},
    **{cls.__name__: Kind.of(cls) for cls in (Matching, Whitening, ContrastiveHead, HopfieldDenoising)},
    "RidgeFit": Kind(RidgeFit, RidgeFit.arrays, RidgeFit.from_arrays),
}
"""What saved mappings consist of, by the names in their files."""


def without_rows(mapping: Mapping, memo: dict[int, object]) -> Mapping:
    """The mapping in which ridge regressions are weights of voxels; ``memo`` shares these between mappings."""
    return replace_within(mapping, RidgeFit, RidgeFit.without_rows, memo)
