"""Product quantisers: from continuous frames to the codes that training is about."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from .config import W2vBertConfig


class Quantised(NamedTuple):
    """What a quantiser gives for every frame.

    Attributes
    ----------
    vectors : the chosen codes, one book after another. codes : their numbers.
    probabilities : how probable each code is on average over all frames; None where codes are not learned.
    """

    vectors: Float[Tensor, "batch frames code_dim"]
    codes: Int[Tensor, "batch frames books"]
    probabilities: Float[Tensor, "books codes"] | None


class GumbelQuantiser(nn.Module):
    """Codes chosen by a straight-through Gumbel softmax (wav2vec 2.0, arXiv 2006.11477, section 2)."""

    def __init__(self, config: W2vBertConfig) -> None:
        super().__init__()
        self.books, self.codes = config.codebooks, config.codes
        self.norm = nn.BatchNorm1d(config.width, affine=False)
        self.choose = nn.Linear(config.width, self.books * self.codes)
        self.codebook = nn.Parameter(torch.rand(self.books, self.codes, config.code_dim // self.books))
        nn.init.normal_(self.choose.weight)
        nn.init.zeros_(self.choose.bias)

    def forward(self, features: Float[Tensor, "batch frames width"], temperature: float) -> Quantised:
        """Codes drawn in training, the most probable ones otherwise."""
        logits = self.choose(standardise_features(features, self.norm)).unflatten(-1, (self.books, self.codes))
        if self.training:
            chosen = functional.gumbel_softmax(logits, tau=temperature, hard=True, dim=-1)
        else:
            chosen = functional.one_hot(logits.argmax(-1), self.codes).to(logits.dtype)
        vectors = torch.einsum("bfgc,gcd->bfgd", chosen, self.codebook).flatten(-2)
        return Quantised(vectors, chosen.argmax(-1), logits.softmax(-1).mean(dim=(0, 1)))


class ProjectionQuantiser(nn.Module):
    """Codes nearest in angle to a random projection; neither is ever trained (BEST-RQ, arXiv 2202.01855, 3.1)."""

    projection: Tensor
    codebook: Tensor

    def __init__(self, config: W2vBertConfig) -> None:
        super().__init__()
        dims = config.code_dim // config.codebooks
        projection = nn.init.xavier_uniform_(torch.empty(config.codebooks, config.width, dims))
        codebook = functional.normalize(torch.randn(config.codebooks, config.codes, dims), dim=-1)
        self.register_buffer("projection", projection)
        self.register_buffer("codebook", codebook)
        self.norm = nn.BatchNorm1d(config.width, affine=False)

    def forward(self, features: Float[Tensor, "batch frames width"], temperature: float) -> Quantised:
        """The temperature is not used."""
        projected = torch.einsum("bfw,gwd->bfgd", standardise_features(features, self.norm), self.projection)
        codes = torch.einsum("bfgd,gcd->bfgc", projected, self.codebook).argmax(-1)
        vectors = torch.stack([book[codes[..., index]] for index, book in enumerate(self.codebook)], dim=-2)
        return Quantised(vectors.flatten(-2), codes, None)


def standardise_features(features: Float[Tensor, "batch frames width"], norm: nn.BatchNorm1d) -> Tensor:
    """Every dimension about its mean over frames, in its deviations: what all frames share would choose for all."""
    return norm(features.flatten(0, 1)).unflatten(0, features.shape[:2])


def perplexity(codes: Int[Tensor, "*frames books"], size: int) -> Float[Tensor, " books"]:
    """How many codes are in use: exp of the entropy of their frequencies, from 1 (collapse) to ``size``."""
    counts = torch.stack([torch.bincount(book, minlength=size) for book in codes.flatten(0, -2).T])
    return entropy(counts / counts.sum(dim=1, keepdim=True)).exp()


def diversity_loss(probabilities: Float[Tensor, "books codes"]) -> Float[Tensor, ""]:
    """L_d: the share of codes not in use, by the perplexity of the mean choice; 0 where all are equally probable."""
    return 1 - (entropy(probabilities).exp() / probabilities.shape[1]).mean()


def entropy(probabilities: Float[Tensor, "*books codes"]) -> Float[Tensor, "*books"]:
    """In nats, along the last axis."""
    return -torch.xlogy(probabilities, probabilities).sum(-1)
