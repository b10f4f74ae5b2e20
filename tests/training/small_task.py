"""A task that trains in milliseconds, and, run as a script, a training that can be killed at any step."""

import json
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from brain2music.training.loop import Engine, TrainingArguments, fit


@dataclass
class SmallTask:
    """Linear regression with dropout, a running buffer and two optimizers; batches from the step's own generator."""

    size: int = 4
    fused: bool = True
    kill_at: int | None = None
    poison: range = range(0)
    averaged: tuple[str, ...] = ("first",)
    models: dict[str, nn.Module] = field(init=False)
    seconds_per_batch: float = 2.0
    dtypes: list[torch.dtype] = field(default_factory=list)
    progress: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        torch.manual_seed(0)
        first = nn.Sequential(nn.Linear(self.size, 8), nn.BatchNorm1d(8), nn.Dropout(0.2))
        self.models = {"first": first, "second": nn.Linear(8, 1)}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            name: torch.optim.Adam(model.parameters(), lr=1e-2, betas=(0.5, 0.9), fused=self.fused)
            for name, model in self.models.items()
        }

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.randn(16, self.size, generator=torch.Generator().manual_seed(step))
        if step in self.poison:
            x[3, 1] = torch.nan
        return x, x.sum(1, keepdim=True)

    def update(self, batch: tuple[torch.Tensor, torch.Tensor], step: int, engine: Engine) -> dict[str, Any]:
        if step == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.progress.append(engine.progress)
        with engine.autocast():
            predicted = self.models["second"](self.models["first"](batch[0]))
        self.dtypes.append(predicted.dtype)
        loss = (predicted.float() - batch[1]).square().mean()
        engine.backward(loss)
        for optimizer in self.optimizers.values():
            engine.step(optimizer, clip=1.0)
        return {"loss": loss, "step_again": float(step)}

    def validate(self, models: dict[str, nn.Module]) -> dict[str, float]:
        assert not any(model.training for model in models.values())
        x, y = self.batch(10**6)
        return {"loss": float((models["second"](models["first"](x)) - y).square().mean())}

    def export(self, models: dict[str, nn.Module], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        state = {name: [value.tolist() for value in model.state_dict().values()] for name, model in models.items()}
        (folder / "config.json").write_text(json.dumps(state))

    def sample(self, models: dict[str, nn.Module], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)  # it is there already when a killed training resumes

    def check_divergence(self, history: list[dict[str, float]]) -> str | None:
        return None


def losses(out: Path) -> list[tuple[int, float, float]]:
    """(step, loss, validation loss) of every line of a log, -1 for what a line does not have."""
    lines = [json.loads(text) for text in (out / "log.jsonl").read_text().splitlines()]
    return [(line["step"], line.get("loss", -1.0), line.get("val_loss", -1.0)) for line in lines]


if __name__ == "__main__":
    folder, settings, arguments = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
    fit(SmallTask(**settings), TrainingArguments(**arguments), folder)
