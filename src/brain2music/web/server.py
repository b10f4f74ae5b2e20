"""``brain2music serve``: the application on an address, with a token where others can reach it."""

import ipaddress
import secrets
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from .._utils.errors import InputError
from .._utils.progress import progress
from .app import WebSettings, create_app
from .security import LOOPBACK

SIMULTANEOUS = 400
"""Connections; more are answered by 503."""


def serve(
    settings: WebSettings,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    announce: Callable[[str], None] = print,
) -> None:
    """Serve a finished run until interrupted.

    On another address than loopback everybody who can reach it could use it, so that clients then need a token, which
    is part of the address that is announced.

    Parameters
    ----------
    settings : WebSettings
        What is served.
    host : str, default "127.0.0.1"
        Address to listen on.
    port : int, default 8080
        Port; 0 for one that is free.
    announce : callable
        Called with each address to open.

    Raises
    ------
    InputError
        FastAPI or uvicorn are not installed, the port is taken, or the folder is no finished run.

    Examples
    --------
    >>> from pathlib import Path
    >>> from brain2music.web import WebSettings, serve
    >>> serve(WebSettings(Path("OUT")))  # announces http://127.0.0.1:8080/ where OUT is a run
    Traceback (most recent call last):
        ...
    brain2music._utils.errors.InputError: OUT: there is no such folder. Name the output folder of a run.
    """
    try:
        import uvicorn
    except ImportError:
        raise InputError("the web application needs uvicorn", hint="pip install 'brain2music[web]'") from None

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            """End at a signal as a server does, without passing it on when all is closed."""
            numbers = (signal.SIGINT, signal.SIGTERM)
            before = [signal.signal(number, self.handle_exit) for number in numbers]
            try:
                yield
            finally:
                for number, handler in zip(numbers, before, strict=True):
                    signal.signal(number, handler)

    settings = _addressed(settings, host)
    with progress("read the run"):
        app = create_app(settings)
    try:
        listening = _listen(host, port)
        config = uvicorn.Config(
            app,
            access_log=False,
            log_level="warning",
            server_header=False,
            limit_concurrency=SIMULTANEOUS,
            timeout_keep_alive=20,
            h11_max_incomplete_event_size=32 << 10,
            http="h11",
            ws="none",
            proxy_headers=False,
            timeout_graceful_shutdown=5,
        )
        for address in addresses(settings, host, listening.getsockname()[1]):
            announce(address)
        Server(config).run(sockets=[listening])
    finally:
        app.state.close()


def addresses(settings: WebSettings, host: str, port: int) -> list[str]:
    """The addresses to open: of the application, and of the listening test."""
    name = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)
    base = f"http://{f'[{name}]' if ':' in name else name}:{port}"
    token = f"?token={settings.token}" if settings.token else ""
    pages = ["/"] if settings.only_test or settings.design is None else ["/", "/listen"]
    return [f"{base}{page}{token}" for page in pages]


def _addressed(settings: WebSettings, host: str) -> WebSettings:
    """Settings with the names that the server goes by, and a token where it is not on loopback."""
    hosts: tuple[str, ...] = (*LOOPBACK, *settings.hosts, host)
    if _is_loopback(host):
        return replace(settings, hosts=hosts)
    everywhere = host in ("0.0.0.0", "::")
    hosts = (*hosts, socket.gethostname()) if everywhere else hosts
    token = settings.token or secrets.token_urlsafe(24)
    return replace(settings, hosts=hosts, any_address=everywhere, token=token)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(host: str, port: int) -> Any:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(found[4][:2], family=found[0], backlog=512)
    except (OSError, OverflowError) as error:
        what = f"the server cannot listen on {host}, port {port} ({getattr(error, 'strerror', None) or error})"
        raise InputError(what, hint="choose another with --port or --host") from None
