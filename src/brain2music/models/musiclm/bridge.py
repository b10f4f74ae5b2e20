"""From another embedding space into the one that a model's stages were trained in: a linear map, fitted to music.

An embedding of one's own, or a later version of the same one, conditions a trained model without training it again,
as far as one space is a linear function of the other; what is not gets lost, and ``alike`` says how much is left.
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
class Bridge:
    """Vectors of ``space``, of length 1, to vectors of length 1 in the model's own space.

    Attributes
    ----------
    space : what is given. weights, offset : (dims, own dims) and (own dims,) of the map.
    alike : mean cosine of mapped and own vectors of music that the map was not fitted to.
    """

    space: EmbeddingSpace
    weights: Float[Tensor, "dims own"]
    offset: Float[Tensor, " own"]
    alike: float

    @classmethod
    def fit(
        cls,
        space: EmbeddingSpace,
        given: Float32[np.ndarray, "sounds dims"],
        own: Float32[np.ndarray, "sounds own"],
        groups: np.ndarray | None = None,
    ) -> "Bridge":
        """Ridge regression over the same sounds in both spaces; sounds of one group are held out together."""
        given, own = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (given, own))
        fit = ridge_cv(given, own, groups=groups, keep_held_out=True)
        held_out = np.asarray(fit.held_out)
        alike = float(((held_out / np.linalg.norm(held_out, axis=1, keepdims=True)) * own).sum(axis=1).mean())
        weights, offset = (torch.from_numpy(np.asarray(each, np.float32)) for each in (fit.coef, fit.intercept))
        return cls(space, weights, offset, alike)

    def __call__(self, vectors: Float[Tensor, "batch dims"]) -> Float[Tensor, "batch own"]:
        """Mapped, of length 1."""
        return functional.normalize(functional.normalize(vectors, dim=-1) @ self.weights + self.offset, dim=-1)

    def arrays(self) -> dict[str, np.ndarray]:
        """For a file, beside :meth:`about`."""
        return {"bridge": self.weights.numpy(), "bridge_offset": self.offset.numpy()}

    def about(self) -> dict[str, object]:
        """What it leads from, and how well."""
        return {"space": asdict(self.space), "alike": self.alike}

    @classmethod
    def read(cls, arrays: dict[str, np.ndarray], about: dict[str, object]) -> "Bridge":
        """What :meth:`arrays` and :meth:`about` gave."""
        weights, offset = (torch.from_numpy(arrays[name]) for name in ("bridge", "bridge_offset"))
        return cls(EmbeddingSpace(**about["space"]), weights, offset, float(about["alike"]))  # type: ignore[arg-type]
