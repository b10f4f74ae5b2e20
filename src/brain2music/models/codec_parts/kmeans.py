"""k-means in torch, on the device of the vectors."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

_MOST = 65536  # largest number of vectors used; more make k-means slower, not better
_BLOCK = 16384  # vectors whose distances to all centres are in memory at once


@torch.no_grad()
def kmeans(
    vectors: Float[Tensor, "vectors dim"], size: int, iterations: int, generator: torch.Generator | None = None
) -> Float[Tensor, "size dim"]:
    """Find ``size`` centres using Lloyd's iterations from random vectors; empty clusters restart from random vectors.

    With fewer vectors than centres, vectors are used several times.
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
    """Index of the nearest centre to each vector (squared distance)."""
    half = centres.square().sum(1) / 2
    blocks = [torch.addmm(half, block, centres.T, alpha=-1).argmin(1) for block in vectors.split(_BLOCK)]
    return torch.cat(blocks)
