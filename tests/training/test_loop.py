import itertools
import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music.training import engine as engine_module
from brain2music.training import loop
from brain2music.training.loop import TrainingArguments, fit

from . import small_task
from .small_task import SmallTask, losses

ARGUMENTS = TrainingArguments(steps=30, log_every=4, validate_every=10, checkpoint_every=7, device="cpu")


@pytest.fixture(autouse=True)
def no_pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Curves take a second a picture: only one test looks at them."""
    if request.node.name != "test_what_a_training_leaves_behind":
        monkeypatch.setattr(loop, "draw_curves", lambda log, picture: None)


def weights(out: Path) -> dict[str, list]:
    return json.loads((out / "model" / "config.json").read_text())


def kill(out: Path, step: int, arguments: TrainingArguments) -> None:
    """Train in a process of its own that is killed in the given step."""
    command = [json.dumps({"kill_at": step}), json.dumps(asdict(arguments))]
    done = subprocess.run([sys.executable, small_task.__file__, str(out), *command], capture_output=True, check=False)
    assert done.returncode == -9, done.stderr.decode()


def test_a_killed_training_resumes_to_the_same_losses_and_weights(tmp_path: Path) -> None:
    step = int(np.random.default_rng().integers(8, 30))  # any step: the assertions hold for all
    fit(SmallTask(), ARGUMENTS, tmp_path / "whole")
    kill(tmp_path / "killed", step, ARGUMENTS)
    fit(SmallTask(), ARGUMENTS, tmp_path / "killed", resume=True)
    assert losses(tmp_path / "killed") == pytest.approx(np.array(losses(tmp_path / "whole")), abs=1e-6), step
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")


def test_killed_before_the_first_checkpoint_it_begins_again(tmp_path: Path) -> None:
    fit(SmallTask(), ARGUMENTS, tmp_path / "whole")
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed" / "log.jsonl").write_text('{"step": 4, "loss": 9}\n{"step": 8, "lo')
    fit(SmallTask(), ARGUMENTS, tmp_path / "killed", resume=True)
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")


def test_a_training_is_not_overwritten(tmp_path: Path) -> None:
    fit(SmallTask(), ARGUMENTS, tmp_path)
    with pytest.raises(InputError, match=r"holds a training already.*--resume"):
        fit(SmallTask(), ARGUMENTS, tmp_path)


def test_a_longer_plan_goes_on_where_a_shorter_one_ended(tmp_path: Path) -> None:
    fit(SmallTask(), ARGUMENTS, tmp_path / "whole")
    fit(SmallTask(), replace(ARGUMENTS, steps=17), tmp_path / "parts")
    fit(SmallTask(), ARGUMENTS, tmp_path / "parts", resume=True)
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")


def test_the_time_limit_stops_cleanly_and_exports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = itertools.count()
    monkeypatch.setattr(engine_module.time, "monotonic", lambda: float(next(clock)))
    task = SmallTask()
    model = fit(task, replace(ARGUMENTS, steps=1000, minutes=1.0), tmp_path)
    assert 10 < len(task.progress) < 60
    assert task.progress == sorted(task.progress)
    assert task.progress[-1] > 0.9  # schedules come to their end
    assert (model / "config.json").exists()
    assert f"exported after {len(task.progress)} steps (the time is up)" in capsys.readouterr().out
    assert losses(tmp_path)[-1][0] == len(task.progress)


def test_what_a_training_leaves_behind(tmp_path: Path) -> None:
    fit(SmallTask(), ARGUMENTS, tmp_path)
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"checkpoints/last.safetensors", "log.jsonl", "curves.png", "model/config.json"}
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == [
        "step-0000010",
        "step-0000020",
        "step-0000030",
    ]
    line = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[0])
    assert line["audio_s_per_s"] == pytest.approx(2 * line["steps_per_s"])
    assert line["eta_s"] == pytest.approx(26 / line["steps_per_s"])
    assert line["step_again"] == 1.5  # the mean over steps 0 to 3


def test_accumulated_batches_are_one_large_batch(tmp_path: Path) -> None:
    class Whole(SmallTask):
        def batch(self, step: int) -> tuple[torch.Tensor, ...]:
            parts = [SmallTask.batch(self, 2 * step + part) for part in (0, 1)]
            return tuple(torch.cat(pair) for pair in zip(*parts, strict=True))

    def without_noise(task: SmallTask) -> SmallTask:
        task.models["first"][1], task.models["first"][2] = torch.nn.Identity(), torch.nn.Identity()
        task.optimizers["first"] = torch.optim.SGD(task.models["first"].parameters(), lr=1e-2)
        return task

    fit(without_noise(Whole()), ARGUMENTS, tmp_path / "whole")
    fit(without_noise(SmallTask()), replace(ARGUMENTS, accumulate=2), tmp_path / "parts")
    for ours, theirs in zip(weights(tmp_path / "parts")["first"], weights(tmp_path / "whole")["first"], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize(("fused", "precision"), [(True, "no"), (False, "no"), (True, "bf16"), (True, "fp16")])
def test_a_step_with_non_finite_gradients_is_skipped(tmp_path: Path, fused: bool, precision: str) -> None:
    task = SmallTask(fused=fused, poison=range(11, 13), averaged=())
    before: dict[int, list] = {}
    update = task.update

    def remembering(batch: tuple, step: int, engine: object) -> dict:
        before[step] = [value.clone() for model in task.models.values() for value in model.parameters()]
        return update(batch, step, engine)  # type: ignore[arg-type]

    task.update = remembering  # type: ignore[method-assign]
    with pytest.warns(Brain2MusicWarning, match="had non-finite gradients and were skipped"):
        fit(task, replace(ARGUMENTS, precision=precision, validate_every=1000), tmp_path)  # type: ignore[arg-type]
    assert all(torch.equal(a, b) for a, b in zip(before[11], before[13], strict=True))
    assert not torch.equal(before[13][0], before[14][0])
    assert all(torch.isfinite(value).all() for value in before[29])


def test_gradients_that_stay_non_finite_stop_training(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not finite in .* in a row"), pytest.warns(Brain2MusicWarning):
        fit(SmallTask(poison=range(9, 100)), ARGUMENTS, tmp_path)
    assert (tmp_path / "checkpoints" / "last.safetensors").exists()


@pytest.mark.parametrize(("precision", "dtype"), [("no", torch.float32), ("bf16", torch.bfloat16)])
def test_autocast_gives_the_precision_of_the_plan(tmp_path: Path, precision: str, dtype: torch.dtype) -> None:
    task = SmallTask()
    fit(task, replace(ARGUMENTS, steps=2, precision=precision), tmp_path)  # type: ignore[arg-type]
    assert set(task.dtypes) == {dtype}


def test_complaints_are_shown_once(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    task = SmallTask()
    task.check_divergence = lambda history: f"{len(history) // 6} halves"  # type: ignore[method-assign]
    fit(task, ARGUMENTS, tmp_path)
    shown = [str(warning.message) for warning in recwarn if warning.category is Brain2MusicWarning]
    assert shown == ["0 halves", "1 halves"]


def test_a_device_that_is_not_there_is_named(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(InputError, match="no cuda device"):
        fit(SmallTask(), replace(ARGUMENTS, device="cuda"), tmp_path)


@pytest.mark.slow
def test_two_processes_do_what_one_does_with_two_batches(tmp_path: Path) -> None:
    arguments = replace(ARGUMENTS, steps=8)
    launch = ["-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "--num_machines", "1"]
    more = ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0", small_task.__file__]
    command = [str(tmp_path / "two"), json.dumps({"averaged": []}), json.dumps(asdict(arguments))]
    subprocess.run([sys.executable, *launch, *more, *command], check=True, capture_output=True)
    fit(SmallTask(averaged=()), replace(arguments, accumulate=2), tmp_path / "one")
    ours, theirs = weights(tmp_path / "two")["second"], weights(tmp_path / "one")["second"]
    assert losses(tmp_path / "two")[-1][0] == 8
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=0.05)  # dropout differs between processes


@pytest.mark.parametrize("native", [True, False])
def test_bfloat16_that_the_processor_emulates_is_said(
    monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder, native: bool
) -> None:
    monkeypatch.setattr("brain2music.training.engine.multiplies_bfloat16", lambda: native)
    engine_module.Engine(replace(ARGUMENTS, precision="bf16", device="cpu"))
    assert any("emulates bfloat16" in str(warning.message) for warning in recwarn) is not native
