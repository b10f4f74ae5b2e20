"""The application under load, and killed: fifty listeners for a minute, and ten thousand answers over five kills.

    python benchmarks/web_load.py [--listeners 50] [--seconds 60] [--answers 10000] [--kills 5] [--seed 0]

A run of sixty invented clips is written, of fifteen seconds each, and ``brain2music serve`` is started on it in a
process of its own; the clients are in this one. ``p95_ms`` is of all pages and audio ranges together: every listener
opens the page with its scripts, begins a session, and then for every trial asks for each of three sounds in two parts,
as browsers do, answers, and goes on after half a second to one and a half, which is far faster than people. ``errors``
counts answers of another status than 200, 201 or 206, and connections that failed. The peer is a bare server of the
same kind (uvicorn, h11) that answers the same requests by bytes of the same size and does nothing else.

Then sixteen clients write answers until so many were acknowledged, while the server is killed (SIGKILL) at moments of
chance and started again; ``answers_lost`` counts acknowledged answers that are not in the file, or are others there.
The load of the machine is part of the note: other programs on the same cores count against the time, not for it.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
from _results import Results

from brain2music.listening import AnswerStore
from brain2music.pipeline.outputs import GENERATED, SIMILARITY, Outputs

RESULTS = Results("web_load")
RATE, SECONDS, CLIPS, CHUNK = 22_050, 15, 60, 65_536
PAGE = ("/listen", "/static/style.css", "/static/listen.js", "/static/net.js", "/static/player.js")
BARE = """
import sys
import uvicorn
whole = bytes(65536)
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    size = 65536 if "sounds" in scope["path"] else 6000
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(size).encode())]})
    await send({"type": "http.response.body", "body": whole[:size]})
