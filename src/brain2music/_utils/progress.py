"""Progress of long stages: bars on a terminal, JSON lines elsewhere, and never a long silence.

Stages may lie within one another. Those that cannot count are shown, too: a bar shows how long its stage has been under
way, and where lines are written, a thread writes one about the innermost stage whenever nothing was written for
:data:`BEAT_S` seconds. All of it goes to stderr.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

Advance = Callable[[int, int], None]

BEAT_S = 8.0
"""Longest silence where lines are written."""
LINE_S = 5.0
"""A stage that counts writes a line this often at most; one that took as long writes a line when it ends."""
LOOK_S = 0.25
"""How often the thread looks, at least."""


@dataclass(eq=False)
class Stage:
    """Something that takes its time: what it is, since when, and how far it has come, where that is known."""

    name: str
    begun: float = field(default_factory=time.monotonic)
    shown: float = field(default_factory=time.monotonic)
    done: int | None = None
    total: int | None = None

    @property
    def complete(self) -> bool:
        """Whether it counted up to its total."""
        return self.total is not None and self.done is not None and self.done >= self.total


class Display(Protocol):
    """What shows stages; ``within`` are the stages that are under way, outermost first."""

    def begin(self, stage: Stage, within: list[Stage]) -> None: ...
    def advance(self, stage: Stage, within: list[Stage]) -> None: ...
    def end(self, stage: Stage, within: list[Stage], failed: bool) -> None: ...
    def close(self) -> None: ...


_lock = threading.RLock()
_stages: list[Stage] = []
_display: Display | None = None


@contextmanager
def progress(stage: str) -> Iterator[Advance]:
    """Show that a stage is under way; yield ``advance(done, total)``, to be called by a stage that can count.

    It also decorates a function that is a stage as a whole.
    """
    under_way = _begin(stage)
    try:
        yield partial(_advance, under_way)
    except BaseException:
        _end(under_way, failed=True)
        raise
    _end(under_way, failed=False)


class StepCounter:
    """Counter that reports how many steps of all are done."""

    def __init__(self, progress: Advance | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)


def part_of(progress: Advance | None, number: int, count: int) -> Advance | None:
    """Progress of one of several parts that weigh the same, as progress of the whole."""
    if progress is None or count == 1:
        return progress
    whole = progress
    return lambda done, total: whole(number * total + done, count * total)


def _begin(name: str) -> Stage:
    global _display
    stage = Stage(name)
    with _lock:
        if _display is None:
            _display = _Bars() if _is_terminal() else _Lines()
        _stages.append(stage)
        _display.begin(stage, _stages[:-1])
    return stage


def _advance(stage: Stage, done: int, total: int) -> None:
    with _lock:
        stage.done, stage.total = done, total
        if _display is not None:
            _display.advance(stage, _stages)


def _end(stage: Stage, failed: bool) -> None:
    global _display
    with _lock:
        if _display is None or stage not in _stages:
            return
        _stages.remove(stage)
        _display.end(stage, _stages, failed)
        if not _stages:
            display, _display = _display, None
            display.close()


def _is_terminal() -> bool:
    """Whether stderr is a terminal on which bars can be drawn again."""
    return sys.stderr.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def _forget() -> None:
    """In a forked process the stages are its parent's, and the threads are gone."""
    global _display, _lock
    _lock, _display = threading.RLock(), None
    _stages.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


class _Lines:
    """JSON lines: ``stage``, ``within`` (the stage around it), ``done``, ``total``, ``seconds``, ``finished``."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._closed = threading.Event()
        threading.Thread(target=self._beat, name="progress", daemon=True).start()

    def begin(self, stage: Stage, within: list[Stage]) -> None:
        """Say nothing: most stages are short."""

    def advance(self, stage: Stage, within: list[Stage]) -> None:
        """Write a line if the stage is complete, or has not written one for a while."""
        if stage.complete or time.monotonic() - stage.shown >= LINE_S:
            self._tell(stage, within)

    def end(self, stage: Stage, within: list[Stage], failed: bool) -> None:
        """Write a line if the stage took long, and none has said that it is complete."""
        if not failed and not stage.complete and time.monotonic() - stage.begun >= LINE_S:
            self._tell(stage, within, finished=True)

    def close(self) -> None:
        """End the thread."""
        self._closed.set()

    def _tell(self, stage: Stage, within: list[Stage], **more: Any) -> None:
        self._last = stage.shown = time.monotonic()
        around = [other.name for other in within if other is not stage and other.begun <= stage.begun]
        line: dict[str, Any] = {"stage": stage.name} | ({"within": around[-1]} if around else {})
        line |= {} if stage.total is None else {"done": stage.done, "total": stage.total}
        line |= {"seconds": round(self._last - stage.begun, 1)} | more
        print(json.dumps(line), file=sys.stderr, flush=True)

    def _beat(self) -> None:
        while not self._closed.wait(min(LOOK_S, BEAT_S / 4)):
            with _lock:
                if not self._closed.is_set() and _stages and time.monotonic() - self._last >= BEAT_S:
                    self._tell(_stages[-1], _stages)


class _Bars:
    """A bar per stage that is under way, below what else is written: rich draws them again ten times a second."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        console = Console(stderr=True)
        self._bars = Progress(*columns, console=console, redirect_stdout=sys.stdout is not None and sys.stdout.isatty())
        self._tasks: dict[Stage, Any] = {}
        before = sys.stderr
        self._bars.start()
        self._handlers = _redirect_logs(before, sys.stderr)

    def begin(self, stage: Stage, within: list[Stage]) -> None:
        """Add a bar that runs to and fro until the stage counts."""
        self._tasks[stage] = self._bars.add_task("  " * len(within) + stage.name, total=None, count="")

    def advance(self, stage: Stage, within: list[Stage]) -> None:
        """Move the bar."""
        if stage in self._tasks:
            count = f"{stage.done}/{stage.total}"
            self._bars.update(self._tasks[stage], completed=stage.done, total=stage.total, count=count)

    def end(self, stage: Stage, within: list[Stage], failed: bool) -> None:
        """Leave the bar of an outermost stage, and of one within it a line where it took long."""
        task, seconds = self._tasks.pop(stage), time.monotonic() - stage.begun
        if within:
            self._bars.remove_task(task)
            if not failed and seconds >= LINE_S:
                self._bars.console.print(f"{stage.name}: {seconds:.0f} s", highlight=False, markup=False)
        elif failed:
            self._bars.remove_task(task)
        else:
            self._bars.update(task, total=stage.total or 1, completed=stage.total or 1)

    def close(self) -> None:
        """Draw for the last time, and give the streams back."""
        after = sys.stderr
        self._bars.stop()
        for handler in self._handlers:
            if handler.stream is after:
                handler.setStream(sys.stderr)


def _redirect_logs(before: Any, now: Any) -> list[Any]:
    """Let the handlers of logs that write to a stream write to another, above the bars; which those are."""
    import logging

    loggers = [logging.root, *(each for each in logging.root.manager.loggerDict.values() if hasattr(each, "handlers"))]
    streams = {id(before), id(sys.__stderr__)}
    found = {
        id(handler): handler
        for logger in loggers
        for handler in logger.handlers
        if isinstance(handler, logging.StreamHandler) and id(handler.stream) in streams
    }
    for handler in found.values():
        handler.setStream(now)
    return list(found.values())
