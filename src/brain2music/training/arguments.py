"""How long, on what and in which precision a model is trained."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TrainingArguments:
    """How long, on what and in which precision to train: what all model families have in common.

    Attributes
    ----------
    steps : optimizer steps in all.
    minutes : wall-clock limit of this call; when it is reached training stops cleanly and exports. None: no limit.
    precision : mixed precision of forward passes, ``engine.autocast()``; "no" is single precision.
    accumulate : batches whose gradients are summed into one step.
    ema_decay : decay of the moving average of weights, min(ema_decay, (1 + n) / (10 + n)) after n steps.
    validate_every, checkpoint_every, log_every : steps between validations (which also write samples), checkpoints,
        and lines of the log.
    seed : seed of the randomness inside ``Task.update``.
    device : "cpu", "cuda", ...; None: the best there is.
    workers : threads that prepare batches in advance.
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
