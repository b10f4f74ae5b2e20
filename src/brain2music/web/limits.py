"""Bounds of what a client may ask for, and the errors that say so."""

from dataclasses import dataclass

from .._utils.errors import InputError


@dataclass(frozen=True)
class Limits:
    """What one server takes on; sizes in bytes, times in seconds.

    Attributes
    ----------
    upload_bytes, upload_s : int, float
        Size of an uploaded file, and duration of the sound in it.
    uploads : int
        Uploaded and made sounds that are kept; the oldest go first.
    uploads_at_once : int
        Files that are received or decoded at the same time.
    receive_s : float
        Within which a request has to arrive.
    body_bytes : int
        Size of any other request.
    queued : int
        Jobs that wait, for each of the two workers.
    job_s : float
        Duration of a job.
    piece_s : float
        Duration of generated music.
    text : int
        Characters of a text.
    listeners : int
        Sessions of the listening test.
    memory_bytes : int
        Of sounds that are kept ready in memory.
    """

    upload_bytes: int = 25 << 20
    upload_s: float = 120.0
    uploads: int = 24
    uploads_at_once: int = 2
    receive_s: float = 60.0
    body_bytes: int = 64 << 10
    queued: int = 8
    job_s: float = 900.0
    piece_s: float = 60.0
    text: int = 500
    listeners: int = 1000
    memory_bytes: int = 96 << 20


class Refusal(Exception):
    """A request that is refused: the HTTP status and one line for the person who asked.

    Parameters
    ----------
    status : int
        HTTP status.
    what : str
        What is wrong, and what to do.
    headers : dict of str to str, optional
        Further headers of the answer.
    """

    def __init__(self, status: int, what: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(what)
        self.status, self.what, self.headers = status, what, headers or {}


def spoken(error: InputError) -> str:
    """An error in words for a client: of files the name alone, as folders of the server are nobody's business."""
    return str(InputError(error.what, None if error.file is None else error.file.name, error.hint))
