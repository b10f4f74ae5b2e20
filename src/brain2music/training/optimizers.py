"""Optimizers that several model families share."""

import torch
from torch import nn


def adamw(
    model: nn.Module, lr: float, weight_decay: float, betas: tuple[float, float], fused: bool | None = None
) -> torch.optim.AdamW:
    """Make an AdamW optimizer with weight decay on matrices only.

    Biases and scales have no weight decay.

    Parameters
    ----------
    model : torch.nn.Module
        Model to train.
    lr : float
        Learning rate.
    weight_decay : float
        Weight decay of matrices.
    betas : tuple of float
        Decay rates of the moving averages of gradients and their squares.
    fused : bool, optional
        Whether to use the fused implementation; default that of torch.

    Returns
    -------
    torch.optim.AdamW
        The optimizer.

    Examples
    --------
    >>> from torch import nn
    >>> from brain2music.training import adamw
    >>> optimizer = adamw(nn.Linear(3, 3), lr=1e-3, weight_decay=0.05, betas=(0.9, 0.98))
    >>> [group["weight_decay"] for group in optimizer.param_groups]
    [0.05, 0.0]
    """
    groups = [
        {"params": [each for each in model.parameters() if each.ndim >= 2], "weight_decay": weight_decay},
        {"params": [each for each in model.parameters() if each.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr, betas=betas, fused=fused)