config = uvicorn.Config(app, log_level="critical", http="h11", ws="none", lifespan="off", port=int(sys.argv[1]))
uvicorn.Server(config).run()
"""


@dataclass
class Measured:
    """Times of requests in milliseconds by kind, and what went wrong."""

    times: dict[str, list[float]] = field(default_factory=lambda: {"page": [], "range": [], "answer": []})
    errors: list[str] = field(default_factory=list)

    @property
    def p95_ms(self) -> float:
        """Of pages and ranges."""
        return float(np.quantile([*self.times["page"], *self.times["range"]], 0.95))


class Client:
    """One connection that is kept, with the cookie of its session: as little work as a client can be."""

    def __init__(self, port: int) -> None:
        self.port, self.cookie = port, ""
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def ask(self, method: str, path: str, body: object = None, part: str = "") -> tuple[int, bytes]:
        """Status and body of an answer."""
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        assert self.reader is not None
        data = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", f"host: 127.0.0.1:{self.port}", f"content-length: {len(data)}"]
        lines += ["content-type: application/json"] if data else []
        lines += [f"range: bytes={part}"] if part else []
        lines += [f"cookie: {self.cookie}"] if self.cookie else []
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + data)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        found = await self.reader.readexactly(int(headers.get("content-length", "0")))
        if "set-cookie" in headers:
            self.cookie = headers["set-cookie"].partition(";")[0]
        return int(head[0].split()[1]), found

    def drop(self) -> None:
        """Close the connection; the next request opens another."""
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None


async def listen(port: int, until: float, rng: random.Random, measured: Measured) -> None:
    """One listener: the page, a session, and trial after trial."""
    client = Client(port)

    async def timed(kind: str, method: str, path: str, body: object = None, part: str = "") -> None:
        begun = time.perf_counter()
        try:
            status, _ = await client.ask(method, path, body, part)
            if status not in (200, 201, 206):
                measured.errors.append(f"{status} {path}")
        except (OSError, EOFError, asyncio.IncompleteReadError) as error:
            measured.errors.append(f"{type(error).__name__} {path}")
            client.drop()
        measured.times[kind].append(1000 * (time.perf_counter() - begun))

    await asyncio.sleep(rng.uniform(0, 2))  # people do not come at once
    for path in PAGE:
        await timed("page", "GET", path)
    await timed("answer", "POST", "/api/listening/sessions", {})
    trial = 0
    while time.monotonic() < until:
        for place in ("reference", "0", "1"):
            for part in (f"0-{CHUNK - 1}", f"{CHUNK}-{2 * CHUNK - 1}"):
                await timed("range", "GET", f"/api/listening/sounds/{trial}/{place}", part=part)
        answer = {"trial": trial, "answer": rng.randrange(2), "milliseconds": 1000, "plays": 3}
        await timed("answer", "POST", "/api/listening/answers", answer)
        trial += 1
        if trial % 10 == 0:  # reloads
            for path in PAGE:
                await timed("page", "GET", path)
            await timed("page", "GET", "/api/listening/session")
        await asyncio.sleep(rng.uniform(0.5, 1.5))
    client.drop()


async def load(port: int, listeners: int, seconds: float, seed: int) -> Measured:
    """All listeners at once."""
    measured, until = Measured(), time.monotonic() + seconds
    await asyncio.gather(*(listen(port, until, random.Random(seed + n), measured) for n in range(listeners)))
    return measured


async def answer_all(port: int, wanted: int, clients: int, seed: int, acknowledged: dict[tuple[int, int], int]) -> None:
    """Write answers until so many were acknowledged; what was not is sent again, to whichever server is there."""

    async def one(rng: random.Random) -> None:
        client, listener, trial, total = Client(port), 0, 0, 0
        while len(acknowledged) < wanted:
            try:
                if trial >= total:
                    client.cookie = ""
                    status, body = await client.ask("POST", "/api/listening/sessions", {})
                    session = json.loads(body)
                    listener, total, trial = session["listener"], session["total"], session["answered"]
                    assert status == 201, body
                choice = rng.randrange(2)
                asked = {"trial": trial, "answer": choice, "milliseconds": 1, "plays": 3}
                status, body = await client.ask("POST", "/api/listening/answers", asked)
                said = json.loads(body)
                assert status == 200, body
                if said["kept"]:  # else the answer was kept before the kill, and its acknowledgement was lost
                    acknowledged[listener, trial] = choice
                trial += 1
            except (OSError, EOFError, asyncio.IncompleteReadError):
                client.drop()
                await asyncio.sleep(0.05)

    await asyncio.gather(*(one(random.Random(seed + n)) for n in range(clients)))


class Server:
    """``brain2music serve`` in a process of its own, which can be killed and started again on the same port."""

    def __init__(self, run: Path, answers: Path, trials: int, port: int = 0) -> None:
        self.run, self.answers, self.trials, self.port = run, answers, trials, port
        self.start()

    def start(self) -> None:
        """Start, and wait until it answers."""
        command = [sys.executable, "-c", "from brain2music.cli import main; main()", "serve", str(self.run)]
        command += ["--port", str(self.port), "--only-listening", "--task", "2afc", "--trials", str(self.trials)]
        command += ["--answers", str(self.answers)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        address = self.process.stdout.readline()
        self.port = int(address.rstrip().rstrip("/").rpartition(":")[2])
        while not self.answers_now():
            time.sleep(0.05)

    def answers_now(self) -> bool:
        """Whether a request is answered."""

        async def look() -> bool:
            try:
                status, _ = await Client(self.port).ask("GET", "/api/listening/session")
            except (OSError, asyncio.IncompleteReadError):
                return False
            return status == 200

        return asyncio.run(look())

    @property
    def cpu_s(self) -> float:
        """Seconds of processor that the server has used, whatever else the machine does."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """End at once, whatever it is doing."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def write_run(root: Path, seed: int) -> Path:
    """An invented run: clips of tones in noise, and a generated piece of each."""
    outputs, rng = Outputs(root), np.random.default_rng(seed)
    clips = [f"clip{number:02d}" for number in range(CLIPS)]
    rows = []
    for clip in clips:
        for path in (outputs.stimulus(clip), outputs.generated("001", "logmel", "denoised", clip, 0)):
            path.parent.mkdir(parents=True, exist_ok=True)
            time_s = np.arange(RATE * SECONDS) / RATE
            sound = 0.1 * np.sin(2 * np.pi * rng.uniform(100, 2000) * time_s) + 0.02 * rng.normal(size=time_s.size)
            soundfile.write(path, sound, RATE)
        file = path.relative_to(root).as_posix()
        rows.append({"clip": clip, "genre": "tone", "condition": "denoised", "sample": 0, "window": -1, "file": file,
                     "generator": "invented", "seed": 0})  # fmt: skip
    GENERATED.write(outputs.generated_table("001", "logmel"), pd.DataFrame(rows))
    similarity = [{"clip": clip, "genre": "tone", "similarity": list(np.eye(CLIPS)[i])} for i, clip in enumerate(clips)]
    SIMILARITY.write(outputs.similarity("001", "logmel"), pd.DataFrame(similarity))
    space = {"name": "logmel", "version": "1", "sha256": "0", "dims": 8, "window_s": 1.5, "step_s": 1.5}
    design = {"tr": 1.5, "lag_tr": 3, "n_train": 0, "n_test": CLIPS, "n_repeats": 1, "scans_per_clip": 10,
              "voxels": {"001": 1}, "genres": {}, "evaluation": "none: an invented run"}  # fmt: skip
    study = {"name": "invented", "simulated": True, "source": "arrays", "version": "0", "created": "2026-01-01",
             "subjects": ["001"], "embeddings": [{**space, "sample_rate": 16000}], "design": design}  # fmt: skip
    outputs.study.write_text(json.dumps(study), encoding="utf-8")
    outputs.scores.write_text("[]", encoding="utf-8")
    return root


