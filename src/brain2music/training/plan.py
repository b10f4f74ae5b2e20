"""How long and how a model is trained."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Plan:
    """How long and how to train.

    Attributes
    ----------
    steps : optimizer steps in all.
    minutes : wall-clock limit of this call; when it is reached training stops cleanly and exports. None: no limit.
    precision : of ``engine.autocast()``.
    accumulate : batches whose gradients are summed into one step.
    ema_decay : of the averaged weights (shorter at the start: min(decay, (1 + n) / (10 + n)) after n steps).
    validate_every, checkpoint_every, log_every : steps; validation also writes samples.
    seed : of the randomness inside ``update``.
    device : "cpu", "cuda", ...; None: the best there is.
    workers : threads that make batches ahead.
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
