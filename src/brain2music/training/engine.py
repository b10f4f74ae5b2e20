"""The engine of training: device, mixed precision, several GPUs, and the budget of steps and time."""

import time
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .._utils.cpu import multiplies_bfloat16
from .._utils.errors import Brain2MusicWarning, InputError
from .arguments import TrainingArguments

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Engine:
    """Device, mixed precision and optimizer steps of a training.

    :func:`fit` passes it to :meth:`Task.update`. It uses accelerate; ``accelerate launch`` trains on several GPUs.

    Parameters
    ----------
    arguments : TrainingArguments
        Steps or minutes, precision and device.
    start_time : float, optional
        Value of ``time.monotonic()`` from which the minutes count; default now.

    Attributes
    ----------
    device : torch.device
        Device of batches and models.
    progress : float
        Share of training that is done, 0 to 1: of the steps or of the minutes, whichever is greater. For schedules.
    is_main : bool
        Whether this process writes files.

    Raises
    ------
    InputError
        There is no such device.

    Examples
    --------
    >>> from brain2music.training import Engine, TrainingArguments
    >>> engine = Engine(TrainingArguments(device="cpu"))
    >>> engine.device, engine.is_main
    (device(type='cpu'), True)
    """

    device: torch.device
    progress: float

    def __init__(self, arguments: TrainingArguments, start_time: float | None = None) -> None:
        from accelerate import Accelerator
        from accelerate.utils import DistributedDataParallelKwargs

        if arguments.device is not None and arguments.device.startswith("cuda") and not torch.cuda.is_available():
            raise InputError(f"there is no {arguments.device} device here", None, "leave --device away, or give cpu")
        self._accelerator = Accelerator(
            cpu=arguments.device == "cpu",
            gradient_accumulation_steps=arguments.accumulate,
            mixed_precision="no",  # autocast and scaling are explicit, see below
            kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],  # two passes before one backward
        )
        self.arguments, self.device = arguments, self._accelerator.device
        self.is_main = self._accelerator.is_main_process
        if arguments.precision == "bf16" and self.device.type == "cpu" and not multiplies_bfloat16():
            what = "this processor emulates bfloat16, twenty times slower than single precision: use --precision no"
            warnings.warn(what, Brain2MusicWarning, stacklevel=2)
        self.progress = 0.0
        self.seconds_before = 0.0
        self._start_time = time.monotonic() if start_time is None else start_time
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=arguments.precision == "fp16")
        self._mark, self._left, self._per_second = (self._start_time, 0), 0.0, 0.0
        self._skipped = torch.zeros(2, device=self.device)  # in all since the last call of skipped(), and in a row
        if self.device.type == "cuda":
            torch.backends.cudnn.benchmark = True
            torch.set_float32_matmul_precision("high")

    def autocast(self) -> AbstractContextManager[None]:
        """Context of a forward pass in mixed precision; losses and quantizers belong outside of it."""
        dtype = _DTYPES.get(self.arguments.precision, torch.bfloat16)
        return torch.autocast(self.device.type, dtype, enabled=self.arguments.precision != "no")

    def backward(self, loss: Tensor) -> None:
        """Accumulate the gradients of ``loss`` (scaled where the precision is fp16)."""
        self._accelerator.backward(self.scaler.scale(loss))

    def gradient(self, loss: Tensor, at: Tensor) -> Tensor:
        """Compute the gradient of ``loss`` with respect to one tensor; the graph stays for a later :meth:`backward`.

        Parameters
        ----------
        loss : Tensor of shape ()
            Loss.
        at : Tensor
            Tensor of the graph.

        Returns
        -------
        Tensor
            Gradient, of the shape of ``at``.
        """
        (slope,) = torch.autograd.grad(self.scaler.scale(loss), at, retain_graph=True)
        return slope / self.scaler.get_scale() if self.scaler.is_enabled() else slope

    def step(self, optimizer: torch.optim.Optimizer, clip: float | None = None) -> Tensor | None:
        """Step an optimizer and clear its gradients.

        A step whose gradients are not finite is skipped, without waiting for the device where the optimizer is fused.

        Parameters
        ----------
        optimizer : torch.optim.Optimizer
            Optimizer of the task.
        clip : float, optional
            Largest gradient norm; default no clipping.

        Returns
        -------
        Tensor or None
            Norm of the gradients before clipping; None while gradients are accumulated.
        """
        if not self._accelerator.sync_gradients:
            return None
        unwrapped = getattr(optimizer, "optimizer", optimizer)  # accelerate wraps it
        self.scaler.unscale_(unwrapped)
        parameters = [parameter for group in unwrapped.param_groups for parameter in group["params"]]
        norm = self._accelerator.clip_grad_norm_(parameters, float("inf") if clip is None else clip)
        non_finite = ~torch.isfinite(norm)
        self._skipped = torch.stack([self._skipped[0] + non_finite, (self._skipped[1] + 1) * non_finite])
        self._apply(unwrapped, non_finite)
        unwrapped.zero_grad(set_to_none=True)
        return norm

    def unwrap(self, model: nn.Module) -> nn.Module:
        """Return the module without its wrapper for several GPUs, to call other methods or without gradients."""
        return self._accelerator.unwrap_model(model)

    # The methods below are for the training loop.

    def prepare(self, models: dict[str, nn.Module], optimizers: dict[str, torch.optim.Optimizer]) -> None:
        """Move models to the device; with several processes, replace models and optimizers with wrapped ones."""
        names = [(models, name) for name in models] + [(optimizers, name) for name in optimizers]
        for model in models.values():
            model.to(self.device).train()
        wrapped = self._accelerator.prepare(*(owner[name] for owner, name in names))
        wrapped = wrapped if isinstance(wrapped, tuple) else (wrapped,)
        for (owner, name), value in zip(names, wrapped, strict=True):
            owner[name] = value

    def batch_numbers(self, first: int, steps: int) -> Iterator[int]:
        """Numbers of the batches of this process from step ``first`` on; numbers run over all processes and steps."""
        world, rank = self._accelerator.num_processes, self._accelerator.process_index
        per_step = self.arguments.accumulate
        self._mark = (time.monotonic(), first)
        return (number * world + rank for number in range(first * per_step, steps * per_step))

    def seed_step(self, step: int) -> None:
        """Seed torch for one step; its randomness depends on seed, step and process, not on earlier steps."""
        entropy = (self.arguments.seed, step, self._accelerator.process_index)
        torch.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1))

    @contextmanager
    def accumulating(self, models: dict[str, nn.Module]) -> Iterator[None]:
        """The context of one of the batches whose gradients make one step."""
        with self._accelerator.accumulate(*models.values()):
            yield
        if self.scaler.is_enabled() and self._accelerator.sync_gradients:
            self.scaler.update()

    def out_of_time(self, done: int) -> bool:
        """Whether the limit of minutes is reached; sets ``progress``, the same for all processes."""
        spent = done / self.arguments.steps
        over = False
        if self.arguments.minutes is not None:
            seconds = self._broadcast(time.monotonic() - self._start_time)
            over = seconds >= 60 * self.arguments.minutes
            spent = max(spent, (self.seconds_before + seconds) / (self.seconds_before + 60 * self.arguments.minutes))
        self.progress = min(1.0, spent)
        return over

    @property
    def seconds(self) -> float:
        """Seconds of training, earlier calls that this one resumes included."""
        return self.seconds_before + time.monotonic() - self._start_time

    def speed(self, done: int, seconds_per_batch: float) -> dict[str, float]:
        """Speed since the last line of the log: steps and seconds of sound per second, and seconds to go."""
        now, (before, steps) = time.monotonic(), self._mark
        self._mark = (now, done)
        self._per_second = per_second = (done - steps) / max(now - before, 1e-9)
        batches = self.arguments.accumulate * self._accelerator.num_processes
        self._left = (self.arguments.steps - done) / per_second
        if self.arguments.minutes is not None:
            self._left = min(self._left, max(0.0, 60 * self.arguments.minutes - (now - self._start_time)))
        speed = {"steps_per_s": per_second, "eta_s": self._left}
        return speed | ({"audio_s_per_s": per_second * batches * seconds_per_batch} if seconds_per_batch else {})

    def expected_steps(self, done: int) -> int:
        """The step at which training will end, at the present speed."""
        return done + round(self._left * self._per_second)

    def skipped(self) -> tuple[int, int]:
        """Number of steps skipped since the last call, and number skipped in a row up to now."""
        skipped, streak = (int(value) for value in self._skipped.tolist())
        self._skipped[0] = 0
        return skipped, streak

    def wait(self) -> None:
        """Wait for all processes."""
        self._accelerator.wait_for_everyone()

    def _apply(self, optimizer: torch.optim.Optimizer, non_finite: Tensor) -> None:
        if self.scaler.is_enabled():
            self.scaler.step(optimizer)
        elif optimizer.defaults.get("fused"):
            optimizer.found_inf = non_finite.float()  # type: ignore[attr-defined]
            optimizer.step()
        elif not non_finite.item():
            optimizer.step()

    def _broadcast(self, value: float) -> float:
        if self._accelerator.num_processes == 1:
            return value
        from accelerate.utils import broadcast

        return float(broadcast(torch.tensor([value], dtype=torch.float64, device=self.device))[0])


def to_device(value: Any, device: torch.device) -> Any:
    """Move the tensors in dicts, lists and tuples to a device, without waiting where they are pinned."""
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, dict):
        return {name: to_device(item, device) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(to_device(item, device) for item in value)
    return value
