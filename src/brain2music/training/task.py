"""The interface between a model family and the training loop."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from .engine import Engine


@runtime_checkable
class Task(Protocol):
    """A family of models to train: its networks, batches, losses, validation and export.

    Attributes
    ----------
    models : all modules with weights, by name; call them as modules (``self.models["generator"](x)``), because with
        several GPUs :func:`fit` replaces them with wrapped ones (``engine.unwrap(model)`` is the module itself).
    optimizers : by name; replaced likewise. Step them with ``engine.step(optimizer)``.
    averaged : names of the models whose weights are averaged (EMA); may be empty.

    A task may also have ``seconds_per_batch``, the seconds of sound in a batch, from which throughput is logged.
    """

    models: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]
    averaged: tuple[str, ...]

    def batch(self, step: int) -> Any:
        """Make a batch of CPU tensors (in dicts, lists or tuples), a pure function of seed and step; run in threads."""

    def update(self, batch: Any, step: int, engine: Engine) -> Mapping[str, Tensor | float]:
        """Train on one batch and return the values to log.

        Forward in ``engine.autocast()``, then ``engine.backward(loss)`` and ``engine.step(optimizer)``. Return tensors
        without ``.item()``: they are read only when a line is logged. Randomness comes from torch's global generators,
        which are seeded at every step.
        """

    def validate(self, models: dict[str, nn.Module]) -> Mapping[str, float]:
        """Validate the averaged weights, in eval mode and without gradients, and return the values to log."""

    def export(self, models: dict[str, nn.Module], folder: Path) -> None:
        """Write the model that users load (``save_pretrained``) and its model card."""

    def sample(self, models: dict[str, nn.Module], folder: Path) -> None:
        """Write samples during training; may do nothing. After a resume the folder may exist."""

    def check_divergence(self, history: list[dict[str, float]]) -> str | None:
        """Look for divergence in the lines of the log: return the text of a warning, or None.

        Raise :class:`~brain2music._utils.errors.InputError` to stop the training.
        """
