"""Suppression of messages that C libraries print to stderr."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_depth = 0
_kept: int | None = None


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Discard what is written to the standard error stream of the process (not Python's ``sys.stderr``) meanwhile.

    For single calls of a library, as messages of other threads are discarded too.
    """
    _silence()
    try:
        yield
    finally:
        _restore()


def _silence() -> None:
    global _depth, _kept
    with _lock:
        _depth += 1
        if _depth == 1:
            try:
                _kept = os.dup(2)
            except OSError:  # it is closed
                return
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 2)
            os.close(nowhere)


def _restore() -> None:
    global _depth, _kept
    with _lock:
        _depth -= 1
        if _depth == 0 and _kept is not None:
            os.dup2(_kept, 2)
            os.close(_kept)
            _kept = None
