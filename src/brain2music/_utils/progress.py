"""Progress of long stages: a bar on a terminal, JSON lines otherwise."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[int, int], None]


@contextmanager
def progress(stage: str) -> Iterator[Advance]:
    """Yield ``advance(done, total)``, drawn as a bar on a terminal, else as at most one JSON line in five seconds."""
    if sys.stderr.isatty():
        with _bar(stage) as advance:
            yield advance
    else:
        yield _json_lines(stage)


@contextmanager
def _bar(stage: str) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(stage, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _json_lines(stage: str) -> Advance:
    began = last = time.monotonic()

    def advance(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if done < total and now - last < 5:
            return
        last = now
        line = {"stage": stage, "done": done, "total": total, "seconds": round(now - began, 1)}
        print(json.dumps(line), file=sys.stderr, flush=True)

    return advance
