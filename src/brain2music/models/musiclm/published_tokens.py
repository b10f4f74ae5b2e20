"""Tokens of an embedding by its authors' own quantizer, in place of codebooks that are fitted to training music."""

from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32, Int32, Int64
from torch import Tensor

from ..._utils.errors import InputError
from ...embeddings.embeddings import EmbeddingSpace
from ..embedders import get_embedder

N_LEVELS, N_CODES = 12, 1024


@runtime_checkable
class Quantizing(Protocol):
    """Embedder that comes with a quantizer, as MusicCoCa does."""

    space: EmbeddingSpace

    def tokens(self, vectors: Float32[np.ndarray, "items dims"]) -> Int32[np.ndarray, "items levels"]:
        """Quantise vectors."""
        ...

    @property
    def tokens_sha256(self) -> str:
        """Digest of the quantizer."""
        ...


class PublishedTokens:
    """Tokenizer of an embedding that has a quantizer of its own.

    Its codes are chosen by distance, so that lengths matter: vectors are brought to the mean length of the training
    music's, for predicted ones and means over windows are shorter.

    Parameters
    ----------
    embedding : str
        Name of the embedding in the registry.
    dims : int
        Dimensions of its vectors.
    length : float
        Mean length of the vectors of the training music.
    sha256 : str
        Digest of the quantizer; another one is refused.
    """

    def __init__(self, embedding: str, dims: int, length: float, sha256: str) -> None:
        self.embedding, self.dims, self.length, self.sha256 = embedding, dims, length, sha256

    @classmethod
    def of(cls, embedder: Any, vectors: Float[Tensor, "vectors dims"]) -> "PublishedTokens":
        """The quantizer of an embedder, with the mean length of vectors of the training music."""
        length = float(vectors.float().norm(dim=1).mean())
        return cls(embedder.space.name, embedder.space.dims, length, embedder.tokens_sha256)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Levels, codes of a level, and dimensions."""
        return N_LEVELS, N_CODES, self.dims

    def encode(self, vectors: Float[Tensor, "vectors dims"]) -> Int64[Tensor, "vectors levels"]:
        """Quantise vectors of any length to tokens."""
        rows = vectors.float().cpu().numpy()
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        scaled = (rows * (self.length / np.maximum(lengths, 1e-30))).astype(np.float32)
        return torch.from_numpy(self._quantizer.tokens(scaled).astype(np.int64))

    def about(self) -> dict[str, Any]:
        """What is saved of it, as JSON types."""
        return {"embedding": self.embedding, "dims": self.dims, "length": self.length, "sha256": self.sha256}

    def same_as(self, other: Any) -> bool:
        """Whether another tokenizer gives the same tokens."""
        return isinstance(other, PublishedTokens) and self.about() == other.about()

    @cached_property
    def _quantizer(self) -> Quantizing:
        found: Any = get_embedder(self.embedding)
        if found.tokens_sha256 != self.sha256:
            what = f"the quantizer of {self.embedding} here ({found.tokens_sha256[:12]}) is not that of the training"
            raise InputError(f"{what} ({self.sha256[:12]})", hint="fetch the version that the model was trained with")
        quantizer: Quantizing = found
        return quantizer
