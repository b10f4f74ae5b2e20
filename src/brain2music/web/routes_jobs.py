"""Routes of what takes a while: uploads, and jobs that generate, fill gaps and predict maps."""

import secrets
from pathlib import Path as File
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field

from .jobs import Job, JobQueue
from .limits import Refusal
from .routes_run import ERRORS, PICTURE_TYPES, Error, Held, Name
from .state import State

JobName = Annotated[str, Path(pattern=r"^[\w-]{16}$")]
router = APIRouter(prefix="/api")


class Asked(BaseModel):
    """What all requests share: no field that is not known."""

    model_config = ConfigDict(extra="forbid", strict=True)


class GenerateAsked(Asked):
    """Music of a text."""

    text: str = Field(min_length=1, max_length=500)
    seconds: float = Field(10.0, ge=1.0, le=600.0)
    seed: int = Field(0, ge=0, lt=2**31)


class InpaintAsked(Asked):
    """A gap of a sound, in seconds, and what is to fill it."""

    sound: str = Field(pattern=r"^[0-9a-f]{24}$")
    start_s: float = Field(ge=0.0, le=600.0)
    stop_s: float = Field(gt=0.0, le=600.0)
    text: str = Field("", max_length=500)
    seed: int = Field(0, ge=0, lt=2**31)


class PredictAsked(Asked):
    """A sound, and the saved encoder of a subject."""

    sound: str = Field(pattern=r"^[0-9a-f]{24}$")
    subject: str = Field(max_length=100)
    embedding: str = Field(max_length=100)


class JobListing(BaseModel):
    """How a job stands."""

    job: str
    task: str
    state: Literal["waiting", "running", "done", "failed", "cancelled"]
    before: int
    done: int
    total: int
    result: dict[str, Any]
    error: str


class UploadListing(BaseModel):
    """An upload that was decoded."""

    sound: str
    seconds: float
    channels: int
    sample_rate: int


@router.post(
    "/uploads",
    status_code=201,
    responses={**ERRORS, 415: {"model": Error}},
    openapi_extra={
        "requestBody": {"required": True, "content": {"audio/wav": {"schema": {"type": "string", "format": "binary"}}}}
    },
)
async def upload(request: Request, state: Held) -> UploadListing:
    """Upload a sound: the file itself is the body."""
    made = await state.uploads.receive(request.headers.get("content-type", ""), request.stream())
    name = state.sounds.add_own(made.path)
    return UploadListing(sound=name, seconds=made.seconds, channels=made.channels, sample_rate=made.sample_rate)


@router.post("/jobs/generate", status_code=202, responses=ERRORS)
async def generate(state: Held, asked: GenerateAsked) -> JobListing:
    """Generate music that a text describes."""
    text = asked.text.strip()
    if not text:
        raise Refusal(422, "describe the music in words")
    if asked.seconds > state.limits.piece_s:
        raise Refusal(422, f"ask for {state.limits.piece_s:g} s of music at most")
    arguments = {
        "generator": state.settings.generator,
        "text": text,
        "seconds": asked.seconds,
        "seed": asked.seed,
        "out": str(_new(state, ".flac")),
    }
    return _listing(state, state.start("generate", arguments, lambda result: _heard(state, result)))


@router.post("/jobs/inpaint", status_code=202, responses=ERRORS)
async def inpaint(state: Held, asked: InpaintAsked) -> JobListing:
    """Make a part of a sound anew from what is before and after it."""
    if asked.stop_s <= asked.start_s:
        raise Refusal(422, "the gap ends before it begins")
    arguments = {
        "generator": state.settings.inpainter,
        "sound": str(state.path_of(asked.sound)),
        "start_s": asked.start_s,
        "stop_s": asked.stop_s,
        "text": asked.text.strip() or None,
        "seed": asked.seed,
        "out": str(_new(state, ".flac")),
    }
    return _listing(state, state.start("inpaint", arguments, lambda result: _heard(state, result)))


@router.post("/jobs/predict", status_code=202, responses={**ERRORS, 409: {"model": Error}})
async def predict(state: Held, asked: PredictAsked) -> JobListing:
    """Predict the responses of a subject to a sound, by an encoder that the run saved."""
    view = state.views.subjects.get(asked.subject)
    if view is None:
        raise Refusal(404, "there is no such subject in this run")
    encoder = view.encoders.get(asked.embedding)
    if encoder is None:
        raise Refusal(409, f"the run saved no encoder from {asked.embedding!r} of this subject")
    arguments = {
        "encoder": str(encoder),
        "sound": str(state.path_of(asked.sound)),
        "out": str(_new(state, ".png")),
    }
    return _listing(state, state.start("predict", arguments, lambda result: _drawn(state, result)))


@router.get("/jobs/{name}", responses=ERRORS)
async def job(state: Held, name: JobName) -> JobListing:
    """How a job stands."""
    queue, found = state.find_job(name)
    return _listing(state, found, queue)


@router.delete("/jobs/{name}", responses=ERRORS)
async def cancel(state: Held, name: JobName) -> JobListing:
    """Cancel a job that waits or runs."""
    queue, found = state.find_job(name)
    queue.cancel(found)
    return _listing(state, found, queue)


@router.get("/pictures/{name}", responses=PICTURE_TYPES, response_class=Response)
async def picture(state: Held, name: Name) -> Response:
    """A map that a job drew."""
    path = state.pictures.get(name)
    if path is None or not path.is_file():
        raise Refusal(404, "there is no such picture")
    return Response(path.read_bytes(), media_type="image/png")


@router.get("/sounds/{name}/file", responses=ERRORS, response_class=FileResponse)
async def file(state: Held, name: Name) -> Response:
    """The file that a job made, as it was written, to be kept."""
    path = state.path_of(name)
    if not path.is_relative_to(state.folder) or not path.is_file():
        raise Refusal(404, "this sound is not one of yours")
    return Response(
        path.read_bytes(),
        media_type="audio/flac",
        headers={"content-disposition": 'attachment; filename="brain2music.flac"'},
    )


def _listing(state: State, job: Job, queue: JobQueue | None = None) -> JobListing:
    queue = queue or state.find_job(job.name)[0]
    return JobListing(
        job=job.name,
        task=job.task,
        state=job.state,
        before=queue.before(job) if job.state == "waiting" else 0,
        done=job.done,
        total=job.total,
        result=job.result,
        error=job.error,
    )


def _new(state: State, suffix: str) -> File:
    return state.made / f"{secrets.token_hex(12)}{suffix}"


def _heard(state: State, result: dict[str, Any]) -> dict[str, Any]:
    """The result of a job that made a sound, by the name of the sound instead of its path."""
    path = result.pop("path")
    return {**result, "sound": state.sounds.add_own(File(path))}


def _drawn(state: State, result: dict[str, Any]) -> dict[str, Any]:
    """The result of a job that drew a map, by the name of the picture; the oldest pictures go."""
    path = result.pop("picture")
    if path is None:
        return {**result, "picture": None}
    name = secrets.token_hex(12)
    state.pictures[name] = File(path)
    while len(state.pictures) > state.limits.uploads:
        state.pictures.pop(next(iter(state.pictures))).unlink(missing_ok=True)
    return {**result, "picture": name}
