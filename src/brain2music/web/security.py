"""What every request passes: its host, its origin, the token and its size; and the headers of every answer."""

import asyncio
import ipaddress
import json
import secrets
from collections.abc import Collection
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from .limits import Limits

Scope = Any
TOKEN_COOKIE = "brain2music_token"
SAFE = ("GET", "HEAD", "OPTIONS")
UPLOADS = "/api/uploads"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)


class Guard:
    """ASGI middleware that refuses what is not for this server before the application sees it.

    * The host has to be one of those the server is known by. A page of another name that was made to point at this
      address (DNS rebinding) is refused.
    * Requests that change something have to come from a page of this server.
    * Where there is a token, it comes once in the address (``?token=``), and as a cookie from then on.
    * A body is counted as it arrives.

    Parameters
    ----------
    app : ASGI application
        What is guarded.
    hosts : collection of str
        Names and addresses of the server, without port.
    any_address : bool
        Whether every numeric address is one of this server, where it is bound to all of them.
    token : str or None
        What clients have to know.
    limits : Limits
        Sizes and times.
    """

    def __init__(
        self, app: Any, *, hosts: Collection[str], any_address: bool, token: str | None, limits: Limits
    ) -> None:
        self.app, self.token, self.limits, self.any_address = app, token, limits, any_address
        self.hosts = frozenset(host.lower().strip("[]") for host in hosts)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Handle one connection."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        answer = _Answer(send)
        if refused := self._refused(scope, headers):
            await answer.refuse(*refused)
            return
        if self.token is not None and not await self._knows_token(scope, headers, answer):
            return
        body = _Body(receive, self._most(scope), self.limits.receive_s, answer)
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or int(length) > body.most:
            await answer.refuse(*body.too_large)
            return
        try:
            await self.app(scope, body, answer)
        except BodyError:
            await answer.refuse(*answer.instead)

    def _refused(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        """Why a request is not for this server; None where it is."""
        counts = sum(name == b"host" for name, _ in scope["headers"])
        host = headers.get("host", "")
        if counts != 1 or not self._is_ours(host):
            return 421, "this server does not go by that name; use the address that it printed, or --allowed-host"
        if scope["method"] in SAFE:
            return None
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
        if site not in ("same-origin", "none") or (origin is not None and _host_of(origin) != host):
            return 403, "requests from pages of other servers are refused"
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
            _ = urlsplit(f"//{host}").port
        except ValueError:
            return False
        if name.lower() in self.hosts:
            return True
        try:
            return self.any_address and ipaddress.ip_address(name) is not None
        except ValueError:
            return False

    async def _knows_token(self, scope: Scope, headers: dict[str, str], answer: "_Answer") -> bool:
        """Whether a request has the token; else it is answered here: by a cookie if it brings it, or a refusal."""
        if self._is_token(_cookie(headers, TOKEN_COOKIE)):
            return True
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._is_token(bearer):
            return True
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        brought = [value for name, value in query if name == "token"]
        if scope["method"] not in SAFE or not brought or not self._is_token(brought[-1]):
            await answer.refuse(401, "open the address with the token that the server printed")
            return False
        rest = urlencode([(name, value) for name, value in query if name != "token"])
        path = "/" + scope["raw_path"].decode("latin-1").split("?")[0].lstrip("/\\")
        secure = "; Secure" if scope["scheme"] == "https" else ""
        cookie = f"{TOKEN_COOKIE}={self.token}; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000{secure}"
        await answer.redirect(path + (f"?{rest}" if rest else ""), cookie)
        return False

    def _is_token(self, text: str) -> bool:
        assert self.token is not None
        return secrets.compare_digest(text.encode("utf-8", "replace"), self.token.encode())

    def _most(self, scope: Scope) -> int:
        return self.limits.upload_bytes if scope["path"] == UPLOADS else self.limits.body_bytes


class BodyError(Exception):
    """A body is larger than allowed, or does not arrive in time."""


class _Body:
    """The body of a request, counted and timed as it arrives.

    The application may take the error for one of its own, so that the answer is told what to say in any case.
    """

    def __init__(self, receive: Any, most: int, seconds: float, answer: "_Answer") -> None:
        self.receive, self.most, self.size, self.answer = receive, most, 0, answer
        self.too_large = (413, f"the request is larger than {most / 2**20:.3g} MiB")
        self.until = asyncio.get_running_loop().time() + seconds
        self.whole = False

    async def __call__(self) -> Any:
        if self.whole:  # from now on the application waits for the client to go
            return await self.receive()
        try:
            async with asyncio.timeout_at(self.until):
                message = await self.receive()
        except TimeoutError:
            self.answer.instead = (408, "the request did not arrive in time")
            raise BodyError from None
        self.size += len(message.get("body", b""))
        self.whole = message["type"] != "http.request" or not message.get("more_body", False)
        if self.size > self.most:
            self.answer.instead = self.too_large
            raise BodyError
        return message


class _Answer:
    """What is sent back, with the headers that every answer has."""

    def __init__(self, send: Any) -> None:
        self.send, self.begun, self.refused = send, False, False
        self.instead: tuple[int, str] = (0, "")

    async def __call__(self, message: Any) -> None:
        if self.instead[0] and not self.begun:
            await self.refuse(*self.instead)
        if self.refused:
            return  # what the application says of a body that was cut off
        await self._send(message)

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            has = {name.lower() for name, _ in message["headers"]}
            extra = [(name, value) for name, value in HEADERS if name not in has]
            if b"cache-control" not in has:
                extra.append((b"cache-control", b"no-store"))
            message = {**message, "headers": [*message["headers"], *extra]}
        await self.send(message)

    async def refuse(self, status: int, what: str) -> None:
        if self.begun:
            if not self.refused:
                raise ConnectionError(what)
            return
        self.refused = True
        body = json.dumps({"error": what}).encode()
        await self._whole(status, [(b"content-type", b"application/json"), (b"connection", b"close")], body)

    async def redirect(self, where: str, cookie: str) -> None:
        await self._whole(303, [(b"location", where.encode("latin-1")), (b"set-cookie", cookie.encode("latin-1"))], b"")

    async def _whole(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        headers = [*headers, (b"content-length", str(len(body)).encode())]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def _host_of(origin: str) -> str | None:
    """Host and port of an origin; None where it is none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _cookie(headers: dict[str, str], name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value
