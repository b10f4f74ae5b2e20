"""A linear map between embedding spaces, fitted to music: from another space to the one that a model was trained in.

Another embedding, or a later version of the same one, can so condition a trained model without training it again, as
far as one space is a linear function of the other; the rest is lost, and ``cosine`` says how much is left.
"""

from dataclasses import asdict, dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional

from ...embeddings.embeddings import EmbeddingSpace
from ...ridge import ridge_cv


@dataclass(frozen=True)
class LinearSpaceMap:
    """Linear map from vectors of one embedding space to unit vectors in the space with which a model was trained.

    Attributes
    ----------
    space : EmbeddingSpace
        Space of the input.
    weights : Tensor of shape (dims, target)
        Weights of the map.
    offset : Tensor of shape (target,)
        Offset of the map.
    cosine : float
        Mean cosine of mapped and target vectors of music held out of the fit.
    """

    space: EmbeddingSpace
    weights: Float[Tensor, "dims target"]
    offset: Float[Tensor, " target"]
    cosine: float

    @classmethod
    def fit(
        cls,
        space: EmbeddingSpace,
        source: Float32[np.ndarray, "sounds dims"],
        target: Float32[np.ndarray, "sounds target"],
        groups: np.ndarray | None = None,
    ) -> "LinearSpaceMap":
        """Fit the map using ridge regression on the same sounds in both spaces; groups are held out together."""
        source, target = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (source, target))
        fit = ridge_cv(source, target, groups=groups, keep_held_out=True)
        held_out = np.asarray(fit.held_out)
        cosine = float(((held_out / np.linalg.norm(held_out, axis=1, keepdims=True)) * target).sum(axis=1).mean())
        weights, offset = (torch.from_numpy(np.asarray(each, np.float32)) for each in (fit.coef, fit.intercept))
        return cls(space, weights, offset, cosine)

    def __call__(self, vectors: Float[Tensor, "batch dims"]) -> Float[Tensor, "batch target"]:
        """Map vectors; the results have length 1."""
        return functional.normalize(functional.normalize(vectors, dim=-1) @ self.weights + self.offset, dim=-1)

    def arrays(self) -> dict[str, np.ndarray]:
        """Arrays for a file, beside :meth:`metadata`."""
        return {"bridge": self.weights.numpy(), "bridge_offset": self.offset.numpy()}

    def metadata(self) -> dict[str, object]:
        """Input space and quality of the map, for a file."""
        return {"space": asdict(self.space), "alike": self.cosine}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], metadata: dict[str, object]) -> "LinearSpaceMap":
        """The map of which :meth:`arrays` and :meth:`metadata` were stored."""
        weights, offset = (torch.from_numpy(arrays[name]) for name in ("bridge", "bridge_offset"))
        return cls(EmbeddingSpace(**metadata["space"]), weights, offset, float(metadata["alike"]))  # type: ignore[arg-type]
