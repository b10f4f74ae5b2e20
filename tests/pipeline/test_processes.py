"""Real processes on one folder: subjects beside each other, killed, interrupted; the same command finishes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from brain2music._utils.files import digest_file
from brain2music.pipeline.outputs import Outputs
from tests.study.tiny_study import TinyStudy

from .test_pipeline import add_subject, digests

SETTINGS = """
embeddings = ["logmel"]
window_s = 1.5
[events]
lag_tr = 0
[decoding]
n_inner_folds = 2
[evaluation]
compare_lags_tr = []
n_permutations = 100
n_permuted_fits = 1
leave_one_genre_out = false
[encoding]
enabled = false
"""
MAIN = "from brain2music.cli import main; main()"


@pytest.fixture
def study(tmp_path: Path) -> TinyStudy:
    study = TinyStudy(tmp_path / "study")
    study.add_mask()
    add_subject(study)
    (tmp_path / "settings.toml").write_text(SETTINGS)
    return study


def start(study: TinyStudy, out: str, *labels: str) -> "subprocess.Popen[str]":
    """Begin to decode some subjects."""
    folder = study.root.parent
    words = ["run", str(study.root), str(folder / out), "participant", "--config", str(folder / "settings.toml")]
    words += [word for label in labels for word in ("--participant-label", label)]
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", MAIN, *words]
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, preexec_fn=_hear_signals)


def _hear_signals() -> None:
    """What is begun in the background of a script ignores some, and so do processes that it begins."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def until(path: Path, process: "subprocess.Popen[str]") -> None:
    """Wait for a file that the process will make."""
    while not path.exists() and process.poll() is None:
        time.sleep(0.01)
    assert path.exists(), process.communicate()[1]


def leftovers(out: Path) -> list[Path]:
    return [path for path in out.rglob(".*") if path.is_file()]


@pytest.mark.slow
def test_subjects_of_two_processes_end_on_one_page_also_after_kills(study: TinyStudy, tmp_path: Path) -> None:
    out = Outputs(tmp_path / "out")
    first, second = start(study, "out", "01"), start(study, "out", "02")
    until(out.lock("sub-02"), second)
    second.send_signal(signal.SIGKILL)
    assert first.wait() == 0, first.communicate()[1]
    second.communicate()
    beside = [start(study, "out", "02"), start(study, "out", "02"), start(study, "out", "01")]
    for process in beside:
        assert process.wait() == 0, process.communicate()[1]
    assert leftovers(out.root) == []
    page = out.index.read_text()
    assert "sub-01.html" in page
    assert "sub-02.html" in page
    together = start(study, "whole", "01", "02")
    assert together.wait() == 0, together.communicate()[1]
    assert list(digests(out).values()) == list(digests(Outputs(tmp_path / "whole")).values())


@pytest.mark.slow
def test_a_whole_run_killed_at_many_moments_is_finished_with_the_same_bytes(study: TinyStudy, tmp_path: Path) -> None:
    """Kills come a little after files that a whole run writes early, late and between: while others are written."""
    (tmp_path / "settings.toml").write_text(SETTINGS.replace("enabled = false", "enabled = true"))
    whole = start(study, "whole", "01", "02")
    assert whole.wait() == 0, whole.communicate()[1]
    expected = everything(tmp_path / "whole")
    written = sorted(expected, key=lambda name: (tmp_path / "whole" / name).stat().st_mtime_ns)
    out, rng, killed = tmp_path / "out", np.random.default_rng(0), 0
    for part in (0.02, 0.2, 0.4, 0.6, 0.8, 0.95):
        process = start(study, "out", "01", "02")
        while not (out / written[int(part * len(written))]).exists() and process.poll() is None:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.05))
        process.kill()
        killed += process.wait() == -signal.SIGKILL
        process.communicate()
    assert killed >= 5  # the last may have ended by itself
    last = start(study, "out", "01", "02")
    assert last.wait() == 0, last.communicate()[1]
    assert everything(out) == expected
    assert leftovers(out) == leftovers(tmp_path / "whole")


def everything(out: Path) -> dict[str, str]:
    """Digests of all files of a run, but for those that say when it was made."""
    files = [path for path in sorted(out.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    return {str(path.relative_to(out)): digest_file(path) for path in files}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_a_run_in_one_line_with_nothing_left(
    number: signal.Signals, study: TinyStudy, tmp_path: Path
) -> None:
    out = Outputs(tmp_path / "out")
    process = start(study, "out", "01")
    until(out.lock("sub-01"), process)
    os.kill(process.pid, number)
    told = process.communicate()[1]
    assert process.returncode == 128 + number
    assert told.rstrip().endswith("interrupted; run the same command again to finish")
    assert "Traceback" not in told
    assert leftovers(out.root) == []
