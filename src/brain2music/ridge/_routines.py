"""The fastest routine on this machine: measured once, in milliseconds, and remembered.

It does not follow from the name of the processor. On one AMD processor with AVX-512, oneDNN multiplied at twice the
speed of MKL; on the next it gained nothing, and OpenBLAS made symmetric products a fifth faster than strips of general
ones. So each choice is timed when it is first needed, and stored in ``routines.json`` in the user's cache for the next
process with the same processor, libraries and number of threads. The default is used unless another is faster by a
tenth: results of routines differ in their last bits, and a choice that changed without need would change them too.
"""

import contextlib
import json
import logging
import os
import platform
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import scipy
import torch

from .._utils.files import cache_folder

log = logging.getLogger(__name__)

Routine = Callable[[], object]
MARGIN = 0.9
"""A routine replaces the default when it takes at most this fraction of its time."""
TRIALS = 3
"""Runs of every routine, in turn, of which the fastest counts: the machine may be busy with other work."""


def fastest(choice: str, routines: Mapping[str, Routine], clock: Callable[[], float] = time.perf_counter) -> str:
    """The name of the routine to use.

    Parameters
    ----------
    choice : the name under which the choice is remembered.
    routines : by name, a call that does a few milliseconds of the work; the first is the default.
    """
    key = f"{machine()} | {choice} | {torch.get_num_threads()} threads"
    known = _read_choices().get(key)
    if known in routines:
        return str(known)
    times = dict.fromkeys(routines, float("inf"))
    for routine in routines.values():
        routine()  # sets up threads and memory
    for _ in range(TRIALS):
        for name, routine in routines.items():
            start = clock()
            routine()
            times[name] = min(times[name], clock() - start)
    default = next(iter(routines))
    best = min(times, key=lambda name: times[name])
    chosen = best if times[best] <= MARGIN * times[default] else default
    log.info("%s: %s (%s)", choice, chosen, ", ".join(f"{name} {1e3 * t:.1f} ms" for name, t in times.items()))
    _remember(key, chosen)
    return chosen


@cache
def machine() -> str:
    """The processor and the versions of the libraries that multiply on it."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text(errors="replace").splitlines() if about.is_file() else []
    fields = {line.split(":")[0].strip(): line.split(":")[-1].strip() for line in lines if ":" in line}
    model = " ".join(fields.get(name, "") for name in ("vendor_id", "cpu family", "model", "model name"))
    libraries = f"torch {torch.__version__}, numpy {np.__version__}, scipy {scipy.__version__}"
    return f"{model or platform.processor()} {torch.backends.cpu.get_cpu_capability()}, {libraries}"


def cache_file() -> Path:
    """The file in which choices are stored."""
    return cache_folder() / "routines.json"


def _read_choices() -> dict[str, object]:
    """The stored choices; none where the file is missing or not a JSON object."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        found = json.loads(cache_file().read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    return {}


def _remember(key: str, chosen: str) -> None:
    """Store a choice; where the file cannot be written, the next process measures again."""
    path = cache_file()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        known = json.dumps(_read_choices() | {key: chosen}, indent=1, sort_keys=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
            file.write(known)
        os.replace(file.name, path)
