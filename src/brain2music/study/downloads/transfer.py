"""Transfer of one file: resumed where it was cut, and verified before it is taken for the file."""

import errno
import os
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO

from ..._utils.errors import InputError
from ..content import foreign_content, page_in
from .client import AGAIN, HttpClient, StoppedError, TransientError, server_error, total_bytes
from .parts import PartialFile
from .remote import Checksum

if TYPE_CHECKING:
    import requests

_READ = 1 << 20
_PROGRESS = 1 << 20
"""Bytes that count as getting further: the attempts are counted anew after them."""
_SLOWEST = 1 << 10
"""Bytes a second below which a connection is given up."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class NoRoomError(InputError):
    """Raised where the disk is full, which ends all transfers."""


def transfer(part: PartialFile, client: HttpClient, advance: Callable[[int], None]) -> Checksum | None:
    """Download the rest of a file into its part and verify it.

    Parameters
    ----------
    part : what is here of it.
    client : what sends the requests.
    advance : told how many bytes have come; negative where bytes are given up.

    Returns
    -------
    Checksum or None
        What it was verified with besides its size; None if no checksum is known.

    Raises
    ------
    InputError
        The server refuses, fails as often as is allowed, or twice sends bytes that are not those of the file; or there
        is no room on the disk. What is here stays, unless it is wrong.
    StoppedError
        ``client.stop`` was set.
    """
    failed, was_wrong = 0, False
    while True:
        before = part.size()
        try:
            if not _is_complete(part):
                _receive(part, client, advance)
            problem = _problem(part)
        except TransientError as fault:
            failed = 1 if part.size() - before >= _PROGRESS else failed + 1
            if failed >= client.patience.attempts:
                raise server_error(f"{fault}; tried {failed} times", part.remote.url, AGAIN) from None
            client.pause(failed, fault.retry_after)
            continue
        if problem is None:
            return part.checksum
        advance(-part.size())
        part.discard()
        if was_wrong:
            hint = "try again another day, or tell those who run the server"
            raise server_error(f"{problem}, twice; nothing was kept of it", part.remote.url, hint)
        was_wrong = True


def _is_complete(part: PartialFile) -> bool:
    return part.remote.size is not None and part.path.exists() and part.size() >= part.remote.size


def _problem(part: PartialFile) -> str | None:
    """What is wrong with a file that is complete; None if nothing is."""
    size, expected = part.size(), part.remote.size
    if expected is not None and size != expected:
        return f"the server sent {size} bytes of a file of {expected}"
    foreign = foreign_content(part.path, part.remote.path) if size else None
    instead = f"in place of the file: {foreign.what}" if foreign else ""
    known = part.checksum
    if known is None:
        return instead or None
    found = known.compute(part.path)
    if found == known.value:
        return None
    etag = part.md5_of_etag
    if known.algorithm == "git" and etag is not None and etag.compute(part.path) == etag.value:
        return None  # listings have had other numbers in that place
    return instead or f"the server sent other bytes than it lists ({known.algorithm} {found}, not {known.value})"


def _receive(part: PartialFile, client: HttpClient, advance: Callable[[int], None]) -> None:
    """Get bytes until the file is complete; raises :class:`TransientError` if it is not in the end."""
    start = part.size()
    if start and not part.resumable:
        advance(-start)
        start = 0
    headers = {}
    if start:
        headers["Range"] = f"bytes={start}-"
        if part.etag and not part.etag.startswith("W/"):
            headers["If-Range"] = part.etag
    with client.open("GET", part.remote.url, headers=headers) as answer:
        if answer.status_code == 416 and _whole_size(answer) == start:
            return  # all of it was here already
        if answer.status_code == 416:
            advance(-part.size())
            part.discard()
            raise TransientError("the server has fewer bytes than are here; beginning anew")
        if start and not _continues(answer, start, part.remote.size):
            advance(-start)
            start = 0
        total = total_bytes(answer)
        _append_body(part, answer, start, total, client, advance)
    if total is not None and part.size() < total:
        raise TransientError(f"the connection was cut after {part.size()} of {total} bytes")


def _whole_size(answer: "requests.Response") -> int:
    """The size of the file that an answer without bytes of it names; -1 if it names none."""
    size = answer.headers.get("Content-Range", "").rpartition("/")[2]
    return int(size) if size.isdecimal() else -1


def _continues(answer: "requests.Response", start: int, size: int | None) -> bool:
    """Whether an answer begins at the byte that was asked for; servers may send the file from its beginning."""
    if answer.status_code != 206:
        return False
    span, _, total = answer.headers.get("Content-Range", "").removeprefix("bytes").strip().partition("/")
    first = span.partition("-")[0]
    if not first.isdecimal() or int(first) != start or (size is not None and total not in ("*", str(size))):
        raise TransientError(f"the server sent bytes {span} of {total}, and was asked for those from {start}")
    return True


def _append_body(
    part: PartialFile,
    answer: "requests.Response",
    start: int,
    total: int | None,
    client: HttpClient,
    advance: Callable[[int], None],
) -> None:
    """Append the body of an answer to the part."""
    blocks = _blocks(answer, client)
    first = next(blocks, b"")
    if start == 0:
        _require_file(part, answer, first, total)
        part.path.parent.mkdir(parents=True, exist_ok=True)
        part.remember(answer.headers.get("ETag", ""))
    with part.path.open("ab") as file:
        try:
            while first:
                _append(file, first, client)
                advance(len(first))
                if part.remote.size is not None and file.tell() > part.remote.size:
                    break
                first = next(blocks, b"")
            file.flush()
            os.fsync(file.fileno())
        except OSError as fault:
            if fault.errno not in _FULL:
                raise
            hint = "make room, and run the same command again: it continues where this ended"
            raise NoRoomError("there is no room left on the disk", part.path.parent, hint) from None


def _append(file: BinaryIO, block: bytes, client: HttpClient) -> None:
    if client.stop.is_set():
        raise StoppedError
    file.write(block)


def _require_file(part: PartialFile, answer: "requests.Response", first: bytes, total: int | None) -> None:
    """Raise if an answer is a page or has another size than the file, before anything is written."""
    size = part.remote.size
    page = page_in(first[:4096], part.remote.path)
    if size is not None and total is not None and total != size:
        sent = page or f"{total} bytes"
        raise TransientError(f"the server sent {sent} in place of a file of {size} bytes")
    if page is not None and part.remote.checksum is None:
        raise TransientError(f"the server sent {page} in place of the file")


def _blocks(answer: "requests.Response", client: HttpClient) -> Iterator[bytes]:
    """The body as it comes; a connection that hardly moves is given up."""
    since, slow = time.monotonic(), 0
    read = getattr(answer.raw, "read1", answer.raw.read)
    while block := read(_READ):
        yield block
        slow += len(block)
        if (now := time.monotonic()) - since >= client.patience.timeout_s:
            if slow < _SLOWEST * client.patience.timeout_s:
                raise TransientError(f"only {slow} bytes came in {now - since:.0f} s")
            since, slow = now, 0
