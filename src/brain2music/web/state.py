"""What the application is served from: settings, the run, its sounds, jobs, uploads and the listening test."""

import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .._utils.errors import InputError
from ..listening.design import TestDesign
from ..listening.material import SOURCES, Reconstructed, Source, read_material
from ..listening.store import AnswerStore
from ..pipeline.outputs import Outputs
from .jobs import Job, JobQueue
from .limits import Limits, Refusal
from .run_views import RunViews
from .sounds import Sounds
from .uploads import Uploads

NO_GALLERY = "no gallery was given: start `brain2music serve OUT --gallery GALLERY`"
NO_TEST = "this server has no listening test"


@dataclass(frozen=True)
class WebSettings:
    """What is served.

    Attributes
    ----------
    root : Path
        Output folder of a finished run.
    gallery : str or None
        Folder or URL of a gallery that texts search.
    generator : str
        Generator of music from texts.
    inpainter : str
        Generator that fills gaps.
    design : TestDesign or None
        The listening test; None for none.
    sources : tuple of {"generated", "retrieved"}
        Music that listeners judge.
    answers : Path or None
        File of the answers; default ``listening/answers.sqlite`` in the folder of the run.
    only_test : bool
        Whether to serve the listening test alone, so that listeners cannot look up the answers.
    token : str or None
        What clients have to know.
    hosts : tuple of str
        Names and addresses of the server.
    any_address : bool
        Whether the server is known by every numeric address.
    device : str
        Device on which models compute.
    limits : Limits
        Bounds of what clients may ask for.

    Examples
    --------
    >>> from pathlib import Path
    >>> from brain2music.web import WebSettings
    >>> WebSettings(Path("OUT")).hosts
    ('localhost', '127.0.0.1', '::1')
    """

    root: Path
    gallery: str | None = None
    generator: str = "musiclm-small"
    inpainter: str = "jen1-small"
    design: TestDesign | None = field(default_factory=TestDesign)
    sources: tuple[Source, ...] = SOURCES
    answers: Path | None = None
    only_test: bool = False
    token: str | None = None
    hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "::1")
    any_address: bool = False
    device: str = "cpu"
    limits: Limits = field(default_factory=Limits)


class State:
    """Everything that a server holds, from its start to its end."""

    def __init__(self, settings: WebSettings) -> None:
        self.settings, self.limits = settings, settings.limits
        self.folder = Path(tempfile.mkdtemp(prefix="brain2music-serve-"))
        try:
            self.sounds = Sounds(self.folder / "sounds", self.limits.memory_bytes, self.limits.uploads)
            self.views = RunViews(settings.root, self.sounds)
            self.uploads = Uploads(self.folder / "uploads", self.limits)
            self.test, self.no_test = self._open_test()
            if settings.only_test and self.test is None:
                raise InputError(self.no_test, settings.root)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        self.made = self.folder / "made"
        self.made.mkdir()
        self.quick = JobQueue(self.limits.queued, 120.0, settings.device)
        self.slow = JobQueue(self.limits.queued, self.limits.job_s, settings.device)
        self.pictures: dict[str, Path] = {}
        self.tagged = self.views.tagged()
        self._tags: dict[tuple[str, str], Job] = {}
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._warm = threading.Thread(target=self._warm_up, name="warm-up", daemon=True)
        self._warm.start()

    def _open_test(self) -> tuple[AnswerStore | None, str]:
        if self.settings.design is None:
            return None, NO_TEST
        study = self.views.run.study
        try:
            material = read_material(self.settings.root, sources=self.settings.sources)
        except InputError as error:
            return None, f"{NO_TEST}: {error.what}"
        path = self.settings.answers or Outputs(self.settings.root).listening_answers
        return AnswerStore(path, material, self.settings.design, study=study.name, simulated=study.simulated), ""

    def require_test(self) -> AnswerStore:
        """The listening test."""
        if self.test is None:
            raise Refusal(404, self.no_test)
        return self.test

    def path_of(self, name: str) -> Path:
        """The file of a sound that a client named."""
        found = self.sounds.find(name)
        if found is None:
            raise Refusal(404, "there is no such sound; load the page again")
        return found.path

    def test_sound(self, relative: str) -> str:
        """The name of a sound of the listening test, which is kept by its path in the folder of the run."""
        return self.sounds.add(self.settings.root / relative)

    def start(
        self,
        task: str,
        arguments: dict[str, Any],
        finish: Callable[[dict[str, Any]], dict[str, Any]] = lambda result: result,
    ) -> Job:
        """Queue a job for the worker of its kind: generation takes minutes, and the rest seconds."""
        queue = self.slow if task in ("generate", "inpaint") else self.quick
        return queue.submit(secrets.token_urlsafe(12), task, arguments, finish)

    def find_job(self, name: str) -> tuple[JobQueue, Job]:
        """A job that a client named, and its queue."""
        for queue in (self.quick, self.slow):
            job = queue.find(name)
            if job is not None:
                return queue, job
        raise Refusal(404, "there is no such job; it may have ended long ago")

    def tags_of(self, subject: str, embedding: str) -> Job | None:
        """The job that names tags of all clips; None where the embedding is of sound only."""
        with self._lock:
            key = (subject, embedding)
            arguments = self.tagged.get(key)
            if arguments is None:
                return None
            job = self._tags.get(key)
            if job is None or job.state in ("failed", "cancelled"):
                job = self._tags[key] = self.start("tags", arguments)
            return job

    def _warm_up(self) -> None:
        """Bring the sounds of the test to their level before they are asked for, and start the worker."""
        material: tuple[Reconstructed, ...] = self.test.material if self.test is not None else ()
        names = [self.test_sound(str(path)) for item in material for path in (item.recording, *item.sounds)]
        for name in dict.fromkeys(names):
            if self._ended.is_set():
                return
            try:
                self.sounds.data(name)
            except (InputError, OSError, ValueError):
                continue  # whoever asks for it is told why
        for subject, embedding in self.tagged:  # the worker loads its libraries meanwhile
            self.tags_of(subject, embedding)
            return

    def warm(self) -> bool:
        """Whether the sounds of the listening test are ready."""
        return not self._warm.is_alive()

    def close(self) -> None:
        """End the workers and remove what was kept for clients."""
        self._ended.set()
        self.quick.close()
        self.slow.close()
        self._warm.join(10)
        if self.test is not None:
            self.test.close()
        shutil.rmtree(self.folder, ignore_errors=True)
