"""Learning-rate schedules over the budget of steps or minutes."""

import math

import torch

WARMUP_STEPS = 200
"""Steps over which the learning rate rises from zero."""


def cosine(progress: float, step: int, last: float = 0.05, warmup_steps: int = WARMUP_STEPS) -> float:
    """Factor of the learning rate: a linear warm-up, then a cosine from 1 to ``last``.

    Parameters
    ----------
    progress : float
        Share of training that is done, 0 to 1 (``engine.progress``).
    step : int
        Number of the step, from 0.
    last : float, default 0.05
        Factor at the end.
    warmup_steps : int, default 200
        Steps of the warm-up.

    Returns
    -------
    float
        Factor, 0 to 1.

    Examples
    --------
    >>> from brain2music.training import cosine
    >>> [round(cosine(progress, step), 3) for progress, step in ((0.0, 0), (0.1, 199), (0.5, 5000), (1.0, 9999))]
    [0.005, 0.977, 0.525, 0.05]
    """
    falling = last + (1 - last) * (1 + math.cos(math.pi * min(1.0, progress))) / 2
    return falling * min(1.0, (step + 1) / max(1, warmup_steps))


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of all parameters of an optimizer.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        Optimizer.
    lr : float
        Learning rate.

    Examples
    --------
    >>> import torch
    >>> from brain2music.training import set_lr
    >>> optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    >>> set_lr(optimizer, 0.5)
    >>> optimizer.param_groups[0]["lr"]
    0.5
    """
    for group in optimizer.param_groups:
        group["lr"] = lr
