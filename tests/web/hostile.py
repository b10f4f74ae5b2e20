"""What somebody sends who means harm (paths, ranges, bombs, gigabytes, jobs), and what a server holds then."""

import http.client
import io
import os
import struct
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import soundfile

TRAVERSALS = (
    *("..%2f..%2fstudy.json", "%2e%2e%2fstudy.json", "..\\study.json", "....//study.json", "%00", "style.css%00.html"),
    *("..%252fstudy.json", "/etc/passwd", "%2fetc%2fpasswd", "C:%5cwindows", "listening/answers.sqlite", "app.py"),
)
PLACES = (
    *("/static", "/api/sounds", "/api/pictures", "/api/jobs", "/api/subjects", "/api/subjects/001/map"),
    *("/api/subjects/001/tags", "/api/listening/sounds/0", ""),
)
NO_RANGES = (
    *("bytes=5-1", "bytes=99999999-", "bytes=-0", "bytes=-", "bytes", "seconds=0-1", "bytes=a-b", "bytes=1--2"),
    *("bytes=0x10-", "bytes=-9999999999999999999999", "bytes=" + "0-1," * 3000 + "x"),
)
GIGABYTES = 2 << 30


def flac_bomb() -> bytes:
    """Three hours of near silence in some kilobytes."""
    held = io.BytesIO()
    with soundfile.SoundFile(held, "w", 8000, 1, format="FLAC", subtype="PCM_16") as file:
        for _ in range(180):
            file.write(np.zeros(8000 * 60, np.int16))
    return held.getvalue()


def wav_bomb() -> bytes:
    """A header of 4 GB at 32 channels, and no sound."""
    form = struct.pack("<HHIIHH", 1, 32, 192_000, 192_000 * 64, 64, 16)
    return b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<I", 16) + form + b"data\xff\xff\xff\xff" + bytes(640)


def zip_bomb() -> bytes:
    """A hundred megabytes of zeros in some kilobytes."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("sound.wav", bytes(100 << 20))
    return held.getvalue()


@dataclass
class Attack:
    """A round of everything against one server, and the statuses that it answered.

    ``sent`` are the bytes of an upload of two gigabytes that the server took before it closed the connection.
    """

    client: httpx.Client
    statuses: list[int]
    accepted: int = 0
    sent: int = 0

    def round(self) -> None:
        """Everything once; jobs that were accepted are cancelled."""
        sound = self.client.get("/api/subjects/001/clips/0").json()["sounds"][0]["sound"]
        for path in (f"{place}/{name}" for place in PLACES for name in TRAVERSALS):
            self._keep(self.client.get(path))
        for asked in NO_RANGES:
            self._keep(self.client.get(f"/api/sounds/{sound}", headers={"range": asked}))
        for data, kind in ((zip_bomb(), "wav"), (wav_bomb(), "wav"), (flac_bomb(), "flac")):
            self._keep(self.client.post("/api/uploads", content=data, headers={"content-type": f"audio/{kind}"}))
        self._declare()
        self._stream()
        self._jobs()

    def _keep(self, answer: httpx.Response) -> None:
        self.statuses.append(answer.status_code)

    def _declare(self) -> None:
        """An upload that says that it has two gigabytes."""
        url = self.client.base_url
        connection = http.client.HTTPConnection(url.host, url.port, timeout=120)
        connection.putrequest("POST", "/api/uploads")
        connection.putheader("content-type", "audio/wav")
        connection.putheader("content-length", str(GIGABYTES))
        connection.endheaders()
        self.statuses.append(connection.getresponse().status)
        connection.close()

    def _stream(self) -> None:
        """An upload of two gigabytes that does not say so."""
        self.sent = 0

        def zeros() -> Iterator[bytes]:
            while self.sent < GIGABYTES:
                self.sent += 1 << 20
                yield bytes(1 << 20)

        with suppress(httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):  # closed while it was sending
            self._keep(self.client.post("/api/uploads", content=zeros(), headers={"content-type": "audio/wav"}))

    def _jobs(self) -> None:
        """A hundred jobs without end."""
        asked = {"text": "on and on", "seconds": 1.0}
        answers = [self.client.post("/api/jobs/generate", json=asked) for _ in range(100)]
        jobs = [answer.json()["job"] for answer in answers if answer.status_code == 202]
        self.accepted = len(jobs)
        self.statuses += [answer.status_code for answer in answers if answer.status_code != 202]
        for job in reversed(jobs):  # so that one worker is ended, not each in its turn
            assert self.client.delete(f"/api/jobs/{job}").json()["state"] == "cancelled"


@dataclass
class Process:
    """``brain2music serve`` in a process of its own, and a client of it."""

    pid: int
    client: httpx.Client

    @property
    def resident(self) -> float:
        """Memory of the server in MiB; of its workers it is bounded by themselves."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    @property
    def peak(self) -> float:
        """The most that it ever had, in MiB."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


@contextmanager
def served_alone(run: Path, *options: str, environment: dict[str, str] | None = None) -> Iterator[Process]:
    """Start the command on a run, and wait until its sounds are ready."""
    command = [sys.executable, "-c", "from brain2music.cli import main; main()", "serve", str(run), "--port", "0"]
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        with httpx.Client(base_url=address, timeout=120, trust_env=False) as client:
            while not client.get("/api/run").json()["ready"]:
                threading.Event().wait(0.1)
            yield Process(process.pid, client)
    finally:
        process.terminate()
        process.wait()
