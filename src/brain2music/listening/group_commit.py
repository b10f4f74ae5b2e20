"""Commits of many at once: what comes together is written together, by one thread."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Queue
from typing import Generic, TypeVar

TOGETHER = 200
"""Values that are committed at once at most."""

Value = TypeVar("Value")


class GroupCommit(Generic[Value]):
    """A thread that commits the values that are waiting, all at once, and tells of each when it is on the disk.

    Parameters
    ----------
    commit : callable
        Writes values and returns after the commit, with a result or an error for each; or raises, for all of them.
    name : str
        Name of the thread, which starts with the first value.
    """

    def __init__(self, commit: Callable[[Sequence[Value]], Sequence[bool | Exception]], name: str) -> None:
        self._commit, self._name = commit, name
        self._waiting: Queue[tuple[Future[bool], Value] | None] = Queue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def submit(self, value: Value) -> "Future[bool]":
        """Have a value committed, without waiting; the future is done when it is on the disk."""
        future: Future[bool] = Future()
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()
        self._waiting.put((future, value))
        return future

    def close(self) -> None:
        """Commit what was submitted, and end the thread."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()

    def _work(self) -> None:
        while (first := self._waiting.get()) is not None:
            together = [first]
            while len(together) < TOGETHER and not self._waiting.empty():
                if (more := self._waiting.get()) is None:
                    self._waiting.put(None)
                    break
                together.append(more)
            results: Sequence[bool | Exception]
            try:
                results = self._commit([value for _, value in together])
            except Exception as error:
                results = [error] * len(together)
            for (future, _), result in zip(together, results, strict=True):
                future.set_exception(result) if isinstance(result, Exception) else future.set_result(result)
