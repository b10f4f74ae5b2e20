"""Locks of the operating system on files: they end with the process that holds them, however that ends.

Processes that write to one folder keep out of each other's way by these, also from several machines of a cluster
where the file system they share carries locks (NFS, Lustre and the like do). Where there are none, work goes on
without them, and that is said.
"""

import json
import os
import socket
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import Brain2MusicWarning, InputError
from .progress import progress

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None  # type: ignore[assignment]

PAUSE_S = 0.2
"""Between two tries to get a lock that another process holds."""


@contextmanager
def locked(path: Path, doing: str, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock whose file is ``path``; other processes that ask for it wait, or are refused.

    The file says who holds the lock (host, process, what it is doing) and is removed at the end; one that a killed
    process left is taken over. A process must not ask for a lock that it holds.

    Parameters
    ----------
    doing : what is done meanwhile ("decoding sub-01"), for the line that others read.
    wait : whether to wait for the lock where another process holds it, after one line on stderr.

    Raises
    ------
    InputError : another process holds it and ``wait`` is false; or the file cannot be written.
    """
    handle = _take(path)
    if handle is None:
        if not wait:
            hint = "wait until it has ended, or name another folder"
            raise InputError(f"{_holder(path)} here", path.parent, hint)
        print(f"waiting: {_holder(path)} in {path.parent}", file=sys.stderr, flush=True)
        with progress("wait for another process"):
            while handle is None:
                time.sleep(PAUSE_S)
                handle = _take(path)
    try:
        _sign(handle, doing)
        yield
    finally:
        path.unlink(missing_ok=True)  # before it is let go, so that nobody's lock is ever removed
        os.close(handle)


@contextmanager
def try_locked(path: Path, doing: str) -> Iterator[bool]:
    """Hold a lock as :func:`locked` does where it is free; False, without the lock, where another process has it."""
    handle = _take(path)
    if handle is None:
        yield False
        return
    try:
        _sign(handle, doing)
        yield True
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def hold(handle: int) -> None:
    """Mark an open file as in use until it is closed, for :func:`in_use`."""
    if fcntl is not None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return  # without locks nothing is ever taken for abandoned


def remove_abandoned(path: Path) -> bool:
    """Remove a file that no living process holds (:func:`hold`); True if it was removed."""
    if fcntl is None or path.is_symlink():
        return False
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def is_at(path: Path, handle: int) -> bool:
    """Whether an open file still is the one at this path."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except OSError:
        return False


def _take(path: Path) -> int | None:
    """A descriptor of the file, locked; None where another process holds it."""
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            what = f"nothing can be written here ({error.strerror or error})"
            raise InputError(what, path.parent, "name another folder, or change its permissions") from None
        if not _lock(handle, path):
            os.close(handle)
            return None
        if is_at(path, handle):
            return handle
        os.close(handle)  # its holder removed it between opening and locking


def _lock(handle: int, path: Path) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        what = f"{path.parent}: this file system has no locks ({error.strerror}): run one process at a time here"
        warnings.warn(what, Brain2MusicWarning, stacklevel=4)
    return True


def _sign(handle: int, doing: str) -> None:
    owner = {"host": socket.gethostname(), "pid": os.getpid(), "doing": doing}
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps(owner).encode(), 0)


def _holder(path: Path) -> str:
    """Who holds a lock, and for what, as the beginning of a sentence."""
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
        return f"process {owner['pid']} on {owner['host']} is {owner['doing']}"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):  # it has only just begun or ended
        return "another process is at work"
