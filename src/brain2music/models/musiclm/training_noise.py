"""Noise on the past of a stage in training, so that it follows its condition where sampled tokens contradict it."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def past_dropout_mask(
    inputs: Float[Tensor, "batch steps width"], past_dropout: float
) -> Float[Tensor, "batch steps 1"]:
    """Random mask of past steps: an example keeps all of them, or each with a random probability; always the start."""
    hidden_share = torch.rand(len(inputs), 1, device=inputs.device)
    hidden_share = torch.where(torch.rand_like(hidden_share) < past_dropout, hidden_share, 0.0)
    kept = torch.rand(inputs.shape[:2], device=inputs.device) >= hidden_share
    kept[:, 0] = True
    return kept[..., None].to(inputs.dtype)


def with_token_noise(
    codes: Int[Tensor, "batch quantizers frames"], probability: float
) -> Int[Tensor, "batch quantizers frames"]:
    """Token noise: some examples begin as their neighbour does, up to a random frame, with the given probability."""
    batch, _, frames = codes.shape
    end = torch.randint(frames + 1, (batch, 1, 1), device=codes.device)
    noisy = (torch.rand(batch, 1, 1, device=codes.device) < probability) & (
        torch.arange(frames, device=codes.device) < end
    )
    return torch.where(noisy, codes.roll(1, 0), codes)
