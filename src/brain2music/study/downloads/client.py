"""HTTP client of the downloads: timeouts, repeated attempts, and which failures may pass."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from ..._utils.errors import InputError
from ..._utils.files import parse_json
from ..content import page_in

if TYPE_CHECKING:
    import requests

AGAIN = "run the same command again later: it continues where this ended"
LARGEST_LISTING = 256 << 20
"""Most bytes of an answer that is read into memory."""
_BLOCK = 1 << 16
_PASSING = (408, 425, 429, 500, 502, 503, 504, 522, 524)
"""Statuses of failures that may pass."""
_LONGEST_PAUSE_S = 60.0
_REASONS = {
    401: "the server asks for a login",
    403: "the server refuses access",
    404: "the server has no such file",
    410: "the server has no such file any more",
    451: "the server may not show this file",
}
_Got = TypeVar("_Got")


class TransientError(Exception):
    """A failure that may pass; ``retry_after`` is how many seconds the server asks to wait."""

    def __init__(self, what: str, retry_after: float | None = None) -> None:
        super().__init__(what)
        self.retry_after = retry_after


class StoppedError(Exception):
    """Raised where the download is to end, as it was interrupted or another file failed for good."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for servers, and how often to try again.

    Attributes
    ----------
    timeout_s : float
        Seconds without a byte, or with next to none, after which a connection is given up.
    attempts : int
        How often something is tried in a row without getting further.
    backoff_s : float
        Seconds before the second attempt; they double with each.

    Examples
    --------
    >>> from brain2music.study.downloads import Patience
    >>> Patience(timeout_s=120.0)  # for a slow line
    Patience(timeout_s=120.0, attempts=5, backoff_s=1.0)
    """

    timeout_s: float = 30.0
    attempts: int = 5
    backoff_s: float = 1.0


@dataclass(frozen=True)
class HttpClient:
    """What asks servers for listings and files, again where a failure may pass.

    Attributes
    ----------
    patience : how long to wait, and how often to try.
    stop : ends all transfers when it is set.
    """

    patience: Patience = field(default_factory=Patience)
    stop: threading.Event = field(default_factory=threading.Event, compare=False)
    _own: threading.local = field(default_factory=threading.local, compare=False, repr=False)

    def get(self, url: str, params: Mapping[str, str] | None = None) -> bytes:
        """Get a small document."""
        return self.repeat(lambda: self._whole("GET", url, params=params), url)

    def get_json(self, url: str) -> Any:
        """Get a JSON document."""
        return _parse_answer(self.get(url), url)

    def post_json(self, url: str, body: Mapping[str, Any]) -> Any:
        """Send JSON, and get JSON."""
        return _parse_answer(self.repeat(lambda: self._whole("POST", url, json=body), url), url)

    def size_of(self, url: str) -> int | None:
        """Ask for the size of a file without getting it; None if the server does not say."""
        return self.repeat(lambda: self._size(url), url)

    def repeat(self, attempt: Callable[[], _Got], url: str) -> _Got:
        """Do something until it succeeds, or has failed as often as is allowed."""
        for number in range(1, self.patience.attempts + 1):
            try:
                return attempt()
            except TransientError as fault:
                if number == self.patience.attempts:
                    raise server_error(f"{fault}; tried {number} times", url, AGAIN) from None
                self.pause(number, fault.retry_after)
        raise AssertionError

    def pause(self, number: int, retry_after: float | None = None) -> None:
        """Wait after the failed attempt of this number; :class:`StoppedError` when all is to end."""
        pause = self.patience.backoff_s * 2 ** (number - 1)
        if retry_after is not None and self.patience.backoff_s > 0:
            pause = max(pause, retry_after)
        if self.stop.wait(min(pause, _LONGEST_PAUSE_S)):
            raise StoppedError

    @contextmanager
    def open(self, method: str, url: str, **more: Any) -> "Iterator[requests.Response]":
        """Send a request and yield the answer before its body is read.

        Raises
        ------
        TransientError
            No connection, a timeout, or a status of a failure that may pass, also while the body is read.
        InputError
            The address is no address, or the server refuses.
        """
        import requests
        import urllib3

        if urlsplit(url).scheme not in ("http", "https"):
            raise server_error("this is no address of a server", url, "give one that begins with https://")
        headers = {"Accept-Encoding": "identity", "User-Agent": "brain2music"} | more.pop("headers", {})
        try:
            with self._session().request(
                method, url, stream=True, timeout=self.patience.timeout_s, headers=headers, **more
            ) as answer:
                _require_success(answer, url)
                yield answer
        except (requests.exceptions.InvalidURL, requests.exceptions.TooManyRedirects) as fault:
            raise server_error(f"this address leads nowhere ({fault})", url, "correct the address") from None
        except (requests.RequestException, urllib3.exceptions.HTTPError) as fault:
            raise TransientError(_connection_fault(fault)) from None
        except OSError as fault:
            if isinstance(fault, ConnectionError | TimeoutError):
                raise TransientError(_connection_fault(fault)) from None
            raise

    def _session(self) -> "requests.Session":
        if not hasattr(self._own, "session"):
            import requests

            self._own.session = requests.Session()
        return self._own.session

    def _whole(self, method: str, url: str, **more: Any) -> bytes:
        with self.open(method, url, **more) as answer:
            body = bytearray()
            for block in answer.iter_content(_BLOCK):
                body += block
                if len(body) > LARGEST_LISTING:
                    raise server_error("the server's answer does not end", url, "name another server")
        if not body.lstrip().startswith(b"<?xml") and (page := page_in(bytes(body[:4096]), "listing.json")):
            raise TransientError(f"the server sent {page} in place of a listing")
        return bytes(body)

    def _size(self, url: str) -> int | None:
        with self.open("GET", url, headers={"Range": "bytes=0-0"}) as answer:
            return total_bytes(answer)


def server_error(what: str, url: str, hint: str) -> InputError:
    """Make the error of something at an address, which is no path of a file here."""
    return InputError(f"{url}: {what}", hint=hint)


def total_bytes(answer: "requests.Response") -> int | None:
    """The size of the whole file that an answer is, or is a part of; None if the server does not say."""
    of = answer.headers.get("Content-Range", "").rpartition("/")[2]
    if answer.status_code == 206:
        return int(of) if of.isdecimal() else None
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _require_success(answer: "requests.Response", url: str) -> None:
    """Raise for an answer that is neither the file nor a part of it; status 416 is left to the caller."""
    status = answer.status_code
    if status in (200, 206, 416):
        return
    head = next(answer.iter_content(4096), b"")
    page = page_in(head, "page")
    said = f": {page}" if page else ""
    if status in _PASSING:
        after = answer.headers.get("Retry-After", "")
        what = f"the server has a fault at the moment (status {status}{said})"
        raise TransientError(what, float(after) if after.isdecimal() else None)
    reason = _REASONS.get(status, "the server refuses the request")
    raise server_error(f"{reason} (status {status}{said})", url, "check the address and the version that you ask for")


def _parse_answer(body: bytes, url: str) -> Any:
    try:
        return parse_json(body, "answer")
    except InputError as problem:
        raise server_error(problem.what, url, "try again later, or name another server") from None


def _connection_fault(fault: BaseException) -> str:
    text = " ".join(str(fault).split())
    if "IncompleteRead" in text:
        return "the connection was cut"
    kind = "the server does not answer in time" if "timed out" in text.lower() else "the connection failed"
    _, around, innermost = text.rpartition("): ")  # what was refused, without the objects that tried
    reason = innermost.rstrip("\"')")[-200:] if around else text[-200:]
    return f"{kind} ({reason}{')' * (reason.count('(') - reason.count(')'))})"
