import json
import math
import sys
import threading
from pathlib import Path

import pytest
import torch

from brain2music.training.log import TrainingLog, draw_curves, read_log
from brain2music.training.prefetch import prefetch_batches

CPU = torch.device("cpu")


def test_a_line_is_the_mean_since_the_last_one(tmp_path: Path) -> None:
    journal = TrainingLog(tmp_path / "log.jsonl")
    journal.add({"loss": torch.tensor(1.0), "lr": 4})
    journal.add({"loss": torch.tensor(3.0), "lr": 4, "rare": torch.tensor(5, dtype=torch.bfloat16)})
    journal.log(2, {"steps_per_s": 7.0})
    journal.add({"loss": 8.0})
    journal.log(3, {})
    lines = [json.loads(text) for text in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines == [{"step": 2, "loss": 2.0, "lr": 4.0, "rare": 5.0, "steps_per_s": 7.0}, {"step": 3, "loss": 8.0}]
    assert journal.history == lines


def test_resuming_drops_later_lines_and_goes_on_in_the_window(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 2, "loss": 1.0}\n{"step": 4, "loss": 2.0}\n{"step": 6, "lo')
    journal = TrainingLog(path, first=3, window={"loss": [10.0]})
    journal.add({"loss": 20.0})
    journal.log(4, {})
    assert read_log(path) == [{"step": 2, "loss": 1.0}, {"step": 4, "loss": 15.0}]


def test_what_is_not_finite_is_null_in_the_file(tmp_path: Path) -> None:
    journal = TrainingLog(tmp_path / "log.jsonl")
    journal.add({"loss": torch.tensor(torch.nan)})
    journal.log(1, {})
    assert (tmp_path / "log.jsonl").read_text() == '{"step": 1, "loss": null}\n'
    assert math.isnan(read_log(tmp_path / "log.jsonl")[0]["loss"])


def test_only_the_main_process_writes(tmp_path: Path) -> None:
    journal = TrainingLog(tmp_path / "log.jsonl", write=False)
    journal.add({"loss": 1.0})
    journal.log(1, {})
    assert journal.history == [{"step": 1, "loss": 1.0}]
    assert not (tmp_path / "log.jsonl").exists()


def test_curves_are_a_picture_and_need_no_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "log.jsonl").write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.0}\n')
    draw_curves(tmp_path / "log.jsonl", tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    draw_curves(tmp_path / "log.jsonl", tmp_path / "again.png")
    assert not (tmp_path / "again.png").exists()


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_batches_come_in_order_and_nested(workers: int) -> None:
    def make(number: int) -> dict:
        return {"x": [torch.tensor(number)], "y": (torch.tensor(-number), "name")}

    with prefetch_batches(make, range(5, 25), workers, CPU) as batches:
        found = list(batches)
    assert [int(batch["x"][0]) for batch in found] == list(range(5, 25))
    assert found[3]["y"] == (torch.tensor(-8), "name")


def test_what_a_worker_raises_arrives_at_its_batch() -> None:
    def make(number: int) -> torch.Tensor:
        if number == 2:
            raise ValueError("two")
        return torch.tensor(number)

    with prefetch_batches(make, range(9), 2, CPU) as batches:
        assert [int(next(batches)), int(next(batches))] == [0, 1]
        with pytest.raises(ValueError, match="two"):
            next(batches)


def test_workers_make_only_so_many_ahead() -> None:
    made: list[int] = []
    enough = threading.Event()

    def make(number: int) -> torch.Tensor:
        made.append(number)
        if len(made) == 5:
            enough.set()
        return torch.tensor(number)

    with prefetch_batches(make, range(1000), 1, CPU) as batches:
        next(batches)
        assert enough.wait(10)
    assert len(made) == 5  # one taken, four ahead
