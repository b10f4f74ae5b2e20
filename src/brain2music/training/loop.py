"""The training loop of all model families: resumable to the same losses, on one CPU or many GPUs.

A model family is a :class:`Task`; how long and in which precision it is trained is set by :class:`TrainingArguments`;
:func:`fit` trains it and leaves in ``out``::

    checkpoints/last.safetensors   weights, averaged weights, optimizers; scalars as JSON in its header (atomic)
    log.jsonl                      one line per ``log_every`` steps and per validation
    curves.png                     the losses, where matplotlib is installed
    samples/step-0001000/          samples that the task writes during training
    model/                         the exported model, with its model card
"""

import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .._utils.errors import Brain2MusicWarning, InputError
from .._utils.progress import progress
from .arguments import TrainingArguments
from .checkpoint import load_checkpoint, save_checkpoint
from .ema import EMA
from .engine import Engine
from .log import TrainingLog, draw_curves
from .prefetch import prefetch_batches
from .task import Task

__all__ = ["Engine", "Task", "TrainingArguments", "fit"]

PATIENCE = 10
"""Steps in a row with losses or gradients that are not finite before training stops."""
DRAW_EVERY_S = 120.0
"""Seconds between drawings of the curves: each takes about a second."""


def fit(
    task: Task, arguments: TrainingArguments, out: str | Path, resume: bool = False, start_time: float | None = None
) -> Path:
    """Train a task, and write checkpoints, log, samples and model.

    Training can be interrupted and resumed; on a CPU the losses are then those of a training that never stopped.
    ``out`` gets ``checkpoints/last.safetensors``, ``log.jsonl``, ``curves.png`` (where matplotlib is installed),
    ``samples`` and ``model``.

    Parameters
    ----------
    task : Task
        Models, their data and their losses.
    arguments : TrainingArguments
        Steps or minutes, precision and device.
    out : str or Path
        Folder to write.
    resume : bool, default False
        Whether to resume from the last checkpoint in ``out`` (from the beginning where there is none).
    start_time : float, optional
        Value of ``time.monotonic()`` from which ``arguments.minutes`` counts; default now.

    Returns
    -------
    Path
        Folder of the model.

    Raises
    ------
    InputError
        ``out`` holds a training and ``resume`` is False, its checkpoint is of another model, or gradients stay
        non-finite.

    Examples
    --------
    >>> import torch
    >>> from brain2music.training import TrainingArguments, fit, read_log
    >>> class Line:  # see Task
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
    ...
    ...     def sample(self, models, folder):
    ...         pass
    ...
    ...     def check_divergence(self, history):
    ...         return None
    >>> folder = fit(Line(), TrainingArguments(steps=100, log_every=50, device="cpu", workers=0), "out")
    out/model: exported after 100 steps (all steps done)
    >>> slopes = [line["val_slope"] for line in read_log("out/log.jsonl") if "val_slope" in line]
    >>> round(slopes[-1], 1)
    3.0
    """
    training = _Training(task, arguments, Path(out), resume, start_time)
    engine, done = training.engine, training.first
    numbers = engine.batch_numbers(done, arguments.steps)
    with (
        prefetch_batches(task.batch, numbers, arguments.workers, engine.device) as batches,
        progress("train") as advance,
    ):
        while done < arguments.steps and not engine.out_of_time(done):
            training.step(batches, done)
            done += 1
            if done % arguments.log_every == 0:
                training.log(done)
                advance(done, engine.expected_steps(done))
            if done % arguments.validate_every == 0:
                training.validate(done)
            if done % arguments.checkpoint_every == 0:
                training.save(done)
    if done % arguments.validate_every:
        training.validate(done)
    if done % arguments.checkpoint_every:
        training.save(done)
    return training.export(done)


class _Training:
    """The state of one training, and the work done every step, log line, validation and checkpoint."""

    def __init__(
        self, task: Task, arguments: TrainingArguments, out: Path, resume: bool, start_time: float | None
    ) -> None:
        self.task, self.arguments, self.out = task, arguments, out
        self.checkpoint = out / "checkpoints" / "last.safetensors"
        if self.checkpoint.exists() and not resume:
            raise InputError("this folder holds a training already", out, "give --resume to go on, or another folder")
        self.engine = Engine(arguments, start_time)
        averaged = {name: task.models[name] for name in task.averaged}
        self.ema = EMA(averaged, arguments.ema_decay, self.engine.device)
        self.engine.prepare(task.models, task.optimizers)
        self.first, window, self._last_drawing = 0, None, time.monotonic()
        if self.checkpoint.exists():
            self.first, window = load_checkpoint(self.checkpoint, task, self.ema, self.engine)
        self.training_log = TrainingLog(out / "log.jsonl", self.first, window, write=self.engine.is_main)

    def step(self, batches: Iterator[Any], step: int) -> None:
        """One optimizer step of every optimizer, on ``arguments.accumulate`` batches."""
        self.engine.seed_step(step)
        for _ in range(self.arguments.accumulate):
            batch = next(batches)
            with self.engine.accumulating(self.task.models):
                self.training_log.add(self.task.update(batch, step, self.engine))
        self.ema.update(self._unwrapped())

    def log(self, done: int) -> None:
        """Write a line of the log; warn of divergence, or raise it."""
        self.training_log.log(done, self.engine.speed(done, getattr(self.task, "seconds_per_batch", 0.0)))
        skipped, streak = self.engine.skipped()
        if streak >= PATIENCE:
            hint = "lower the learning rate, use --precision no or look at the data, then give --resume"
            raise InputError(f"the gradients were not finite in {streak} steps in a row", self.out, hint)
        if skipped:
            self._warn(f"{skipped} steps up to {done} had non-finite gradients and were skipped")
        self._warn(self.task.check_divergence(self.training_log.history))

    def validate(self, done: int) -> None:
        """Validate the averaged weights and write samples with them, on the main process; draw the curves so far."""
        if self.engine.is_main:
            with self.ema.evaluation_models(self._unwrapped()) as models, torch.no_grad():
                values = {f"val_{name}": float(value) for name, value in self.task.validate(models).items()}
                self.training_log.write(done, values)
                self.task.sample(models, self.out / "samples" / f"step-{done:07d}")
            if time.monotonic() - self._last_drawing > DRAW_EVERY_S:
                self._draw()
        self.engine.wait()

    def save(self, done: int) -> None:
        """Write the checkpoint, in place of the one before."""
        if self.engine.is_main:
            save_checkpoint(self.checkpoint, self.task, self.ema, self.engine, done, self.training_log.window())
        self.engine.wait()

    def export(self, done: int) -> Path:
        """Export the model that users load; return its folder."""
        folder = self.out / "model"
        if self.engine.is_main:
            with self.ema.evaluation_models(self._unwrapped()) as models, torch.no_grad():
                self.task.export(models, folder)
            self._draw()
            reason = "the time is up" if done < self.arguments.steps else "all steps done"
            print(f"{folder}: exported after {done} steps ({reason})")
        self.engine.wait()
        return folder

    def _unwrapped(self) -> dict[str, nn.Module]:
        return {name: self.engine.unwrap(model) for name, model in self.task.models.items()}

    def _draw(self) -> None:
        draw_curves(self.training_log.path, self.out / "curves.png")
        self._last_drawing = time.monotonic()

    def _warn(self, message: str | None) -> None:
        """Give each warning once."""
        if message is not None and message not in self.training_log.warned and self.engine.is_main:
            self.training_log.warned.add(message)
            warnings.warn(Brain2MusicWarning(message), stacklevel=3)
