"""Results of benchmarks, for pages to be made from: ``benchmarks/results/NAME.json``, a list of rows.

A row is one number that answers a question: ``question``, ``value``, ``unit``, the ``peer``'s value in the same run and
the ``ratio`` (of which the question says what is over what), the ``bar`` that was set, ``n``, ``low`` and ``high`` of a
95 % interval, ``note``; and where it is from: ``command``, ``processor``, ``cores``, ``commit``, ``date``. What a row
does not have is null. A question that is asked again replaces its row; other rows stay. ``render.py`` makes the page.
"""

import json
import math
import os
import platform
import re
import subprocess
import sys
import tempfile
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "results"

SETS = {"rendered": "composed pieces", "recorded": "recorded clips", "original": "the clips themselves"}
"""What the ends of figures' names are called in results."""


def in_words(name: str, said: dict[str, str]) -> str:
    """A figure's printed name as a question: its longest beginning that is ``said`` otherwise, then its other parts."""
    begun = max((each for each in said if name == each or name.startswith(f"{each}_")), key=len)
    rest = [part for part in name.removeprefix(begun).split("_") if part]
    return ", ".join([said[begun], *(SETS.get(part, part) for part in rest)])


class Results:
    """The rows of one benchmark, written whenever one is added.

    Parameters
    ----------
    name : str
        Name of the benchmark, and of its file.
    folder : Path
        Where the file is written.
    command : str, optional
        What to run for these numbers, where it is not the command of this process.
    """

    def __init__(self, name: str, folder: Path = FOLDER, command: str = "") -> None:
        self.file = folder / f"{name}.json"
        self.command = command

    def add(
        self,
        question: str,
        value: float | None,
        unit: str = "",
        *,
        peer: float | None = None,
        ratio: float | None = None,
        bar: str = "",
        n: int | None = None,
        low: float | None = None,
        high: float | None = None,
        note: str = "",
    ) -> None:
        """Add a row, in the place of an earlier one of the same question."""
        numbers = {"value": value, "peer": peer, "ratio": ratio, "low": low, "high": high}
        row = {"question": question, "unit": unit, "bar": bar, "n": None if n is None else int(n), "note": note}
        row |= {name: _number(number) for name, number in numbers.items()} | origin()
        row["command"] = self.command or row["command"]
        rows = [each for each in self.read() if each["question"] != question]
        _write(self.file, [*rows, {name: row[name] for name in ORDER}])

    def read(self) -> list[dict[str, Any]]:
        """The rows so far; none where nothing was written yet."""
        return json.loads(self.file.read_text(encoding="utf-8")) if self.file.is_file() else []


ORDER = (
    *("question", "value", "unit", "low", "high", "peer", "ratio", "bar", "n", "note"),
    *("command", "processor", "cores", "commit", "date"),
)


@cache
def origin() -> dict[str, Any]:
    """The command, processor, commit and date of this run; a commit that was changed since has a plus sign."""
    return {
        "command": " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *map(_told, sys.argv[1:])]),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "commit": _git("rev-parse", "--short", "HEAD") + ("+" if _git("status", "--porcelain", "-uno") else ""),
        "date": date.today().isoformat(),
    }


def processor() -> str:
    """The processor's name, and the widest vectors that it knows."""
    information = Path("/proc/cpuinfo")
    text = information.read_text() if information.is_file() else ""
    model = re.search(r"model name\s*: (.*)", text)
    flags = re.search(r"flags\s*: (.*)", text)
    known = flags.group(1).split() if flags else []
    widest = next((name for flag, name in (("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in known), "")
    return ", ".join(filter(None, [model.group(1).strip() if model else platform.processor(), widest]))


def _told(argument: str) -> str:
    """An argument without the place of files on this machine."""
    return Path(argument).name if os.path.isabs(argument) else argument


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=FOLDER.parent, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _number(value: float | None) -> float | int | None:
    """Six digits are enough; what is no number is null in JSON."""
    if value is None or not math.isfinite(value):
        return None
    return int(value) if float(value).is_integer() and abs(value) < 1e15 else float(f"{float(value):.6g}")


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}") as folder:
        whole = Path(folder) / path.name
        with whole.open("w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1, ensure_ascii=False)
            file.write("\n")
        os.replace(whole, path)
