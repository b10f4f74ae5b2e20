"""What a model family tells the training loop of itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from .engine import Engine


@runtime_checkable
class Task(Protocol):
    """One family of models being trained.

    Attributes
    ----------
    models : everything with weights, by name; call them as modules (``self.models["generator"](x)``), because with
        several GPUs :func:`fit` replaces them by wrapped ones (``engine.bare(model)`` is the module itself).
    optimizers : by name; replaced likewise. Step them by ``engine.step(optimizer)``.
    averaged : the names of the models whose weights are averaged (EMA); may be empty.

    A task may also have ``seconds_per_batch``, the seconds of sound in a batch, from which throughput is logged.
    """

    models: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]
    averaged: tuple[str, ...]

    def batch(self, step: int) -> Any:
        """CPU tensors (in dicts, lists or tuples), a pure function of the task's seed and ``step``; run in threads."""

    def update(self, batch: Any, step: int, engine: Engine) -> Mapping[str, Tensor | float]:
        """Forward in ``engine.autocast()``, ``engine.backward(loss)``, ``engine.step(optimizer)``; what to log.

        Return tensors as they are, without ``.item()``: they are read only when a line is logged. Randomness comes
        from torch's global generators, which are seeded anew at every step.
        """

    def validate(self, models: dict[str, nn.Module]) -> Mapping[str, float]:
        """What to log of a validation, with the averaged weights in place; in eval mode, without gradients."""

    def export(self, models: dict[str, nn.Module], folder: Path) -> None:
        """Write what users load (``save_pretrained`` and the model card)."""

    def sample(self, models: dict[str, nn.Module], folder: Path) -> None:
        """Write sounds and pictures while training runs; may do nothing. After a resume the folder may be there."""

    def complaint(self, history: list[dict[str, float]]) -> str | None:
        """A sentence to warn by when training goes wrong.

        Raise :class:`~brain2music._utils.errors.InputError` to stop it.
        """
