"""Jobs: a bounded queue in front of one worker process, whose jobs report progress and can be cancelled."""

import json
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from .limits import Refusal

State = Literal["waiting", "running", "done", "failed", "cancelled"]
ENDED: tuple[State, ...] = ("done", "failed", "cancelled")
KEPT = 100
"""Ended jobs that can still be asked about."""


@dataclass
class Job:
    """One job: what it does, how far it is, and what came of it.

    Attributes
    ----------
    name : str
        What it is asked for by.
    task : str
        What is done, a name in :mod:`brain2music.web.tasks`.
    state : {"waiting", "running", "done", "failed", "cancelled"}
        How it stands.
    done, total : int
        Steps; 0 of 0 where they are not known.
    result : dict
        What was made.
    error : str
        Why it failed.
    """

    name: str
    task: str
    arguments: dict[str, Any] = field(repr=False)
    finish: Callable[[dict[str, Any]], dict[str, Any]] = field(repr=False)
    state: State = "waiting"
    done: int = 0
    total: int = 0
    result: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    ended: threading.Event = field(default_factory=threading.Event, repr=False)


class JobQueue:
    """Jobs of one worker process, one at a time and at most ``most`` waiting.

    The process is started for the first job and keeps the models that it has loaded. A job is cancelled by ending the
    process; the next one starts another.

    Parameters
    ----------
    most : int
        Jobs that may wait.
    seconds : float
        Longest duration of a job.
    device : str
        Device on which models compute.
    """

    def __init__(self, most: int, seconds: float, device: str = "cpu") -> None:
        self.most, self.seconds, self.device = most, seconds, device
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._waiting: list[Job] = []
        self._running: Job | None = None
        self._worker: _Worker | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)
        self._thread.start()

    def submit(
        self,
        name: str,
        task: str,
        arguments: dict[str, Any],
        finish: Callable[[dict[str, Any]], dict[str, Any]] = lambda result: result,
    ) -> Job:
        """Queue a job; ``finish`` turns the worker's result into that of the job.

        Raises
        ------
        Refusal
            429: too many jobs are waiting.
        """
        job = Job(name, task, arguments, finish)
        with self._changed:
            if len(self._waiting) >= self.most:
                raise Refusal(429, f"{self.most} jobs are waiting already; try again later", {"retry-after": "30"})
            self._jobs[name] = job
            self._waiting.append(job)
            self._forget()
            self._changed.notify_all()
        return job

    def find(self, name: str) -> Job | None:
        """The job of a name; None where there is none, or it ended long ago."""
        with self._changed:
            return self._jobs.get(name)

    def before(self, job: Job) -> int:
        """Count the jobs before a waiting one."""
        with self._changed:
            return (self._waiting.index(job) if job in self._waiting else 0) + (self._running is not None)

    def cancel(self, job: Job) -> None:
        """Cancel a job that waits or runs; one that has ended stays as it is."""
        with self._changed:
            if job.state in ENDED:
                return
            if job in self._waiting:
                self._waiting.remove(job)
            self._end(job, "cancelled")
            if self._running is job and self._worker is not None:
                self._worker.kill()

    def close(self) -> None:
        """End the worker and forget what waits."""
        with self._changed:
            self._closed = True
            for job in (*self._waiting, *([self._running] if self._running else [])):
                if job.state not in ENDED:
                    self._end(job, "cancelled")
            self._waiting.clear()
            if self._worker is not None:
                self._worker.kill()
                self._worker.wait()
            self._changed.notify_all()
        self._thread.join(10)

    def _end(self, job: Job, state: State, error: str = "") -> None:
        job.state, job.error = state, error
        job.ended.set()

    def _forget(self) -> None:
        ended = [name for name, job in self._jobs.items() if job.state in ENDED]
        for name in ended[: max(0, len(ended) - KEPT)]:
            del self._jobs[name]

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                job = self._running = self._waiting.pop(0)
                job.state = "running"
                if self._worker is None or not self._worker.alive:
                    self._worker = _Worker(self.device)
                worker = self._worker
            said = worker.ask(job, self.seconds)
            finished: dict[str, Any] = {}
            error = str(said.get("error", ""))
            if not error and job.state == "running":
                try:
                    finished = job.finish(said["result"])
                except Exception:
                    error = "the result cannot be read; the server's log says why"
                    _log()
            with self._changed:
                self._running = None
                if job.state == "running":
                    job.result = finished
                    self._end(job, "failed" if error else "done", error)


class _Worker:
    """A process of :mod:`brain2music.web.worker` that is asked in lines of JSON."""

    def __init__(self, device: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "brain2music.web.worker", device],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # an interrupt of the terminal ends the server, which ends this
        )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def wait(self) -> None:
        self._process.wait()

    def ask(self, job: Job, seconds: float) -> dict[str, Any]:
        """Do a job, and read what the process says until it is done; an error where it ends or takes too long."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        late = threading.Timer(seconds, self.kill)
        late.daemon = True
        begun = time.monotonic()
        late.start()
        try:
            self._process.stdin.write(json.dumps({"task": job.task, "arguments": job.arguments}) + "\n")
            self._process.stdin.flush()
            for line in self._process.stdout:
                said: dict[str, Any] = json.loads(line)
                if "progress" not in said:
                    return said
                job.done, job.total = said["progress"]
        except (OSError, ValueError):
            pass
        finally:
            late.cancel()
        self.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        if time.monotonic() - begun >= seconds:
            return {"error": f"this took longer than {seconds / 60:g} minutes and was ended"}
        return {"error": "the worker ended, perhaps for want of memory; try a shorter piece"}

    def kill(self) -> None:
        """End the process; what it is being asked is answered by an error then."""
        self._process.kill()


def _log() -> None:
    import traceback

    traceback.print_exc()
