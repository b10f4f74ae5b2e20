"""Routes of the listening test: a session in a cookie, the sounds of its trials, and answers that are kept."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Cookie, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from ..listening.design import RATINGS, Trial
from ..listening.store import Session
from .limits import Refusal
from .routes_run import ERRORS, SOUND_TYPES, Error, Held, play
from .sounds import AUDIO
from .state import State

COOKIE = "brain2music_listener"
Listener = Annotated[str | None, Cookie(alias=COOKIE, max_length=100)]
router = APIRouter(prefix="/api/listening")


class About(BaseModel):
    """What listeners may say of themselves."""

    model_config = ConfigDict(extra="forbid", strict=True)
    headphones: bool | None = None
    music_years: int | None = Field(None, ge=0, le=100)


class Answer(BaseModel):
    """An answer to a trial: the number of an option from 0, or a rating from 1."""

    model_config = ConfigDict(extra="forbid", strict=True)
    trial: int = Field(ge=0, lt=10_000)
    answer: int = Field(ge=0, le=RATINGS)
    milliseconds: int = Field(ge=0, lt=10**9)
    plays: int = Field(ge=0, lt=10**6)


class TrialListing(BaseModel):
    """A trial as a listener sees it, without anything that gives the answer away."""

    number: int
    task: Literal["2afc", "oddoneout", "similarity"]
    reference: bool
    options: int
    ratings: int
    first_of_task: bool


class SessionListing(BaseModel):
    """Where a listener is; without a trial the test is done."""

    listener: int
    answered: int
    total: int
    trial: TrialListing | None
    simulated: bool


class Place(BaseModel):
    """The session of the cookie; None where there is none, and why none can be begun."""

    session: SessionListing | None
    why: str = ""


class Kept(BaseModel):
    """An answer that is on the disk; where another was given before, that one stays."""

    kept: bool
    session: SessionListing


@router.post("/sessions", status_code=201, responses={**ERRORS, 409: {"model": Error}})
async def begin(request: Request, response: Response, state: Held, about: About, listener: Listener = None) -> SessionListing:  # noqa: E501  # fmt: skip
    """Begin a session, or go on with the one that the cookie names."""
    test = state.require_test()
    session = await asyncio.to_thread(test.session, listener) if listener else None
    if session is None:
        if await asyncio.to_thread(test.listeners) >= state.limits.listeners:
            raise Refusal(409, "the test has all the listeners that it takes")
        said = {name: value for name, value in about.model_dump().items() if value is not None}
        listener = await asyncio.to_thread(test.begin, said)
        session = await asyncio.to_thread(test.session, listener)
        assert session is not None
        response.set_cookie(
            COOKIE,
            listener,
            max_age=30 * 86400,
            path="/api/listening",
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
    return _listing(state, session)


@router.get("/session")
async def session(state: Held, listener: Listener = None) -> Place:
    """Where the listener is."""
    if state.test is None:
        return Place(session=None, why=state.no_test)
    found = await asyncio.to_thread(state.test.session, listener) if listener else None
    return Place(session=None if found is None else _listing(state, found))


@router.post("/answers", responses=ERRORS)
async def answer(state: Held, given: Answer, listener: Listener = None) -> Kept:
    """Keep an answer: the reply is sent when it is on the disk."""
    name, before = await _session(state, listener)
    test = state.require_test()
    kept = await asyncio.wrap_future(
        test.submit(name, given.trial, given.answer, given.milliseconds, given.plays)
    )  # fmt: skip
    answered = max(before.answered, given.trial + 1)
    return Kept(kept=kept, session=_listing(state, Session(before.listener, before.trials, answered)))


@router.get("/sounds/{trial}/{place}", responses=SOUND_TYPES, response_class=Response)
async def sound(
    request: Request,
    state: Held,
    trial: Annotated[int, Path(ge=0, lt=10_000)],
    place: Literal["reference", "0", "1", "2"],
    listener: Listener = None,
) -> Response:
    """A sound of a trial, by its place: its address does not tell which recording it is of."""
    name, session = await _session(state, listener)
    if trial > min(session.answered, len(session.trials) - 1):
        raise Refusal(404, "this trial has not been reached")
    one = session.trials[trial]
    path = one.reference if place == "reference" else one.options[int(place)] if int(place) < len(one.options) else ""
    if not path:
        raise Refusal(404, "this trial has no such sound")
    etag = f"{name[:8]}-{trial}-{place}"  # tells nothing of the sound, and is not that of another listener
    return await play(request, state, state.test_sound(path), AUDIO, etag, "private, no-cache")


async def _session(state: State, listener: str | None) -> tuple[str, Session]:
    test = state.require_test()
    found = test.known(listener) if listener else None
    if listener and found is None:
        found = await asyncio.to_thread(test.session, listener)
    if listener is None or found is None:
        raise Refusal(404, "there is no session yet; begin one")
    return listener, found


def _listing(state: State, session: Session) -> SessionListing:
    total, number = len(session.trials), session.answered
    trial = None if number >= total else _trial(session.trials, number)
    return SessionListing(
        listener=session.listener + 1,
        answered=number,
        total=total,
        trial=trial,
        simulated=state.views.run.study.simulated,
    )


def _trial(trials: tuple[Trial, ...], number: int) -> TrialListing:
    one = trials[number]
    return TrialListing(
        number=number,
        task=one.task,
        reference=bool(one.reference),
        options=len(one.options),
        ratings=RATINGS,
        first_of_task=number == 0 or trials[number - 1].task != one.task,
    )
