"""Conditions of the stages, from embeddings: checked, normalised, and quantised into 12 tokens."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from ..._utils.files import read_arrays, write_arrays
from ...embeddings.embeddings import EmbeddingSpace
from ..embedding_input import EmbeddingInput
from ..mulan.tokens import MuLanTokenizer
from .published_tokens import PublishedTokens, Quantizing
from .space_map import LinearSpaceMap

FILE = "condition.safetensors"


class Condition(NamedTuple):
    """Embeddings of a batch that condition a stage, as tokens and as vectors.

    Attributes
    ----------
    tokens : Tensor of int, of shape (batch, quantizers)
        Residual tokens.
    vector : Tensor of shape (batch, dims)
        Embeddings.
    shown : Tensor of bool, of shape (batch, 2)
        Whether tokens and vector of each item are shown to the stage.

    Examples
    --------
    >>> import torch
    >>> from brain2music.models.musiclm import Condition
    >>> tokens, vector = torch.zeros(1, 12, dtype=torch.long), torch.ones(1, 128)
    >>> condition = Condition(tokens, vector, torch.ones(1, 2, dtype=torch.bool))
    >>> condition.null().shown
    tensor([[False, False]])
    """

    tokens: Int[Tensor, "batch quantizers"]
    vector: Float[Tensor, "batch dims"]
    shown: Bool[Tensor, "batch 2"]

    def null(self) -> "Condition":
        """The null condition: nothing is shown."""
        return self._replace(shown=torch.zeros_like(self.shown))

    def with_null(self) -> "Condition":
        """All items, then all of them with the null condition, as :func:`.sampling.apply_guidance` expects."""
        return Condition(*(torch.cat(pair) for pair in zip(self, self.null(), strict=True)))

    def to(self, device: torch.device) -> "Condition":
        """Move the condition to a device."""
        return Condition(*(each.to(device) for each in self))

    @classmethod
    def stack(cls, conditions: Sequence["Condition"]) -> "Condition":
        """Concatenate the items of several conditions."""
        return cls(*(torch.cat(parts) for parts in zip(*conditions, strict=True)))

    def item(self, row: int) -> "Condition":
        """The condition of one item."""
        return Condition(*(each[row : row + 1] for each in self))

    def double(self) -> "Condition":
        """The condition in double precision."""
        return self._replace(vector=self.vector.double())

    def repeat(self, times: int) -> "Condition":
        """Repeat each item ``times`` times in a row."""
        return Condition(*(each.repeat_interleave(times, dim=0) for each in self))


class Conditioner(EmbeddingInput):
    """Conditions of the stages from embeddings of one space; its codebooks are fitted once and never change.

    Parameters
    ----------
    space : EmbeddingSpace
        Embedding space with which the stages were trained.
    tokenizer : MuLanTokenizer or PublishedTokens
        Frozen residual quantizer (MusicLM: 12 × 1024), fitted to training music or that of the embedding's authors.
    renormalise : bool, default True
        Whether to scale averages of windows, which are shorter than 1, back to length 1 first. MusicLM does not say;
        text embeddings have length 1, so this makes both sides alike.
    space_map : LinearSpaceMap, optional
        Linear map into that space from the space of the embeddings that are passed in.
    """

    def __init__(
        self,
        space: EmbeddingSpace,
        tokenizer: MuLanTokenizer | PublishedTokens,
        renormalise: bool = True,
        space_map: LinearSpaceMap | None = None,
    ) -> None:
        self.training_space, self.tokenizer, self.renormalise, self.space_map = space, tokenizer, renormalise, space_map

    @property
    def space(self) -> EmbeddingSpace:
        """Space of the embeddings that are passed in."""
        return self.training_space if self.space_map is None else self.space_map.space

    @classmethod
    def fit(
        cls,
        space: EmbeddingSpace,
        vectors: Float[Tensor, "vectors dims"],
        n_quantizers: int = 12,
        codebook_size: int = 1024,
        renormalise: bool = True,
    ) -> "Conditioner":
        """Fit the codebooks to embeddings of the training set."""
        vectors = functional.normalize(vectors, dim=-1) if renormalise else vectors
        return cls(space, MuLanTokenizer.fit(vectors, n_quantizers, codebook_size), renormalise)

    @classmethod
    def fit_to(cls, embedder: Any, vectors: Float[Tensor, "vectors dims"], codebook_size: int = 1024) -> "Conditioner":
        """The quantizer that comes with an embedder where it has one, or one that is fitted to the training set."""
        if isinstance(embedder, Quantizing):
            return cls(embedder.space, PublishedTokens.of(embedder, vectors))
        return cls.fit(embedder.space, vectors, codebook_size=codebook_size)

    @property
    def token_shape(self) -> tuple[int, int, int]:
        """Levels of tokens, codes of a level, and dimensions of vectors."""
        if isinstance(self.tokenizer, PublishedTokens):
            return self.tokenizer.shape
        levels, codes, dims = self.tokenizer.codebooks.shape
        return levels, codes, dims

    def same_tokens_as(self, other: "Conditioner") -> bool:
        """Whether another conditioner gives the same tokens."""
        if not self.training_space.same_as(other.training_space):
            return False
        if isinstance(self.tokenizer, PublishedTokens) or isinstance(other.tokenizer, PublishedTokens):
            return isinstance(self.tokenizer, PublishedTokens) and self.tokenizer.same_as(other.tokenizer)
        return torch.equal(self.tokenizer.codebooks, other.tokenizer.codebooks)

    def __call__(self, vectors: Float[Tensor, "batch dims"]) -> Condition:
        """Conditions of embeddings, shown both as tokens and as vectors; on the CPU."""
        vectors = vectors if self.space_map is None else self.space_map(vectors.float())
        vectors = functional.normalize(vectors.float(), dim=-1) if self.renormalise else vectors.float()
        return Condition(self.tokenizer.encode(vectors), vectors, torch.ones(len(vectors), 2, dtype=torch.bool))

    def save(self, folder: Path) -> None:
        """Save codebooks (half precision), space and space map."""
        arrays: dict[str, np.ndarray] = {}
        about: dict[str, Any] = {"space": asdict(self.training_space), "renormalise": self.renormalise}
        if isinstance(self.tokenizer, PublishedTokens):
            about["tokens"] = self.tokenizer.about()
        else:
            arrays["codebooks"] = self.tokenizer.codebooks.numpy().astype(np.float16)
        if self.space_map is not None:
            arrays, about = arrays | self.space_map.arrays(), about | {"bridge": self.space_map.metadata()}
        write_arrays(folder / FILE, arrays, about)

    @property
    def spaces(self) -> list[str]:
        """Names of the spaces that take part: that of the training, and that of the embeddings that are passed in."""
        return list(dict.fromkeys([self.training_space.name, self.space.name]))

    @classmethod
    def load(cls, folder: Path) -> "Conditioner":
        """Load the conditioner that :meth:`save` wrote."""
        arrays, metadata = read_arrays(folder / FILE)
        tokenizer: MuLanTokenizer | PublishedTokens
        if "tokens" in metadata:
            tokenizer = PublishedTokens(**metadata["tokens"])
        else:
            tokenizer = MuLanTokenizer(torch.from_numpy(arrays["codebooks"].astype(np.float32)))
        space_map = LinearSpaceMap.from_arrays(arrays, metadata["bridge"]) if "bridge" in metadata else None
        return cls(EmbeddingSpace(**metadata["space"]), tokenizer, metadata["renormalise"], space_map)


def spaces_in(folder: Path) -> list[str]:
    """:attr:`Conditioner.spaces` of a folder, without making a conditioner."""
    _, about = read_arrays(folder / FILE)
    sides = about["space"], about["bridge"]["space"] if "bridge" in about else about["space"]
    return list(dict.fromkeys(str(space["name"]) for space in sides))
