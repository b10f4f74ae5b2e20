"""A server on loopback that has every fault that servers have, each on request."""

import hashlib
import json
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

PAGE = b"<!DOCTYPE html><html><head><title>Service under maintenance</title></head><body>Sorry</body></html>"
Fault = Callable[["Handler", "Resource"], None]
_FLIPPED = bytes(byte ^ 1 for byte in range(256))


@dataclass
class Resource:
    """What is at an address; the faults are used up, one with each request."""

    body: bytes
    faults: list[Fault] = field(default_factory=list)
    ranges: bool = True
    etag: str | None = None
    kind: str = "application/octet-stream"
    length: bool = True


class Handler(BaseHTTPRequestHandler):
    """Sends what the site has."""

    protocol_version = "HTTP/1.1"
    server: "Site"

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.posted.append(json.loads(body))
        self._answer()

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        self.server.requests[path].append(self.headers.get("Range", ""))
        make = self.server.answers.get(path)
        if make is not None:
            status, body = make(self)
            self.send(status, body, kind="application/json")
            return
        resource = self.server.site.get(path)
        if resource is None:
            self.send(404, b"<html><title>404 Not Found</title></html>", kind="text/html")
        elif resource.faults:
            resource.faults.pop(0)(self, resource)
        else:
            self.send_file(resource)

    def send(self, status: int, body: bytes, kind: str = "text/html", **headers: str) -> None:
        """Send a whole answer."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def send_file(self, resource: Resource, upto: int | None = None, then: Callable[[], None] | None = None) -> None:
        """Send a file, or the range of it that is asked for; only ``upto`` bytes of it, and ``then`` something else."""
        start, size = 0, len(resource.body)
        etag = resource.etag or f'"{hashlib.md5(resource.body).hexdigest()}"'
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")) if resource.ranges else None
        if asked and self.headers.get("If-Range", etag) == etag:
            start = int(asked[1])
            if start >= size:
                self.send(416, b"", Content_Range=f"bytes */{size}")
                return
            size = min(size, int(asked[2]) + 1) if asked[2] else size
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{len(resource.body)}")
        else:
            self.send_response(200)
        self.send_header("Content-Type", resource.kind)
        self.send_header("ETag", etag)
        if resource.length:
            self.send_header("Content-Length", str(size - start))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        whole = resource.body[start:size]
        self.wfile.write(whole if upto is None else whole[:upto])
        self.wfile.flush()
        if then is not None:
            then()
        if upto is not None:
            self.close_connection = True


class Site(ThreadingHTTPServer):
    """The server: what it has, and what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.site: dict[str, Resource] = {}
        self.answers: dict[str, Callable[[Handler], tuple[int, bytes]]] = {}
        self.requests: defaultdict[str, list[str]] = defaultdict(list)
        self.posted: list[Any] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *args: object) -> None:
        """Say nothing of clients that have gone."""

    def put(self, path: str, body: bytes, *faults: Fault, **more: Any) -> str:
        """Have a file; returns its address."""
        self.site[path] = Resource(body, list(faults), **more)
        return f"{self.url}{path}"

    def put_json(self, path: str, value: Any) -> str:
        """Have a JSON document."""
        return self.put(path, json.dumps(value).encode(), kind="application/json")

    def put_record(self, number: str, files: dict[str, bytes], *faults: Fault) -> None:
        """Have a record of Zenodo."""
        entries = []
        for name, body in files.items():
            url = self.put(f"/api/records/{number}/files/{name}/content", body, *faults)
            md5 = f"md5:{hashlib.md5(body).hexdigest()}"
            entries.append({"key": name, "size": len(body), "checksum": md5, "links": {"self": url}})
        self.put_json(f"/api/records/{number}", {"id": int(number), "metadata": {"version": "v1"}, "files": entries})


@contextmanager
def serving() -> Iterator[Site]:
    """Serve until the end of the block."""
    site = Site()
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.released.set()
        site.shutdown()
        site.server_close()


def cut(after: int) -> Fault:
    """End the connection after so many bytes."""
    return lambda handler, resource: handler.send_file(resource, upto=after)


def stall(after: int) -> Fault:
    """Send so many bytes, and nothing more until the test has ended."""

    def fault(handler: Handler, resource: Resource) -> None:
        handler.send_file(resource, upto=after, then=lambda: _hold(handler))

    return fault


def drip(every_s: float) -> Fault:
    """Send byte by byte, slowly."""

    def then(handler: Handler) -> None:
        while not handler.server.released.wait(every_s):
            handler.wfile.write(b"x")
            handler.wfile.flush()

    return lambda handler, resource: handler.send_file(resource, upto=1, then=lambda: then(handler))


def status(code: int, body: bytes = b"", **headers: str) -> Fault:
    """Answer with a status."""
    return lambda handler, resource: handler.send(code, body, **headers)


def page(handler: Handler, resource: Resource) -> None:
    """Send a page in place of the file, as if all was well."""
    handler.send(200, PAGE)


def wrong(handler: Handler, resource: Resource) -> None:
    """Send other bytes, as many."""
    handler.send_file(Resource(resource.body.translate(_FLIPPED)))


def wrong_range(handler: Handler, resource: Resource) -> None:
    """Send another range than was asked for."""
    body = resource.body[:10]
    handler.send(206, body, Content_Range=f"bytes 0-9/{len(resource.body)}")


def _hold(handler: Handler) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and not handler.server.released.wait(0.05):
        pass
