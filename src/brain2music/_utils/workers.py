"""Pools of worker processes that are interrupted with their parent, and do not run the script that started them."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Workers(ProcessPoolExecutor):
    """A process pool whose workers ignore keyboard interrupts and are ended by their parent.

    A terminal sends interrupts to all processes, and each worker would print a traceback. Calls are functions of this
    package, so that workers need nothing of the user's script, which may be without ``if __name__ == "__main__"``.
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Submit a call as to any pool; worker processes are started here."""
        with _interruptions_ignored(), _without_main():
            return super().submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Shut down as any pool, but do not wait for running calls after an interrupt."""
        if isinstance(sys.exception(), KeyboardInterrupt | GeneratorExit):
            running: dict[int, Any] = getattr(self, "_processes", None) or {}
            for process in list(running.values()):
                process.terminate()
        super().shutdown(wait, cancel_futures=cancel_futures)


@contextmanager
def _interruptions_ignored() -> Iterator[None]:
    """Let processes that are started meanwhile ignore SIGINT."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _without_main() -> Iterator[None]:
    """Hide the main module from processes that are started meanwhile, which would import and thereby run it."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
