"""File locks of the operating system, which end with the process that holds them, however it ends.

They coordinate processes that write to one folder, also from several machines of a cluster if the shared file system
supports locks (as NFS and Lustre do). Without support for locks, work continues with a warning.
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
"""Seconds between attempts to get a lock that another process holds."""


@contextmanager
def locked(path: Path, doing: str, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock whose file is ``path``; other processes wait for it, or are refused.

    The file contains the holder of the lock (host, process, activity) and is removed at the end; that of a killed
    process is taken over. A process must not request a lock that it holds.

    Parameters
    ----------
    path : Path
    doing : str
        What is done meanwhile ("decoding sub-01"), for the message that others get.
    wait : bool
        Whether to wait for the lock if another process holds it, after one line on stderr.

    Raises
    ------
    InputError
        If another process holds the lock and ``wait`` is false, or the file cannot be written.
    """
    handle: int | None = None
    try:  # a signal may come as soon as the file is there
        handle = _acquire(path)
        if handle is None:
            if not wait:
                hint = "wait until it has ended, or name another folder"
                raise InputError(f"{_holder(path)} here", path.parent, hint)
            print(f"waiting: {_holder(path)} in {path.parent}", file=sys.stderr, flush=True)
            with progress("wait for another process"):
                while handle is None:
                    time.sleep(PAUSE_S)
                    handle = _acquire(path)
        _sign(handle, doing)
        yield
    finally:
        _release(path, handle)


@contextmanager
def try_locked(path: Path, doing: str) -> Iterator[bool]:
    """Hold a lock as :func:`locked` does if it is free; yields False, without the lock, if another process has it."""
    handle: int | None = None
    try:
        handle = _acquire(path)
        if handle is not None:
            _sign(handle, doing)
        yield handle is not None
    finally:
        _release(path, handle)


def hold(handle: int) -> None:
    """Mark an open file as in use until it is closed, for :func:`in_use`."""
    if fcntl is not None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return  # without locks no file is ever considered abandoned


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
    """Whether an open file is still the one at this path."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except OSError:
        return False


def _acquire(path: Path) -> int | None:
    """Open and lock the file; returns its descriptor, or None if another process holds it."""
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            what = f"nothing can be written here ({error.strerror or error})"
            raise InputError(what, path.parent, "name another folder, or change its permissions") from None
        try:
            free = _lock(handle, path)
            if free and is_at(path, handle):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        if not free:
            return None  # otherwise its holder removed it between opening and locking


def _release(path: Path, handle: int | None) -> None:
    """Remove and unlock the file; without a descriptor, remove what an interrupted :func:`_acquire` left."""
    if handle is None:
        remove_abandoned(path)
        return
    path.unlink(missing_ok=True)  # before it is released, so that no lock of another process is removed
    os.close(handle)


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
    """The holder of a lock and its activity, as the beginning of a sentence."""
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
        return f"process {owner['pid']} on {owner['host']} is {owner['doing']}"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):  # the file is just being written or removed
        return "another process is at work"
