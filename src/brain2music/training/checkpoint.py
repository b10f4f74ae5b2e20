"""Checkpoints: one safetensors file with all that a training needs to resume, replaced atomically.

Tensors are named ``model/<name>/…``, ``average/<name>/…`` and ``optimizer/<name>/<parameter>/…``; scalars are JSON in
the file's header. There is no state of random generators: every step is seeded by its number.
"""

import json
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from .._utils.errors import InputError
from .._utils.files import atomic_path
from .ema import EMA
from .engine import Engine
from .task import Task

State = dict[str, Any]


def save_checkpoint(
    path: Path, task: Task, ema: EMA, engine: Engine, step: int, window: dict[str, list[float]]
) -> None:
    """Write the state of a training after ``step`` steps, atomically; ``window`` is the log's unfinished window."""
    from safetensors.torch import save_file

    tensors: dict[str, Tensor] = {}
    for name, model in _models(task, ema, engine).items():
        tensors |= {f"{name}/{key}": value for key, value in model.state_dict().items()}
    scalars: State = {
        "step": step,
        "seconds": engine.seconds,
        "averaged_updates": ema.updates,
        "scaler": engine.scaler.state_dict(),
        "window": window,
        "optimizers": {},
    }
    for name, optimizer in task.optimizers.items():
        state = optimizer.state_dict()
        scalars["optimizers"][name] = {"groups": state["param_groups"], "state": {}}
        for number, values in state["state"].items():
            plain = {key: value for key, value in values.items() if not isinstance(value, Tensor)}
            scalars["optimizers"][name]["state"][number] = plain
            tensors |= {f"optimizer/{name}/{number}/{key}": values[key] for key in values.keys() - plain.keys()}
    with atomic_path(path) as temporary:
        plain_tensors = {key: value.detach().cpu().clone().contiguous() for key, value in tensors.items()}
        save_file(plain_tensors, temporary, metadata={"json": json.dumps(scalars)})


def load_checkpoint(path: Path, task: Task, ema: EMA, engine: Engine) -> tuple[int, dict[str, list[float]]]:
    """Load a checkpoint into task, averages and engine; return its step and the unfinished window of the log.

    Raises
    ------
    InputError
        The file is damaged, or holds other models.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
            scalars = json.loads((file.metadata() or {})["json"])
    except (SafetensorError, OSError, KeyError, json.JSONDecodeError) as error:
        raise InputError(f"this is not a readable checkpoint ({error})", path, "remove it to start again") from None
    try:
        for name, model in _models(task, ema, engine).items():
            model.load_state_dict(_below(tensors, f"{name}/"))
        for name, optimizer in task.optimizers.items():
            optimizer.load_state_dict(_optimizer_state(scalars["optimizers"][name], tensors, name))
    except (RuntimeError, KeyError, ValueError) as error:
        lines = str(error).splitlines()
        hint = "resume with the settings that it was begun with, or train into another folder"
        raise InputError(f"the checkpoint is of another model ({lines[-1].strip()})", path, hint) from None
    ema.updates, engine.seconds_before = scalars["averaged_updates"], scalars["seconds"]
    engine.scaler.load_state_dict(scalars["scaler"])
    return scalars["step"], scalars["window"]


def _models(task: Task, ema: EMA, engine: Engine) -> dict[str, nn.Module]:
    models = {f"model/{name}": engine.unwrap(model) for name, model in task.models.items()}
    return models | {f"average/{name}": model for name, model in ema.copies.items()}


def _optimizer_state(scalars: State, tensors: dict[str, Tensor], name: str) -> State:
    state: dict[int, State] = {int(number): dict(values) for number, values in scalars["state"].items()}
    for key, value in _below(tensors, f"optimizer/{name}/").items():
        number, _, entry = key.partition("/")
        state[int(number)][entry] = value
    groups = [
        {key: _tuple(value) if key != "params" else value for key, value in group.items()}
        for group in scalars["groups"]
    ]
    return {"state": state, "param_groups": groups}


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
