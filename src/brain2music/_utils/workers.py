"""Processes that work for one: interrupted with it, and not each by itself with a traceback."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Workers(ProcessPoolExecutor):
    """A pool whose processes do not hear an interruption from the keyboard; the one that began them ends them.

    A terminal sends it to all of them, and each would say so on its own.
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """As of a pool; this is where processes begin."""
        with _interruptions_ignored():
            return super().submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As of a pool; on the way out of an interruption without waiting for what is under way."""
        if isinstance(sys.exception(), KeyboardInterrupt | GeneratorExit):
            running: dict[int, Any] = getattr(self, "_processes", None) or {}
            for process in list(running.values()):
                process.terminate()
        super().shutdown(wait, cancel_futures=cancel_futures)


@contextmanager
def _interruptions_ignored() -> Iterator[None]:
    """Processes that begin meanwhile ignore SIGINT for good."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
