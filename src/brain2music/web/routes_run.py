"""Routes of the run: what there is, its sounds with ranges, spectrograms, maps, tags and the gallery."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel

from .jobs import Job
from .limits import Limits, Refusal
from .ranges import respond
from .run_views import SubjectView
from .sounds import AUDIO, PICTURE
from .state import NO_GALLERY, State

SOUND_TYPES: dict[int | str, dict[str, Any]] = {
    200: {"content": {AUDIO: {}}, "description": "The whole sound"},
    206: {"content": {AUDIO: {}}, "description": "A part of it"},
    404: {"description": "There is no such sound"},
    416: {"description": "No such part"},
}
PICTURE_TYPES: dict[int | str, dict[str, Any]] = {
    200: {"content": {PICTURE: {}, "image/png": {}}},
    206: {"content": {PICTURE: {}, "image/png": {}}, "description": "A part of it"},
    404: {"description": "There is no such picture"},
    416: {"description": "No such part"},
}
WAIT_S = 60.0
Name = Annotated[str, Path(pattern=r"^[0-9a-f]{24}$")]
Label = Annotated[str, Path(max_length=100)]


async def state_of(request: Request) -> State:
    """What the application is served from; not a plain function, which FastAPI would call in a thread each time."""
    state: State = request.app.state.held
    return state


Held = Annotated[State, Depends(state_of)]
router = APIRouter(prefix="/api")


class Error(BaseModel):
    """Why something was refused."""

    error: str


ERRORS: dict[int | str, dict[str, Any]] = {404: {"model": Error}, 429: {"model": Error}}
ANY: dict[int | str, dict[str, Any]] = {
    400: {"model": Error, "description": "The body is not what its type says"},
    401: {"model": Error, "description": "The token is missing"},
    403: {"model": Error, "description": "Asked by a page of another server"},
    408: {"model": Error, "description": "The request did not arrive in time"},
    413: {"model": Error, "description": "The request is too large"},
    421: {"model": Error, "description": "The server does not go by that name"},
    422: {"model": Error, "description": "Something in the request cannot be"},
}
"""What any request may be answered, by the guard or before an operation begins."""


class Feature(BaseModel):
    """Whether something can be done here, and why not."""

    available: bool
    why: str = ""
    name: str = ""


class SubjectListing(BaseModel):
    """A subject and the number of its clips."""

    label: str
    clips: int


class RunListing(BaseModel):
    """What was run, and what can be done with it."""

    name: str
    simulated: bool
    note: str
    version: str
    created: str
    embeddings: list[str]
    subjects: list[SubjectListing]
    search: Feature
    generate: Feature
    inpaint: Feature
    predict: Feature
    listening: Feature
    ready: bool
    upload_mb: float
    upload_s: float
    piece_s: float


class Hit(BaseModel):
    """A track of the gallery."""

    track: str
    title: str
    artist: str
    genre: str
    licence: str
    cosine: float
    sound: str


class Found(BaseModel):
    """Tracks that a text describes, and what was wrong with the text."""

    hits: list[Hit]
    notes: list[str] = []


@router.get("/run")
async def run(state: Held) -> RunListing:
    """What was run, and what can be done with it."""
    settings, limits = state.settings, state.limits
    encoders = any(view.encoders for view in state.views.subjects.values())
    gallery = Feature(available=settings.gallery is not None, why="" if settings.gallery else NO_GALLERY)
    return RunListing(
        **state.views.describe(),
        search=gallery,
        generate=Feature(available=True, name=settings.generator),
        inpaint=Feature(available=True, name=settings.inpainter),
        predict=Feature(available=encoders, why="" if encoders else "the run saved no encoder"),
        listening=Feature(available=state.test is not None, why=state.no_test),
        ready=state.warm(),
        **_bounds(limits),
    )


def _bounds(limits: Limits) -> dict[str, float]:
    return {"upload_mb": limits.upload_bytes / 2**20, "upload_s": limits.upload_s, "piece_s": limits.piece_s}


@router.get("/subjects/{label}", responses=ERRORS)
async def subject(state: Held, label: Label) -> dict[str, Any]:
    """The clips of a subject, its regions, maps and saved encoders."""
    view = _subject(state, label)
    return {
        "label": view.label,
        "embeddings": list(view.embeddings),
        "clips": [
            {"clip": clip.clip, "genre": clip.genre, "ranks": clip.ranks, "candidates": clip.candidates}
            for clip in view.clips
        ],
        "regions": view.regions,
        "maps": list(view.maps),
        "encoders": list(view.encoders),
        "tagged": [name for name in view.embeddings if (label, name) in state.tagged],
    }


@router.get("/subjects/{label}/clips/{number}", responses=ERRORS)
async def clip(state: Held, label: Label, number: Annotated[int, Path(ge=0, lt=10**6)]) -> dict[str, Any]:
    """The sounds of one clip: presented, retrieved and generated."""
    view = _subject(state, label)
    if number >= len(view.clips):
        raise Refusal(404, "there is no such clip")
    one = view.clips[number]
    about = {"clip": one.clip, "genre": one.genre, "ranks": one.ranks, "candidates": one.candidates}
    return {**about, "sounds": one.sounds}


@router.get("/subjects/{label}/tags/{embedding}", responses=ERRORS)
async def tags(state: Held, label: Label, embedding: Label) -> dict[str, Any]:
    """Words nearest to the decoded and the true embedding of every clip."""
    _subject(state, label)
    job = state.tags_of(label, embedding)
    if job is None:
        raise Refusal(404, f"{embedding} embeds sound only, so there are no words to compare with")
    result = await finished(job)
    return {"tags": result["tags"]}


@router.get("/subjects/{label}/map/{embedding}", responses=PICTURE_TYPES, response_class=Response)
async def brain_map(request: Request, state: Held, label: Label, embedding: Label) -> Response:
    """The picture of how well every voxel is predicted."""
    path = _subject(state, label).maps.get(embedding)
    if path is None:
        raise Refusal(404, "the run drew no map of this embedding")
    data = await asyncio.to_thread(path.read_bytes)
    return respond(request, data, "image/png", f"{len(data):x}", "private, max-age=60")


@router.get("/sounds/{name}", responses=SOUND_TYPES, response_class=Response)
async def sound(request: Request, state: Held, name: Name) -> Response:
    """A sound at the common level, whole or in part."""
    return await play(request, state, name, AUDIO, name)


@router.get("/sounds/{name}/spectrogram", responses=PICTURE_TYPES, response_class=Response)
async def spectrogram(request: Request, state: Held, name: Name) -> Response:
    """The mel spectrogram of a sound."""
    return await play(request, state, name, PICTURE, f"{name}-s")


@router.get("/gallery/search", responses={**ERRORS, 409: {"model": Error}, 503: {"model": Error}})
async def search(
    state: Held,
    text: Annotated[str, Query(min_length=1, max_length=500)],
    k: Annotated[int, Query(ge=1, le=20)] = 8,
) -> Found:
    """Search the gallery by a text."""
    if state.settings.gallery is None:
        raise Refusal(409, NO_GALLERY)
    if not text.strip():
        raise Refusal(422, "describe the music in words")
    result = await finished(state.start("search", {"gallery": state.settings.gallery, "text": text, "k": k}))
    hits = []
    for hit in result["hits"]:
        from pathlib import Path as File

        name = state.sounds.add(File(hit.pop("path")), hit.pop("start_s"), hit.pop("duration_s"))
        hits.append(Hit(**hit, sound=name))
    return Found(hits=hits, notes=result["notes"])


async def play(
    request: Request, state: State, name: str, media_type: str, etag: str, cache: str = "private, max-age=3600"
) -> Response:
    """Answer with a sound or its picture, from memory where it is there."""
    data = state.sounds.ready(name, media_type)
    if data is None:
        if state.sounds.find(name) is None:
            raise Refusal(404, "there is no such sound; load the page again")
        data = await asyncio.to_thread(state.sounds.data, name, media_type)
    return respond(request, data, media_type, etag, cache)


async def finished(job: Job) -> dict[str, Any]:
    """The result of a short job, awaited."""
    if not await asyncio.to_thread(job.ended.wait, WAIT_S):
        raise Refusal(503, "this takes longer than usual; try again", {"retry-after": "10"})
    if job.state != "done":
        raise Refusal(422, job.error or "this was cancelled")
    return job.result


def _subject(state: State, label: str) -> SubjectView:
    view = state.views.subjects.get(label)
    if view is None:
        raise Refusal(404, "there is no such subject in this run")
    return view
