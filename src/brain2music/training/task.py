"""The interface between a model family and the training loop."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from .engine import Engine


@runtime_checkable
class Task(Protocol):
    """Family of models to train: networks, batches, losses, validation and export.

    This is the protocol of what :func:`fit` trains. A task may also have ``seconds_per_batch``, the seconds of sound in
    a batch, from which throughput is logged.

    Attributes
    ----------
    models : dict of str to torch.nn.Module
        All modules with weights. Call them as modules (``self.models["generator"](x)``), because with several GPUs
        :func:`fit` replaces them with wrapped ones (``engine.unwrap(model)`` is the module itself).
    optimizers : dict of str to torch.optim.Optimizer
        Optimizers, which are replaced likewise. Step them with ``engine.step(optimizer)``.
    averaged : tuple of str
        Names of the models whose weights are averaged (EMA); may be empty.

    Examples
    --------
    A task that fits a line; :func:`fit` trains it:

    >>> import torch
    >>> from brain2music.training import Task
    >>> class Line:
    ...     averaged = ("line",)
    ...
    ...     def __init__(self):
    ...         self.models = {"line": torch.nn.Linear(1, 1)}
    ...         self.optimizers = {"line": torch.optim.Adam(self.models["line"].parameters(), lr=0.1)}
    ...
    ...     def batch(self, step):
    ...         x = torch.randn(32, 1, generator=torch.Generator().manual_seed(step))
    ...         return x, 3 * x + 1
    ...
    ...     def update(self, batch, step, engine):
    ...         x, y = batch
    ...         loss = (self.models["line"](x) - y).square().mean()
    ...         engine.backward(loss)
    ...         engine.step(self.optimizers["line"])
    ...         return {"loss": loss.detach()}
    ...
    ...     def validate(self, models):
    ...         return {"slope": float(models["line"].weight)}
    ...
    ...     def export(self, models, folder):
    ...         folder.mkdir(parents=True, exist_ok=True)
    ...         torch.save(models["line"].state_dict(), folder / "line.pt")
    ...
    ...     def sample(self, models, folder):
    ...         pass
    ...
    ...     def check_divergence(self, history):
    ...         return None
    >>> isinstance(Line(), Task)
    True
    """

    models: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]
    averaged: tuple[str, ...]

    def batch(self, step: int) -> Any:
        """Make a batch.

        It is called in threads, so it depends on its argument and a seed only.

        Parameters
        ----------
        step : int
            Number of the batch.

        Returns
        -------
        object
            CPU tensors, in dicts, lists or tuples.
        """

    def update(self, batch: Any, step: int, engine: Engine) -> Mapping[str, Tensor | float]:
        """Train on one batch and return the values to log.

        Compute the loss in ``engine.autocast()``, then call ``engine.backward(loss)`` and ``engine.step(optimizer)``.
        Return tensors without ``.item()``: they are read only when a line is logged. Random numbers come from torch's
        global generators, which are seeded at every step.

        Parameters
        ----------
        batch : object
            Output of :meth:`batch`, on the device.
        step : int
            Number of the step.
        engine : Engine
            Device, precision and optimizer steps.

        Returns
        -------
        dict of str to Tensor or float
            Values to log.
        """

    def validate(self, models: dict[str, nn.Module]) -> Mapping[str, float]:
        """Validate the averaged weights, in evaluation mode and without gradients, and return the values to log.

        Parameters
        ----------
        models : dict of str to torch.nn.Module
            Models, with averaged weights where there are any.

        Returns
        -------
        dict of str to float
            Values to log.
        """

    def export(self, models: dict[str, nn.Module], folder: Path) -> None:
        """Write the model that users load, and its model card.

        Parameters
        ----------
        models : dict of str to torch.nn.Module
            Models, with averaged weights where there are any.
        folder : Path
            Folder of the model.
        """

    def sample(self, models: dict[str, nn.Module], folder: Path) -> None:
        """Write samples during training; may do nothing. After a resume the folder may exist."""

    def check_divergence(self, history: list[dict[str, float]]) -> str | None:
        """Look for divergence in the lines of the log.

        Parameters
        ----------
        history : list of dict of str to float
            Lines of the log.

        Returns
        -------
        str or None
            Text of a warning, if any.

        Raises
        ------
        InputError
            Training has failed and is to stop.
        """
