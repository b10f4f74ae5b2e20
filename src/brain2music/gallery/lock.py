"""One build at a time: whoever changes a gallery holds its lock, and others wait for it or are refused.

On a disk the operating system holds the lock (:mod:`brain2music._utils.locks`). Object storage gets a file that can be
made only once; one left behind by a process of this machine that is no more is taken over.
"""

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .._utils.errors import InputError
from .._utils.files import parse_json
from .._utils.locks import PAUSE_S
from .._utils.locks import locked as locked_file
from .storage import Store

LOCK = ".lock"


@contextmanager
def locked(store: Store, doing: str, wait: bool = True) -> Iterator[None]:
    """Hold a gallery's lock; where another process holds it, say so once and wait.

    Parameters
    ----------
    doing : what is done meanwhile, for the line that others read.

    Raises
    ------
    InputError : another process holds it, and ``wait`` is False.
    """
    if store.local:
        with locked_file(store.local / LOCK, doing, wait=wait):
            yield
        return
    _wait_for(store, doing, wait)
    try:
        yield
    finally:
        store.remove(LOCK)


def _wait_for(store: Store, doing: str, wait: bool) -> None:
    """Make the file of a gallery on object storage; as soon as there is none, or none of a living process."""
    myself = json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "doing": doing}).encode()
    told = False
    while not store.create(LOCK, myself):
        held = _holder(store)
        if _is_left_behind(held):
            store.remove(LOCK)
            continue
        who = f"process {held.get('pid', '?')} on {held.get('host', '?')} is {held.get('doing', 'changing it')}"
        if not wait:
            raise InputError(who, store.root, f"wait until it has ended; if it was killed, remove {LOCK} there")
        if not told:
            print(f"waiting: {who} in {store.root}; if it was killed, remove {LOCK} there", file=sys.stderr, flush=True)
            told = True
        time.sleep(PAUSE_S)


def _is_left_behind(held: dict[str, str]) -> bool:
    """Whether the holder was a process of this machine that is no more."""
    if held.get("host") != socket.gethostname():
        return False
    try:
        os.kill(int(held["pid"]), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, KeyError, ValueError):
        return False
    return False


def _holder(store: Store) -> dict[str, str]:
    try:
        held = parse_json(store.read(LOCK), f"{store.root}/{LOCK}")
    except InputError:
        return {}
    return held if isinstance(held, dict) else {}
