"""Checks of the embeddings that a generator is given, which must be of the space that it was trained with."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .._utils.errors import InputError
from ..embeddings.embeddings import EmbeddingSpace


class EmbeddingInput:
    """Embeddings of one space, which condition a generator.

    Parameters
    ----------
    space : EmbeddingSpace
        The space of the embeddings that are passed in.
    """

    def __init__(self, space: EmbeddingSpace) -> None:
        self._space = space

    @property
    def space(self) -> EmbeddingSpace:
        """Space of the embeddings that are passed in."""
        return self._space

    def check(self, vectors: np.ndarray, space: EmbeddingSpace | None = None) -> Float[Tensor, "batch dims"]:
        """Check embeddings that a user passed in; returns (batch, dims).

        Raises
        ------
        InputError : they are of another space (named by its sha), have other dimensions, or are not finite or zero.
        """
        if space is not None and not self.space.same_as(space):
            raise InputError(
                f"the embedding is of {space.name} ({space.sha256[:12]}), the generator takes "
                f"{self.space.name} ({self.space.sha256[:12]})",
                hint=f"embed with {self.space.name}, or take a generator trained on {space.name}",
            )
        rows = np.atleast_2d(np.asarray(vectors, dtype=np.float32))
        if rows.ndim != 2 or rows.shape[1] != self.space.dims or len(rows) == 0:
            raise InputError(
                f"an embedding of shape {np.shape(vectors)} where {self.space.name} has {self.space.dims} dimensions",
                hint=f"give ({self.space.dims},) of one item, or (items, windows, {self.space.dims})",
            )
        if not np.isfinite(rows).all():
            raise InputError("the embedding holds NaN or infinite values", hint="compute it again")
        if (np.linalg.norm(rows, axis=1) == 0).any():
            raise InputError("an embedding is all zeros and points nowhere", hint="compute it again")
        return torch.from_numpy(rows)
