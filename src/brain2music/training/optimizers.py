"""Optimizers that several model families share."""

import torch
from torch import nn


def adamw(
    model: nn.Module, lr: float, weight_decay: float, betas: tuple[float, float], fused: bool | None = None
) -> torch.optim.AdamW:
    """AdamW with weight decay on matrices only, not on biases and scales."""
    groups = [
        {"params": [each for each in model.parameters() if each.ndim >= 2], "weight_decay": weight_decay},
        {"params": [each for each in model.parameters() if each.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr, betas=betas, fused=fused)
