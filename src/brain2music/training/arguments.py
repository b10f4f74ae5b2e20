"""How long, on what and in which precision a model is trained."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TrainingArguments:
    """How long, in which precision and where a model is trained.

    All model families have these settings; those of a single family are its hyper-parameters.

    Attributes
    ----------
    steps : int
        Optimizer steps in all.
    minutes : float or None
        Wall-clock limit of this call in minutes, at which training stops and the model is exported; None for no limit.
    precision : {"no", "bf16", "fp16"}
        Mixed precision of forward passes; "no" is single precision.
    accumulate : int
        Batches whose gradients are summed into one step.
    ema_decay : float
        Decay of the moving average of weights, min(ema_decay, (1 + n) / (10 + n)) after n steps.
    validate_every : int
        Steps between validations, which also write samples.
    checkpoint_every : int
        Steps between checkpoints.
    log_every : int
        Steps between lines of the log.
    seed : int
        Seed of the random numbers inside :meth:`Task.update`.
    device : str or None
        "cpu", "cuda", ...; None for the GPU where there is one.
    workers : int
        Threads that prepare batches in advance.

    Examples
    --------
    >>> from brain2music.training import TrainingArguments
    >>> TrainingArguments(steps=1000, minutes=30.0, device="cpu").precision
    'no'
    """

    steps: int = 100_000
    minutes: float | None = None
    precision: Literal["no", "bf16", "fp16"] = "no"
    accumulate: int = 1
    ema_decay: float = 0.999
    validate_every: int = 1000
    checkpoint_every: int = 1000
    log_every: int = 50
    seed: int = 0
    device: str | None = None
    workers: int = 2
