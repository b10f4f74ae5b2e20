"""Product quantizers, which turn continuous frames into the codes that w2v-BERT predicts."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from .config import W2vBertConfig


class ProductQuantizerOutput(NamedTuple):
    """Codes of all frames.

    Attributes
    ----------
    vectors : chosen code vectors, concatenated over codebooks. codes : indices of the codes.
    probabilities : mean probability of each code over all frames; None where codes are not learned.
    """

    vectors: Float[Tensor, "batch frames code_dim"]
    codes: Int[Tensor, "batch frames books"]
    probabilities: Float[Tensor, "books codes"] | None


class GumbelQuantizer(nn.Module):
    """Quantizer with a straight-through Gumbel softmax (wav2vec 2.0, arXiv 2006.11477, section 2)."""

    def __init__(self, config: W2vBertConfig) -> None:
        super().__init__()
        self.n_codebooks, self.codebook_size = config.n_codebooks, config.codebook_size
        self.norm = nn.BatchNorm1d(config.width, affine=False)
        self.choose = nn.Linear(config.width, self.n_codebooks * self.codebook_size)
        self.codebook = nn.Parameter(
            torch.rand(self.n_codebooks, self.codebook_size, config.code_dim // self.n_codebooks)
        )
        nn.init.normal_(self.choose.weight)
        nn.init.zeros_(self.choose.bias)

    def forward(self, features: Float[Tensor, "batch frames width"], temperature: float) -> ProductQuantizerOutput:
        """Quantise frames: codes are sampled in training, and the most probable ones otherwise."""
        logits = self.choose(standardise_features(features, self.norm)).unflatten(
            -1, (self.n_codebooks, self.codebook_size)
        )
        if self.training:
            chosen = functional.gumbel_softmax(logits, tau=temperature, hard=True, dim=-1)
        else:
            chosen = functional.one_hot(logits.argmax(-1), self.codebook_size).to(logits.dtype)
        vectors = torch.einsum("bfgc,gcd->bfgd", chosen, self.codebook).flatten(-2)
        return ProductQuantizerOutput(vectors, chosen.argmax(-1), logits.softmax(-1).mean(dim=(0, 1)))


class ProjectionQuantizer(nn.Module):
    """Quantizer with a random projection and random codes, neither trained (BEST-RQ, arXiv 2202.01855, 3.1)."""

    projection: Tensor
    codebook: Tensor

    def __init__(self, config: W2vBertConfig) -> None:
        super().__init__()
        dims = config.code_dim // config.n_codebooks
        projection = nn.init.xavier_uniform_(torch.empty(config.n_codebooks, config.width, dims))
        codebook = functional.normalize(torch.randn(config.n_codebooks, config.codebook_size, dims), dim=-1)
        self.register_buffer("projection", projection)
        self.register_buffer("codebook", codebook)
        self.norm = nn.BatchNorm1d(config.width, affine=False)

    def forward(self, features: Float[Tensor, "batch frames width"], temperature: float) -> ProductQuantizerOutput:
        """Quantise frames to the codes with the smallest angle; ``temperature`` is not used."""
        projected = torch.einsum("bfw,gwd->bfgd", standardise_features(features, self.norm), self.projection)
        codes = torch.einsum("bfgd,gcd->bfgc", projected, self.codebook).argmax(-1)
        vectors = torch.stack([vectors[codes[..., index]] for index, vectors in enumerate(self.codebook)], dim=-2)
        return ProductQuantizerOutput(vectors.flatten(-2), codes, None)


def standardise_features(features: Float[Tensor, "batch frames width"], norm: nn.BatchNorm1d) -> Tensor:
    """Standardise every dimension over frames, so that an offset common to all frames does not choose the codes."""
    return norm(features.flatten(0, 1)).unflatten(0, features.shape[:2])


def perplexity(codes: Int[Tensor, "*frames books"], size: int) -> Float[Tensor, " books"]:
    """Perplexity of codes per codebook, exp of the entropy of their frequencies: 1 (collapse) to ``size``."""
    counts = torch.stack([torch.bincount(book, minlength=size) for book in codes.flatten(0, -2).T])
    return entropy(counts / counts.sum(dim=1, keepdim=True)).exp()


def diversity_loss(probabilities: Float[Tensor, "books codes"]) -> Float[Tensor, ""]:
    """Diversity loss L_d: 1 minus the perplexity of the mean probabilities over the number of codes."""
    return 1 - (entropy(probabilities).exp() / probabilities.shape[1]).mean()


def entropy(probabilities: Float[Tensor, "*books codes"]) -> Float[Tensor, "*books"]:
    """Entropy in nats along the last axis."""
    return -torch.xlogy(probabilities, probabilities).sum(-1)
