"""The application: pages, the run, jobs and the listening test, behind the guard of :mod:`brain2music.web.security`."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from .._utils.errors import InputError
from .limits import Refusal, spoken
from .state import State, WebSettings

__all__ = ["WebSettings", "create_app"]


def create_app(settings: WebSettings) -> Any:
    """Make the web application on a finished run.

    Parameters
    ----------
    settings : WebSettings
        What is served, to whom, and within which bounds.

    Returns
    -------
    ASGI application
        To be run by uvicorn or another server, in one process: answers and jobs are kept by it. Its ``api`` is the
        FastAPI application without the guard, and its ``state`` what it is served from.

    Raises
    ------
    InputError
        FastAPI is not installed; the folder is no finished run; the answers are of another listening test.

    Examples
    --------
    >>> from pathlib import Path
    >>> from brain2music.web import WebSettings, create_app
    >>> create_app(WebSettings(Path("OUT")))  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    brain2music.InputError: OUT: there is no such folder
    """
    try:
        from fastapi import FastAPI, Request
        from fastapi.exceptions import RequestValidationError
        from fastapi.responses import JSONResponse
        from starlette.exceptions import HTTPException
    except ImportError:
        raise InputError("the web application needs FastAPI", hint="pip install 'brain2music[web]'") from None
    from . import routes_jobs, routes_listening, routes_run
    from .pages import page_router
    from .security import BodyError, Guard

    state = State(settings)

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield
        state.close()

    api = FastAPI(
        title="brain2music",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        responses=routes_run.ANY,
    )
    api.state.held = state
    routers = [page_router(settings.only_test), routes_listening.router]
    for router in routers if settings.only_test else [*routers, routes_run.router, routes_jobs.router]:
        api.include_router(router)

    @api.exception_handler(Refusal)
    async def refused(_: Request, error: Refusal) -> JSONResponse:
        return JSONResponse({"error": error.what}, error.status, error.headers)

    @api.exception_handler(InputError)
    async def at_fault(_: Request, error: InputError) -> JSONResponse:
        return JSONResponse({"error": spoken(error)}, 422)

    @api.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or "the request"
        return JSONResponse({"error": f"{where}: {first['msg']}"}, 422)

    @api.exception_handler(BodyError)
    async def cut_off(_: Request, error: BodyError) -> JSONResponse:
        return JSONResponse({"error": "the body was cut off"}, 413)  # in whose place the guard says why

    @api.exception_handler(HTTPException)
    async def no_page(_: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": str(error.detail)}, error.status_code, getattr(error, "headers", None))

    @api.exception_handler(Exception)
    async def fault(_: Request, error: Exception) -> JSONResponse:
        logging.getLogger(__name__).error("fault of the server", exc_info=error)
        return JSONResponse({"error": "this failed on the server; its log says why"}, 500)

    guard = Guard(
        api,
        hosts=settings.hosts,
        any_address=settings.any_address,
        token=settings.token,
        limits=settings.limits,
    )
    guard.api, guard.state = api, state  # type: ignore[attr-defined]
    return guard
