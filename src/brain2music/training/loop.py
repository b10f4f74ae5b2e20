"""One training loop for every model of ours: resumable to the same losses, on one CPU or many GPUs.

A model family is a :class:`Task`; how long and how it is trained is a :class:`Plan`; :func:`fit` does it and leaves in
``out``::

    checkpoints/last.safetensors   weights, averaged weights, optimizers; scalars as JSON in its header (atomic)
    log.jsonl                      a line every ``log_every`` steps and every validation
    curves.png                     the losses, where matplotlib is installed
    samples/step-0001000/          what the task writes while it trains
    model/                         what users load, with its card
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
from .average import Averages
from .checkpoint import load_checkpoint, save_checkpoint
from .engine import Engine
from .journal import Journal, draw_curves
from .plan import Plan
from .prefetch import prefetched
from .task import Task

__all__ = ["Engine", "Plan", "Task", "fit"]

PATIENCE = 10
"""Steps in a row with losses or gradients that are not finite before training stops."""
DRAWN_EVERY = 120.0
"""Seconds between pictures of the curves: one takes about a second."""


def fit(task: Task, plan: Plan, out: str | Path, resume: bool = False, began: float | None = None) -> Path:
    """Train, and write everything to ``out``; the folder of the exported model.

    Parameters
    ----------
    resume : go on from the last checkpoint in ``out`` (from the beginning where there is none). On a CPU the losses
        are then those of a training that was never stopped.
    began : ``time.monotonic()`` from which ``plan.minutes`` counts; default now.

    Raises
    ------
    InputError : ``out`` holds a training and ``resume`` is False; its checkpoint is of another model; or gradients
        stay non-finite.
    """
    training = _Training(task, plan, Path(out), resume, began)
    engine, done = training.engine, training.first
    numbers = engine.batch_numbers(done, plan.steps)
    with prefetched(task.batch, numbers, plan.workers, engine.device) as batches, progress("train") as advance:
        while done < plan.steps and not engine.out_of_time(done):
            training.step(batches, done)
            done += 1
            if done % plan.log_every == 0:
                training.log(done)
                advance(done, engine.expected_steps(done))
            if done % plan.validate_every == 0:
                training.validate(done)
            if done % plan.checkpoint_every == 0:
                training.save(done)
    if done % plan.validate_every:
        training.validate(done)
    if done % plan.checkpoint_every:
        training.save(done)
    return training.export(done)


class _Training:
    """The parts of one training, and what is done with them every so many steps."""

    def __init__(self, task: Task, plan: Plan, out: Path, resume: bool, began: float | None) -> None:
        self.task, self.plan, self.out = task, plan, out
        self.checkpoint = out / "checkpoints" / "last.safetensors"
        if self.checkpoint.exists() and not resume:
            raise InputError("this folder holds a training already", out, "give --resume to go on, or another folder")
        self.engine = Engine(plan, began)
        averaged = {name: task.models[name] for name in task.averaged}
        self.averages = Averages(averaged, plan.ema_decay, self.engine.device)
        self.engine.prepare(task.models, task.optimizers)
        self.first, window, self._drawn = 0, None, time.monotonic()
        if self.checkpoint.exists():
            self.first, window = load_checkpoint(self.checkpoint, task, self.averages, self.engine)
        self.journal = Journal(out / "log.jsonl", self.first, window, write=self.engine.is_main)

    def step(self, batches: Iterator[Any], step: int) -> None:
        """One optimizer step of every optimizer, on ``plan.accumulate`` batches."""
        self.engine.start(step)
        for _ in range(self.plan.accumulate):
            batch = next(batches)
            with self.engine.accumulating(self.task.models):
                self.journal.add(self.task.update(batch, step, self.engine))
        self.averages.update(self._bare())

    def log(self, done: int) -> None:
        """Write a line, and say or raise what is wrong."""
        self.journal.log(done, self.engine.speed(done, getattr(self.task, "seconds_per_batch", 0.0)))
        skipped, streak = self.engine.skipped()
        if streak >= PATIENCE:
            hint = "lower the learning rate, use --precision no or look at the data, then give --resume"
            raise InputError(f"the gradients were not finite in {streak} steps in a row", self.out, hint)
        if skipped:
            self._warn(f"{skipped} steps up to {done} had non-finite gradients and were skipped")
        self._warn(self.task.complaint(self.journal.history))

    def validate(self, done: int) -> None:
        """Validation and samples by the averaged weights, on the main process; the curves as far as they are."""
        if self.engine.is_main:
            with self.averages.standing_in(self._bare()) as models, torch.no_grad():
                values = {f"val_{name}": float(value) for name, value in self.task.validate(models).items()}
                self.journal.write(done, values)
                self.task.sample(models, self.out / "samples" / f"step-{done:07d}")
            if time.monotonic() - self._drawn > DRAWN_EVERY:
                self._draw()
        self.engine.wait()

    def save(self, done: int) -> None:
        """Replace the checkpoint."""
        if self.engine.is_main:
            save_checkpoint(self.checkpoint, self.task, self.averages, self.engine, done, self.journal.window())
        self.engine.wait()

    def export(self, done: int) -> Path:
        """Write the model that users load; its folder."""
        folder = self.out / "model"
        if self.engine.is_main:
            with self.averages.standing_in(self._bare()) as models, torch.no_grad():
                self.task.export(models, folder)
            self._draw()
            ended = "the time is up" if done < self.plan.steps else "all steps done"
            print(f"{folder}: exported after {done} steps ({ended})")
        self.engine.wait()
        return folder

    def _bare(self) -> dict[str, nn.Module]:
        return {name: self.engine.bare(model) for name, model in self.task.models.items()}

    def _draw(self) -> None:
        draw_curves(self.journal.path, self.out / "curves.png")
        self._drawn = time.monotonic()

    def _warn(self, sentence: str | None) -> None:
        """Warn once by each sentence."""
        if sentence is not None and sentence not in self.journal.warned and self.engine.is_main:
            self.journal.warned.add(sentence)
            warnings.warn(Brain2MusicWarning(sentence), stacklevel=3)
