"""k-means in torch, on whichever device the vectors are."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

_MOST = 65536  # vectors that k-means looks at; more make it slower, not better
_BLOCK = 16384  # vectors whose distances to all centres are held at once


@torch.no_grad()
def kmeans(
    vectors: Float[Tensor, "vectors dim"], size: int, iterations: int, generator: torch.Generator | None = None
) -> Float[Tensor, "size dim"]:
    """``size`` centres by Lloyd's iterations from random vectors; empty clusters start again from random ones.

    With fewer vectors than centres, the vectors are taken several times.
    """
    order = torch.randperm(len(vectors), generator=generator, device=vectors.device)
    vectors = vectors[order[:_MOST]]
    centres = vectors[torch.arange(size, device=vectors.device) % len(vectors)].clone()
    for _ in range(iterations):
        ids = nearest_centre(vectors, centres)
        counts = vectors.new_zeros(size).index_add_(0, ids, vectors.new_ones(len(ids)))
        sums = torch.zeros_like(centres).index_add_(0, ids, vectors)
        fresh = vectors[torch.randint(len(vectors), (size,), generator=generator, device=vectors.device)]
        centres = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], fresh)
    return centres


@torch.no_grad()
def nearest_centre(
    vectors: Float[Tensor, "vectors dim"], centres: Float[Tensor, "size dim"]
) -> Int[Tensor, " vectors"]:
    """The id of the centre with the least squared distance to each vector."""
    half = centres.square().sum(1) / 2
    blocks = [torch.addmm(half, block, centres.T, alpha=-1).argmin(1) for block in vectors.split(_BLOCK)]
    return torch.cat(blocks)
