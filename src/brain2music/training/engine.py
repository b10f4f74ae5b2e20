"""The machine that a training runs on: device, mixed precision, many GPUs, and the budget of steps and time."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .._utils.errors import InputError
from .plan import Plan

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Engine:
    """What a task's ``update`` needs of the machine; built on accelerate, so ``accelerate launch`` gives many GPUs.

    Attributes
    ----------
    device : where batches and models are.
    progress : how much of the budget (steps or minutes, whichever is further) is spent, 0 to 1; for schedules.
    is_main : whether this process writes.
    """

    device: torch.device
    progress: float

    def __init__(self, plan: Plan, began: float | None = None) -> None:
        from accelerate import Accelerator
        from accelerate.utils import DistributedDataParallelKwargs

        if plan.device is not None and plan.device.startswith("cuda") and not torch.cuda.is_available():
            raise InputError(f"there is no {plan.device} device here", None, "leave --device away, or give cpu")
        self._accelerator = Accelerator(
            cpu=plan.device == "cpu",
            gradient_accumulation_steps=plan.accumulate,
            mixed_precision="no",  # autocast and scaling are explicit, see below
            kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],  # two passes before one backward
        )
        self.plan, self.device, self.is_main = plan, self._accelerator.device, self._accelerator.is_main_process
        self.progress = 0.0
        self.seconds_before = 0.0
        self._began = time.monotonic() if began is None else began
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=plan.precision == "fp16")
        self._mark, self._left, self._per_second = (self._began, 0), 0.0, 0.0
        self._skipped = torch.zeros(2, device=self.device)  # in all since last asked, in a row
        if self.device.type == "cuda":
            torch.backends.cudnn.benchmark = True
            torch.set_float32_matmul_precision("high")

    def autocast(self) -> AbstractContextManager[None]:
        """The context of a forward pass in the plan's precision; losses and quantisers belong outside it."""
        dtype = _DTYPES.get(self.plan.precision, torch.bfloat16)
        return torch.autocast(self.device.type, dtype, enabled=self.plan.precision != "no")

    def backward(self, loss: Tensor) -> None:
        """Accumulate the gradients of ``loss`` (scaled where the precision is fp16)."""
        self._accelerator.backward(self.scaler.scale(loss))

    def gradient(self, loss: Tensor, at: Tensor) -> Tensor:
        """The gradient of ``loss`` at one tensor alone; the graph stays for a later ``backward``."""
        (slope,) = torch.autograd.grad(self.scaler.scale(loss), at, retain_graph=True)
        return slope / self.scaler.get_scale() if self.scaler.is_enabled() else slope

    def step(self, optimizer: torch.optim.Optimizer, clip: float | None = None) -> Tensor | None:
        """Step and clear the gradients; the norm they had before clipping to ``clip``, or None while accumulating.

        A step whose gradients are not finite is skipped, without waiting for the device where the optimizer is fused.
        """
        if not self._accelerator.sync_gradients:
            return None
        bare = getattr(optimizer, "optimizer", optimizer)  # accelerate wraps it
        self.scaler.unscale_(bare)
        parameters = [parameter for group in bare.param_groups for parameter in group["params"]]
        norm = self._accelerator.clip_grad_norm_(parameters, float("inf") if clip is None else clip)
        bad = ~torch.isfinite(norm)
        self._skipped = torch.stack([self._skipped[0] + bad, (self._skipped[1] + 1) * bad])
        self._apply(bare, bad)
        bare.zero_grad(set_to_none=True)
        return norm

    def bare(self, model: nn.Module) -> nn.Module:
        """The module itself, out of what several GPUs wrap it in: for its other methods and for frozen passes."""
        return self._accelerator.unwrap_model(model)

    # What follows is the loop's.

    def prepare(self, models: dict[str, nn.Module], optimizers: dict[str, torch.optim.Optimizer]) -> None:
        """Move models to the device and replace them and their optimizers by what several processes need."""
        names = [(models, name) for name in models] + [(optimizers, name) for name in optimizers]
        for model in models.values():
            model.to(self.device).train()
        prepared = self._accelerator.prepare(*(home[name] for home, name in names))
        prepared = prepared if isinstance(prepared, tuple) else (prepared,)
        for (home, name), value in zip(names, prepared, strict=True):
            home[name] = value

    def batch_numbers(self, first: int, steps: int) -> Iterator[int]:
        """The numbers of this process's batches, from step ``first`` on: all batches are numbered through."""
        each, world, rank = self.plan.accumulate, self._accelerator.num_processes, self._accelerator.process_index
        self._mark = (time.monotonic(), first)
        return (number * world + rank for number in range(first * each, steps * each))

    def start(self, step: int) -> None:
        """Seed a step: its randomness depends on the plan's seed, the step and the process, not on what was before."""
        entropy = (self.plan.seed, step, self._accelerator.process_index)
        torch.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1))

    @contextmanager
    def accumulating(self, models: dict[str, nn.Module]) -> Iterator[None]:
        """One of the batches of a step."""
        with self._accelerator.accumulate(*models.values()):
            yield
        if self.scaler.is_enabled() and self._accelerator.sync_gradients:
            self.scaler.update()

    def out_of_time(self, done: int) -> bool:
        """Whether the plan's minutes are over; sets ``progress``, the same for all processes."""
        spent = done / self.plan.steps
        over = False
        if self.plan.minutes is not None:
            seconds = self._broadcast(time.monotonic() - self._began)
            over = seconds >= 60 * self.plan.minutes
            spent = max(spent, (self.seconds_before + seconds) / (self.seconds_before + 60 * self.plan.minutes))
        self.progress = min(1.0, spent)
        return over

    @property
    def seconds(self) -> float:
        """Seconds of training, earlier calls that this one resumes included."""
        return self.seconds_before + time.monotonic() - self._began

    def speed(self, done: int, seconds_per_batch: float) -> dict[str, float]:
        """What a log line says of speed since the last one: steps and seconds of sound per second, seconds to go."""
        now, (before, steps) = time.monotonic(), self._mark
        self._mark = (now, done)
        self._per_second = per_second = (done - steps) / max(now - before, 1e-9)
        batches = self.plan.accumulate * self._accelerator.num_processes
        self._left = (self.plan.steps - done) / per_second
        if self.plan.minutes is not None:
            self._left = min(self._left, max(0.0, 60 * self.plan.minutes - (now - self._began)))
        speed = {"steps_per_s": per_second, "eta_s": self._left}
        return speed | ({"audio_s_per_s": per_second * batches * seconds_per_batch} if seconds_per_batch else {})

    def expected_steps(self, done: int) -> int:
        """The step at which training will end, at the present speed."""
        return done + round(self._left * self._per_second)

    def skipped(self) -> tuple[int, int]:
        """Steps skipped since last asked, and skipped in a row up to now."""
        skipped, streak = (int(value) for value in self._skipped.tolist())
        self._skipped[0] = 0
        return skipped, streak

    def wait(self) -> None:
        """Wait for all processes."""
        self._accelerator.wait_for_everyone()

    def _apply(self, optimizer: torch.optim.Optimizer, bad: Tensor) -> None:
        if self.scaler.is_enabled():
            self.scaler.step(optimizer)
        elif optimizer.defaults.get("fused"):
            optimizer.found_inf = bad.float()  # type: ignore[attr-defined]
            optimizer.step()
        elif not bad.item():
            optimizer.step()

    def _broadcast(self, value: float) -> float:
        if self._accelerator.num_processes == 1:
            return value
        from accelerate.utils import broadcast

        return float(broadcast(torch.tensor([value], dtype=torch.float64, device=self.device))[0])


def to_device(value: Any, device: torch.device) -> Any:
    """The tensors in dicts, lists and tuples on the device, copied without waiting where they are pinned."""
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, dict):
        return {name: to_device(item, device) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(to_device(item, device) for item in value)
    return value
