"""Pages, styles and scripts: read from the package once, and served by their names alone."""

from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Request, Response

from .._utils.files import digest_text
from .limits import Refusal
from .ranges import respond

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@cache
def static_files() -> dict[str, tuple[bytes, str, str]]:
    """Every file of the front end by name: its bytes, its media type and its digest."""
    found = {}
    for file in files(__package__).joinpath("static").iterdir():
        suffix = file.name[file.name.rfind(".") :]
        if suffix in TYPES:
            data = file.read_bytes()
            found[file.name] = (data, TYPES[suffix], digest_text(data.decode())[:16])
    return found


def page_router(only_test: bool) -> APIRouter:
    """The routes of pages; the first page is that of the listening test where there is nothing else."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def first(request: Request) -> Response:
        return _file(request, "listen.html" if only_test else "index.html")

    @router.get("/listen")
    async def listen(request: Request) -> Response:
        return _file(request, "listen.html")

    @router.get("/favicon.ico")
    async def icon(request: Request) -> Response:
        return _file(request, "icon.svg")

    @router.get("/static/{name}")
    async def static(request: Request, name: str) -> Response:
        return _file(request, name)

    return router


def _file(request: Request, name: str) -> Response:
    found = static_files().get(name)
    if found is None:
        raise Refusal(404, "there is no such page")
    data, media_type, digest = found
    return respond(request, data, media_type, digest, "no-cache")
