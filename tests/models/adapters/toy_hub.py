"""A hub on loopback that lists and sends the files of repositories, and cuts or spoils them on request."""

import hashlib
import json
import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "c" * 40


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "ToyHub"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        if path.startswith("/api/models/"):
            repo = re.sub(r"/(revision|tree)/.*$", "", path.removeprefix("/api/models/"))
            self._send_json(repo, tree="/tree/" in path)
            return
        repo, _, rest = path.strip("/").partition("/resolve/")
        name = rest.partition("/")[2]
        content = self.server.repositories.get(repo, {}).get(name)
        if content is None:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
        else:
            self._send_file(name, content, body)

    def _send_json(self, repo: str, tree: bool) -> None:
        files = self.server.repositories.get(repo)
        if files is None:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
            return
        listed: list[dict[str, Any]] = []
        for name, content in files.items():
            sha256 = self.server.claimed.get(name) or hashlib.sha256(content).hexdigest()
            lfs = {"sha256": sha256, "oid": sha256, "size": len(content), "pointerSize": 130}
            entry = {"blobId": "b" * 40, "oid": "b" * 40, "size": len(content), "lfs": lfs}
            listed.append({"type": "file", "path": name, **entry} if tree else {"rfilename": name, **entry})
        whole = {"id": repo, "modelId": repo, "sha": COMMIT, "private": False, "tags": [], "siblings": listed}
        self._send(200, json.dumps(listed if tree else whole).encode(), {"Content-Type": "application/json"})

    def _send_file(self, name: str, content: bytes, body: bool) -> None:
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        headers = {"ETag": etag, "X-Linked-Etag": etag, "X-Repo-Commit": COMMIT, "X-Linked-Size": str(len(content))}
        headers["Accept-Ranges"] = "bytes"
        if asked:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self.send_response(206 if asked else 200)
        for key, value in {**headers, "Content-Length": str(len(content) - start)}.items():
            self.send_header(key, value)
        self.end_headers()
        if not body:
            return
        self.server.requests[name].append(start)
        cut = self.server.cuts.pop(name, None)
        self.wfile.write(content[start:] if cut is None else content[start : start + cut])
        self.wfile.flush()
        if cut is not None:
            self.close_connection = True

    def _send(self, code: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(code)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)


class ToyHub(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.claimed: dict[str, str] = {}
        """File -> digest that is listed in place of its own."""
        self.cuts: dict[str, int] = {}
        """File -> bytes after which the connection is cut, once."""
        self.requests: defaultdict[str, list[int]] = defaultdict(list)
        """File -> first byte of each answer."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def toy_hub() -> Iterator[ToyHub]:
    hub = ToyHub()
    threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
