"""Processes that work for one, interrupted as a terminal does it: all at once."""

import os
import signal
import subprocess
import sys
from pathlib import Path

WORK = """
import time
from multiprocessing import get_context
from brain2music._utils.workers import Workers
try:
    with Workers(2, mp_context=get_context("spawn")) as pool:
        assert sum(pool.map(abs, range(-3, 3))) == 9
        waiting = [pool.submit(time.sleep, 600) for _ in range(6)]
        print("begun", flush=True)
        waiting[0].result()
except KeyboardInterrupt:
    print("ended")
"""

UNGUARDED = """
import sys
from multiprocessing import get_context
from brain2music._utils.workers import Workers
print("once")
with Workers(2, mp_context=get_context("spawn")) as pool:
    print(sum(pool.map(abs, [-1, 2, -3])))
print(__name__ if sys.modules["__main__"].pool is pool else "lost")
"""


def test_an_interruption_is_heard_once_and_ends_all() -> None:
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", WORK]
    streams = {
        "stdout": pipe,
        "stderr": pipe,
        "text": True,
        "start_new_session": True,
        "preexec_fn": _hear_interruptions,
    }
    with subprocess.Popen(command, **streams) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        os.killpg(process.pid, signal.SIGINT)
        try:
            assert process.communicate(timeout=120) == ("ended\n", "")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0


def test_a_script_without_a_guard_is_run_once(tmp_path: Path) -> None:
    """Processes that are spawned would run it again, and fail as they start processes themselves."""
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300)
    assert (done.stdout, done.stderr, done.returncode) == ("once\n6\n__main__\n", "", 0)


def _hear_interruptions() -> None:
    """A process in the background of a script ignores them, and so do those that it begins."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
