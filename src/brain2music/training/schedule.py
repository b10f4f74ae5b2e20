"""Learning rates over the budget."""

import math

import torch

WARM_UP = 200
"""Steps over which the learning rate rises from zero."""


def cosine(progress: float, step: int, last: float = 0.05, warm_up: int = WARM_UP) -> float:
    """The factor of the learning rate: rising over ``warm_up`` steps, falling as a cosine from 1 to ``last``.

    ``progress`` is the part of the budget that is spent (``engine.progress``), of steps or of minutes.
    """
    falling = last + (1 - last) * (1 + math.cos(math.pi * min(1.0, progress))) / 2
    return falling * min(1.0, (step + 1) / max(1, warm_up))


def set_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of all of an optimizer's parameters."""
    for group in optimizer.param_groups:
        group["lr"] = lr
