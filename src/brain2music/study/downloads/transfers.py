"""Transfer of many files over several connections, which an interruption ends at once."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from ..._utils.errors import InputError
from .client import HttpClient
from .local_files import DownloadFolder
from .parts import PartialFile
from .remote import RemoteFile
from .transfer import NoRoomError, transfer

_LOOK_S = 0.2
_WAIT_S = 2.0
"""How long to wait for connections to end after an interruption; their threads cannot write any more."""
_SMALL = 1 << 20


@dataclass(frozen=True)
class FailedTransfer:
    """A file that could not be downloaded, and why."""

    remote: RemoteFile
    error: InputError


def transfer_all(
    files: Sequence[RemoteFile],
    folder: DownloadFolder,
    client: HttpClient,
    n_connections: int,
    advance: Callable[[int], None],
) -> list[FailedTransfer]:
    """Download files, the small ones first; those that fail do not keep others from being downloaded.

    Parameters
    ----------
    files : what to download.
    folder : where to.
    client : what sends the requests; ``client.stop`` is set on the way out.
    n_connections : how many files at once.
    advance : told how many bytes have come, in the calling thread.

    Raises
    ------
    NoRoomError, OSError
        The disk is full, or cannot be written to.
    KeyboardInterrupt
        The transfers have ended then; what came so far is kept.
    """
    ordered = sorted(files, key=lambda remote: (remote.size or 0) > _SMALL)
    waiting, results = deque(ordered), SimpleQueue[tuple[PartialFile, object]]()
    counted = SimpleQueue[int]()

    def work() -> None:
        while not client.stop.is_set():
            try:
                part = PartialFile(folder.parts, waiting.popleft())
            except IndexError:
                return
            try:
                results.put((part, transfer(part, client, counted.put)))
            except BaseException as fault:
                results.put((part, fault))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(n_connections, len(ordered)))]
    failed: list[FailedTransfer] = []
    try:
        for thread in threads:
            thread.start()
        for _ in ordered:
            part, outcome = _next_outcome(results, counted, advance)
            _settle(folder, part, outcome, failed)
    finally:
        client.stop.set()
        for thread in threads:
            thread.join(_WAIT_S)
    return failed


def _next_outcome(
    results: SimpleQueue[tuple[PartialFile, object]], counted: SimpleQueue[int], advance: Callable[[int], None]
) -> tuple[PartialFile, object]:
    """The next file that is done or failed; bytes are counted meanwhile."""
    while True:
        try:
            found = results.get(timeout=_LOOK_S)
        except Empty:
            found = None
        count = 0
        while not counted.empty():
            count += counted.get()
        if count:
            advance(count)
        if found is not None:
            return found


def _settle(folder: DownloadFolder, part: PartialFile, outcome: object, failed: list[FailedTransfer]) -> None:
    """Put a file in its place, or note why it is missing; faults of ours and full disks are raised."""
    if isinstance(outcome, InputError) and not isinstance(outcome, NoRoomError):
        failed.append(FailedTransfer(part.remote, outcome))
    elif isinstance(outcome, BaseException):
        raise outcome
    else:
        folder.take(part, outcome)  # type: ignore[arg-type]
