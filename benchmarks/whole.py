"""How long do the README's two commands take? ``python benchmarks/whole.py demo`` or ``suite``, on a quiet machine.

``demo``: ``make demo`` into an empty folder, after installation. ``suite``: ``make test``. Seconds are by the clock,
memory is that of the largest process. An error of either ends the measurement.
"""

import argparse
import re
import resource
import shutil
import subprocess
import time
from pathlib import Path

from _results import Results

RESULTS = Results("whole")
ROOT = Path(__file__).parents[1]
DEMO = ROOT / "out" / "demo"
PAGES = ("*.html", "stimuli/**/*", "retrieved/**/*", "generated/**/*")


def main() -> None:
    """Run one of them, print what it took, and keep it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("demo", "suite"))
    {"demo": time_demo, "suite": time_suite}[parser.parse_args().command]()


def time_demo() -> None:
    """Seconds, memory, and the size of what is needed to look and listen."""
    subprocess.run(["make", ".venv/run"], cwd=ROOT, check=True)
    shutil.rmtree(DEMO, ignore_errors=True)
    seconds, _ = timed("demo")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    files = {file for pattern in PAGES for file in DEMO.glob(pattern) if file.is_file()}
    size = sum(file.stat().st_size for file in files) / 1e6
    print(f"seconds: {seconds:.0f}\npeak_gb: {peak:.2f}\npages_mb: {size:.1f}")
    RESULTS.add("time of make demo, installed", seconds, "s", bar="≤ 240")
    RESULTS.add("peak memory of make demo", peak, "GB", bar="≤ 4")
    RESULTS.add("size of the demo's pages and sound", size, "MB", bar="< 15")


def time_suite() -> None:
    """Seconds of all checks, and how many tests passed."""
    seconds, told = timed("test")
    passed = sum(map(int, re.findall(r"(\d+) passed", told)))
    print(f"seconds: {seconds:.0f}\ntests: {passed}")
    RESULTS.add("time of make test, installed", seconds, "s", bar="≤ 600", n=passed)


def timed(target: str) -> tuple[float, str]:
    """Seconds of a target of make by the clock, and what it printed."""
    began = time.perf_counter()
    done = subprocess.run(["make", target], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return time.perf_counter() - began, done.stdout


if __name__ == "__main__":
    main()
