"""Locks of galleries: one process at a time changes a gallery, and others wait for it or are refused.

On disk this is a lock of the operating system (:mod:`brain2music._utils.locks`), on object storage a file that can be
created only once; a file left behind by a process of this machine that has ended is replaced.
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
def lock_gallery(store: Store, doing: str, wait: bool = True) -> Iterator[None]:
    """Hold the lock of a gallery; if another process holds it, wait after one message.

    Parameters
    ----------
    store : Store
    doing : str
        What is done meanwhile, for the message that others get.
    wait : bool

    Raises
    ------
    InputError
        If another process holds the lock, and ``wait`` is False.
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
    """Create the lock file of a gallery on object storage, as soon as there is none of a living process."""
    owner = json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "doing": doing}).encode()
    reported = False
    while not store.create(LOCK, owner):
        holder = _read_holder(store)
        if _is_left_behind(holder):
            store.remove(LOCK)
            continue
        who = f"process {holder.get('pid', '?')} on {holder.get('host', '?')} is {holder.get('doing', 'changing it')}"
        if not wait:
            raise InputError(who, store.root, f"wait until it has ended; if it was killed, remove {LOCK} there")
        if not reported:
            print(f"waiting: {who} in {store.root}; if it was killed, remove {LOCK} there", file=sys.stderr, flush=True)
            reported = True
        time.sleep(PAUSE_S)


def _is_left_behind(holder: dict[str, str]) -> bool:
    """Whether the holder was a process of this machine that has ended."""
    if holder.get("host") != socket.gethostname():
        return False
    try:
        os.kill(int(holder["pid"]), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, KeyError, ValueError):
        return False
    return False


def _read_holder(store: Store) -> dict[str, str]:
    try:
        holder = parse_json(store.read(LOCK), f"{store.root}/{LOCK}")
    except InputError:
        return {}
    return holder if isinstance(holder, dict) else {}
