"""Which routine is fastest on this machine: measured once, in milliseconds, and remembered.

Names of processors do not tell. On one AMD processor with AVX-512 oneDNN multiplied at twice the speed of MKL, on the
next it brought nothing, and there OpenBLAS made symmetric products a fifth faster than strips of general ones. So each
choice is timed where it is first needed, and kept in ``routines.json`` in the user's cache for the next process with
the same processor, libraries and threads. The default stays unless another is faster by a tenth: results differ in
their last bits between routines, and a choice that changes without need would change them too.
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

log = logging.getLogger(__name__)

Routine = Callable[[], object]
MARGIN = 0.9
"""A routine is taken in place of the default where it needs at most this share of its time."""
TRIALS = 3
"""Each is run so often, in turn, and its best time counts: the machine may be busy with other work."""


def fastest(choice: str, routines: Mapping[str, Routine], clock: Callable[[], float] = time.perf_counter) -> str:
    """The name of the routine to use; the first of them is the default.

    Parameters
    ----------
    choice : what is chosen, under which it is remembered.
    routines : name to a call that does a few milliseconds of the work.
    """
    key = f"{machine()} | {choice} | {torch.get_num_threads()} threads"
    known = _read().get(key)
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
    """The processor and the libraries that multiply on it."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text(errors="replace").splitlines() if about.is_file() else []
    fields = {line.split(":")[0].strip(): line.split(":")[-1].strip() for line in lines if ":" in line}
    model = " ".join(fields.get(name, "") for name in ("vendor_id", "cpu family", "model", "model name"))
    libraries = f"torch {torch.__version__}, numpy {np.__version__}, scipy {scipy.__version__}"
    return f"{model or platform.processor()} {torch.backends.cpu.get_cpu_capability()}, {libraries}"


def remembered_in() -> Path:
    """The file that choices are kept in."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "brain2music" / "routines.json"


def _read() -> dict[str, object]:
    """What is remembered: nothing where the file is not there or is not ours."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        found = json.loads(remembered_in().read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    return {}


def _remember(key: str, chosen: str) -> None:
    """Add a choice; where the file cannot be written, the next process measures again."""
    path = remembered_in()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        known = json.dumps(_read() | {key: chosen}, indent=1, sort_keys=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
            file.write(known)
        os.replace(file.name, path)
