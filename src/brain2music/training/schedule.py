"""Learning-rate schedules over the budget of steps or minutes."""

import math

import torch

WARMUP_STEPS = 200
"""Steps over which the learning rate rises from zero."""


def cosine(progress: float, step: int, last: float = 0.05, warmup_steps: int = WARMUP_STEPS) -> float:
    """Factor of the learning rate: a linear warm-up over ``warmup_steps``, then a cosine from 1 down to ``last``.

    Parameters
    ----------
    progress : share of the budget (steps or minutes) that is spent, ``engine.progress``.
    step : number of the step, from 0.
    """
    falling = last + (1 - last) * (1 + math.cos(math.pi * min(1.0, progress))) / 2
    return falling * min(1.0, (step + 1) / max(1, warmup_steps))


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of all of an optimizer's parameters."""
    for group in optimizer.param_groups:
        group["lr"] = lr
