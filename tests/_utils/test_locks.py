"""Locks between real processes: one at a time, released by death, and who holds one is said."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from brain2music._utils import locks
from brain2music._utils.errors import InputError
from brain2music._utils.locks import locked, try_locked

HOLD = """
import sys, time
from pathlib import Path
from brain2music._utils.locks import locked
with locked(Path(sys.argv[1]), "decoding sub-01"):
    print("held", flush=True)
    sys.stdin.readline()
"""
COUNT = """
import sys
from pathlib import Path
from brain2music._utils import locks
locks.PAUSE_S = 0.001
path = Path(sys.argv[1])
for _ in range(20):
    with locks.locked(path.with_name("lock"), "counting"):
        path.write_text(str(int(path.read_text()) + 1))
"""


def start(program: str, path: Path) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", program, str(path)], stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def test_a_lock_is_refused_with_its_holder_and_ends_with_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with start(HOLD, path) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(InputError, match=rf"process {holder.pid} on .* is decoding sub-01"),
            locked(path, "", wait=False),
        ):
            pass
        with try_locked(path, "reading") as acquired:
            assert not acquired
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    assert path.exists()
    with locked(path, "taking over", wait=False), try_locked(tmp_path / "other", "") as acquired:
        assert acquired
    assert list(tmp_path.iterdir()) == []


def test_who_waits_says_for_whom_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path, "decoding sub-02"):
        other = start(HOLD, path)
        assert other.stderr is not None
        line = other.stderr.readline()
    assert f"process {os.getpid()} on" in line
    assert "is decoding sub-02" in line
    assert other.communicate("\n")[0] == "held\n"
    assert other.returncode == 0


def test_counting_in_three_processes_loses_no_count(tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")
    for other in [start(COUNT, tmp_path / "count") for _ in range(3)]:
        other.communicate()
        assert other.returncode == 0
    assert (tmp_path / "count").read_text() == "60"
    assert [path.name for path in tmp_path.iterdir()] == ["count"]


@pytest.mark.parametrize(("module", "function"), [("os", "open"), ("fcntl", "flock"), ("os", "ftruncate")])
@pytest.mark.parametrize("lock", [locked, try_locked])
def test_an_interruption_while_a_lock_is_taken_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, function: str, lock: Callable[..., Any]
) -> None:
    whole = getattr(getattr(locks, module), function)

    def interrupted(*arguments: Any) -> None:
        whole(*arguments)
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(getattr(locks, module), function, interrupted)
    with pytest.raises(KeyboardInterrupt), lock(tmp_path / "lock", "decoding sub-01"):
        pass
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path / "lock", "decoding sub-01", wait=False):
        pass


def test_a_refusal_removes_no_lock_of_another(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path, "decoding sub-01"):
        with pytest.raises(InputError), locked(path, "", wait=False):
            pass
        assert path.is_file()
