"""Embeddings as a brain would give them: mixed with noise, so that a generator learns what to believe of them.

Conditioning augmentation (Ho et al. 2022, "Cascaded diffusion models", section 4, noises the image that a model is
conditioned on; the unCLIP of Stable Diffusion 2.1 the embedding). Decoded embeddings correlate with true ones by
about 0.4 and err in all directions much as embeddings vary, so the noise has the embeddings' own covariance.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

LEAST = 0.3
"""Least correlation that is left between an embedding and its noisy self."""


@dataclass(frozen=True)
class ConditionNoise:
    """Noise for a share of embeddings.

    Attributes
    ----------
    mean : of the embeddings of music. root : (dims, dims), its product with its transpose their covariance.
    share : of the embeddings that are given noise, each of another strength.
    """

    mean: Float[Tensor, " dims"]
    root: Float[Tensor, "dims dims"]
    share: float

    @classmethod
    def fit(cls, vectors: Float[Tensor, "vectors dims"], share: float) -> "ConditionNoise":
        """With the mean and covariance of these embeddings."""
        mean = vectors.mean(0)
        values, directions = torch.linalg.eigh((vectors - mean).T.double() @ (vectors - mean).double() / len(vectors))
        return cls(mean, (directions * values.clamp_min(0).sqrt()).float(), share)

    def __call__(self, vectors: Float[Tensor, "batch dims"], rng: np.random.Generator) -> Float[Tensor, "batch dims"]:
        """A share of the embeddings, each as r v + √(1 - r²) ξ about the mean, r uniform between ``LEAST`` and 1."""
        count, dims = vectors.shape
        kept = np.where(rng.random((count, 1)) < self.share, rng.uniform(LEAST, 1.0, (count, 1)), 1.0)
        r = torch.from_numpy(kept.astype(np.float32))
        noise = torch.from_numpy(rng.standard_normal((count, dims)).astype(np.float32)) @ self.root.T
        return self.mean + r * (vectors - self.mean) + (1 - r.square()).sqrt() * noise
