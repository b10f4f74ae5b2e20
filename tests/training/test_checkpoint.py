from pathlib import Path

import pytest
import torch

from brain2music._utils.errors import InputError
from brain2music.training import checkpoint as checkpoint_module
from brain2music.training.arguments import TrainingArguments
from brain2music.training.checkpoint import load_checkpoint, save_checkpoint
from brain2music.training.ema import EMA
from brain2music.training.engine import Engine

from .small_task import SmallTask


def prepared(task: SmallTask) -> tuple[SmallTask, EMA, Engine]:
    engine = Engine(TrainingArguments(device="cpu"))
    ema = EMA({name: task.models[name] for name in task.averaged}, 0.9, engine.device)
    engine.prepare(task.models, task.optimizers)
    return task, ema, engine


def train(task: SmallTask, ema: EMA, engine: Engine, steps: range) -> None:
    for step in steps:
        engine.seed_step(step)
        with engine.accumulating(task.models):
            task.update(task.batch(step), step, engine)
        ema.update(task.models)


def state(task: SmallTask, ema: EMA) -> list[torch.Tensor]:
    modules = [*task.models.values(), *ema.copies.values()]
    held = [held for optimizer in task.optimizers.values() for held in optimizer.state_dict()["state"].values()]
    moments = [values[key].clone() for values in held for key in sorted(values)]
    return [*(value.clone() for module in modules for value in module.state_dict().values()), *moments]


@pytest.mark.parametrize("fused", [True, False])
def test_everything_comes_back_bit_by_bit(tmp_path: Path, fused: bool) -> None:
    one = prepared(SmallTask(fused=fused))
    train(*one, range(5))
    save_checkpoint(tmp_path / "c.safetensors", *one, 5, {"loss": [0.1, 1 / 3]})
    other = prepared(SmallTask(fused=fused))
    assert load_checkpoint(tmp_path / "c.safetensors", *other) == (5, {"loss": [0.1, 1 / 3]})
    assert all(torch.equal(a, b) for a, b in zip(state(*one[:2]), state(*other[:2]), strict=True))
    assert other[1].updates == 5
    groups = other[0].optimizers["first"].state_dict()["param_groups"]
    assert groups == one[0].optimizers["first"].state_dict()["param_groups"]
    train(*one, range(5, 9))
    train(*other, range(5, 9))
    assert all(torch.equal(a, b) for a, b in zip(state(*one[:2]), state(*other[:2]), strict=True))


def test_a_write_that_is_cut_off_leaves_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, training = tmp_path / "c.safetensors", prepared(SmallTask())
    save_checkpoint(path, *training, 5, {})
    whole = path.read_bytes()

    def cut_off(tensors: dict, file: Path, metadata: dict) -> None:
        Path(file).write_bytes(whole[:100])
        raise OSError("no space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", cut_off)
    with pytest.raises(OSError, match="no space"):
        save_checkpoint(path, *training, 6, {})
    assert path.read_bytes() == whole
    assert [file.name for file in tmp_path.iterdir()] == ["c.safetensors"]


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c.safetensors", *prepared(SmallTask(size=4)), 5, {})
    with pytest.raises(InputError, match=r"of another model .*begun with"):
        load_checkpoint(tmp_path / "c.safetensors", *prepared(SmallTask(size=5)))


@pytest.mark.parametrize("damage", [lambda whole: whole[: len(whole) // 2], lambda whole: b"not one"])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, damage: object) -> None:
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, *prepared(SmallTask()), 5, {})
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(InputError, match=r"not a readable checkpoint"):
        load_checkpoint(path, *prepared(SmallTask()))


def test_weights_are_averaged_by_the_formula_and_buffers_copied() -> None:
    model = torch.nn.BatchNorm1d(1)
    ema = EMA({"m": model}, 0.5, torch.device("cpu"))
    expected = model.weight.detach().clone()
    for step, value in enumerate((3.0, 5.0, -1.0)):
        model.weight.data.fill_(value)
        model.running_mean.fill_(10 * value)
        ema.update({"m": model})
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    torch.testing.assert_close(ema.copies["m"].weight, expected)
    assert float(ema.copies["m"].running_mean) == -10.0
    assert float(model.weight.detach()) == -1.0


def test_the_tensors_are_named_after_what_they_are(tmp_path: Path) -> None:
    from safetensors import safe_open

    training = prepared(SmallTask())
    train(*training, range(1))
    checkpoint_module.save_checkpoint(tmp_path / "c.safetensors", *training, 1, {})
    with safe_open(tmp_path / "c.safetensors", framework="pt") as file:
        names = set(file.keys())
    assert {"model/first/0.weight", "average/first/0.weight", "optimizer/second/0/exp_avg"} <= names