def warm(port: int, folder: Path) -> None:
    """Wait until the server has brought its sounds to one level, which it does when it starts."""
    until = time.monotonic() + 300
    while time.monotonic() < until:
        made = [len(list(each.glob("*.flac"))) for each in folder.glob("brain2music-serve-*/sounds")]
        if made and max(made) >= 2 * CLIPS:
            return
        time.sleep(0.5)


def bare(listeners: int, seconds: float, seed: int) -> Measured:
    """The same requests to a server that does nothing."""
    port = 18_931
    process = subprocess.Popen([sys.executable, "-c", BARE, str(port)])
    try:
        for _ in range(200):
            try:
                asyncio.run(Client(port).ask("GET", "/"))
                break
            except OSError:
                time.sleep(0.1)
        return asyncio.run(load(port, listeners, seconds, seed))
    finally:
        process.kill()
        process.wait()


def measure_load(folder: Path, run: Path, given: argparse.Namespace) -> None:
    """Fifty listeners, and the same to a bare server."""
    server = Server(run, folder / "load.sqlite", 100)
    try:
        warm(server.port, folder)
        before, used = os.getloadavg()[0], server.cpu_s
        measured = asyncio.run(load(server.port, given.listeners, given.seconds, given.seed))
        used = server.cpu_s - used
    finally:
        server.process.terminate()
        server.process.wait()
    peer = bare(given.listeners, min(20.0, given.seconds), given.seed)
    count = sum(map(len, measured.times.values()))
    note = f"{given.listeners} listeners, {given.seconds:g} s; load of the machine before: {before:.1f}"
    print(f"processor: {1000 * used / count:.2f} ms per request, {100 * used / given.seconds:.0f} % of one core")
    print(json.dumps({"errors": len(measured.errors), "p95_ms": round(measured.p95_ms, 1), "requests": count}))
    print({kind: round(float(np.quantile(times, 0.95)), 1) for kind, times in measured.times.items()}, note)
    print("bare server: p95", round(peer.p95_ms, 1), "ms;", measured.errors[:5])
    RESULTS.add("Errors", len(measured.errors), "requests", bar="0", n=count, note=note)
    RESULTS.add("p95 of pages and audio ranges (peer: a server that does nothing)", measured.p95_ms, "ms", bar="≤ 150",
                n=count, peer=peer.p95_ms, note=note)  # fmt: skip
    RESULTS.add("Processor time of the server per request", 1000 * used / count, "ms", n=count, note=note)
    answers = measured.times["answer"]
    RESULTS.add("p95 of answers and sessions, on the disk", np.quantile(answers, 0.95), "ms", n=len(answers), note=note)


def measure_loss(folder: Path, run: Path, given: argparse.Namespace) -> None:
    """Answers while the server is killed."""
    path, rng = folder / "killed.sqlite", random.Random(given.seed)
    server = Server(run, path, 500)
    acknowledged: dict[tuple[int, int], int] = {}
    kills = sorted(rng.uniform(0.05, 0.95) * given.answers for _ in range(given.kills))

    def watch() -> None:
        for at in kills:
            while len(acknowledged) < at:
                time.sleep(0.002)
            server.kill()
            server.start()

    watcher = threading.Thread(target=watch)
    watcher.start()
    begun = time.monotonic()
    asyncio.run(answer_all(server.port, given.answers, 16, given.seed, acknowledged))
    seconds = time.monotonic() - begun
    watcher.join()
    server.kill()
    store = AnswerStore(path)
    table = store.answers()
    store.close()
    rows = zip(table["listener"], table["trial"], table["answer"], strict=True)
    there = {(int(listener), int(trial) - 1): int(answer) - 1 for listener, trial, answer in rows}
    lost = sum(there.get(key) != answer for key, answer in acknowledged.items())
    print(
        json.dumps({"answers_lost": lost, "acknowledged": len(acknowledged), "kept": len(there), "kills": len(kills)})
    )
    note = f"{len(kills)} kills in {seconds:.0f} s; {len(there)} answers in the file"
    RESULTS.add("Acknowledged answers lost when the server is killed", lost, "answers", bar="0", n=len(acknowledged), note=note)  # noqa: E501  # fmt: skip


def main() -> None:
    """Both measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listeners", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--answers", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        os.environ["TMPDIR"] = name  # where the server keeps its sounds
        folder = Path(name)
        run = write_run(folder / "out", given.seed)
        if given.seconds:
            measure_load(folder, run, given)
        if given.answers:
            measure_loss(folder, run, given)


if __name__ == "__main__":
    main()
