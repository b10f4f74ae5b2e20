"""A finished run with generated music, a server on it in a thread, and generators that are small and strange."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
import soundfile
import uvicorn

from brain2music import Embeddings, Encoder, Responses
from brain2music.brain.responses import VoxelSpace
from brain2music.listening import TestDesign
from brain2music.models.embedders import get_embedder
from brain2music.models.plugins import VARIABLE
from brain2music.pipeline.outputs import GENERATED, SIMILARITY, Outputs
from brain2music.study import Clip
from brain2music.web import WebSettings, create_app
from brain2music.web.limits import Limits
from brain2music.web.state import State
from tests.report.conftest import write_run

DESIGN = TestDesign(n_trials=4, n_catch=1)
PLUGIN = '''
"""Generators for tests: "beeper" beeps at once and fills gaps with beeps; "endless" goes on until it is ended."""

import numpy as np

import brain2music as b2m
from brain2music.audio import Reconstruction, read_audio


class Beeper:
    name, sha256, sample_rate = "beeper", "0", 8000

    def __init__(self, device, endless=False):
        self.space = b2m.get_embedder("logmel", 1.5, 1.5).space
        self.endless = endless

    def generate(self, embedding=None, text=None, *, seconds=15.0, seed=0, n_samples=1, first_item=0, progress=None):
        if text == "a fault":
            raise RuntimeError("secret of the server")
        if text == "an error":
            raise b2m.InputError("no word of it is known", "/secret/folder/words.txt", "use others")
        steps = 0
        while self.endless:
            steps += 1
            progress(min(steps, 1), 10**9)
        time = np.arange(int(seconds * self.sample_rate)) / self.sample_rate
        progress(1, 1)
        beep = 0.2 * np.sin(2 * np.pi * (440 + seed) * time)
        return [Reconstruction(beep[None].astype(np.float32), self.sample_rate)]

    def fill(self, sound, regions, *, text=None, seed=0, progress=None):
        ((start_s, stop_s),) = regions
        waveform, rate = read_audio(sound, mono=False)
        if not 0 <= start_s < stop_s <= waveform.shape[1] / rate:
            raise b2m.InputError("the gap is not inside the recording", sound, "draw another")
        waveform = waveform.copy()
        waveform[:, round(start_s * rate) : round(stop_s * rate)] = 0.1
        return [Reconstruction(waveform, rate)]


b2m.register_generator("beeper", lambda device: Beeper(device))
b2m.register_generator("endless", lambda device: Beeper(device, endless=True))
'''


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six clips of two subjects with retrieved and generated music of half a second."""
    root = tmp_path_factory.mktemp("web") / "out"
    write_run(root, subjects=("001", "002"), embeddings=("musicnn-mtt", "logmel"))
    for subject in ("001", "002"):
        add_generated(Outputs(root), subject, "musicnn-mtt")
    return root


def add_generated(outputs: Outputs, subject: str, embedding: str) -> None:
    table = SIMILARITY.read(outputs.similarity(subject, embedding))
    assert table is not None
    rng, rows = np.random.default_rng(int(subject)), []
    for clip, genre in zip(table["clip"], table["genre"], strict=True):
        for condition in ("denoised", "true"):
            for sample in (0, 1):
                path = outputs.generated(subject, embedding, condition, clip, sample)
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, 0.1 * rng.normal(size=11025), 22050)
                row = {"clip": clip, "genre": genre, "condition": condition, "sample": sample, "window": -1, "seed": 0}
                rows.append({**row, "file": path.relative_to(outputs.root).as_posix(), "generator": "beeper"})
    GENERATED.write(outputs.generated_table(subject, embedding), pd.DataFrame(rows))


def save_encoder(root: Path) -> None:
    """Save an encoder of sixty voxels in two regions, as a run does."""
    rng, clips = np.random.default_rng(0), tuple(Clip(f"clip{number}", 0.0, 3.0, "jazz") for number in range(30))
    embedder, ones = get_embedder("logmel", 1.5, 1.5), np.ones(30, dtype=int)
    vectors = rng.normal(size=(30, 2, embedder.space.dims)).astype(np.float32)
    music = Embeddings(vectors, tuple(clip.name for clip in clips), embedder.space)
    space = VoxelSpace(np.ones((3, 4, 5), bool), np.diag([3.0, 3.0, 3.0, 1.0]), ("left",) * 20 + ("right",) * 40)
    responses = (vectors @ rng.normal(size=(embedder.space.dims, 60))).astype(np.float32)
    bold = Responses("001", responses, clips, ones, tr=1.5, lag_tr=0, n_repeats=ones, space=space, simulated=True)
    folder = Outputs(root).model("001", "logmel", "encoder")
    Encoder().fit(music, bold).save_pretrained(folder, preparation={"stimuli": {"fade_s": 0.0, "rms": None}})


@pytest.fixture
def run_folder(finished_run: Path, tmp_path: Path) -> Path:
    """A copy of the run, with answers of its own."""
    return Path(shutil.copytree(finished_run, tmp_path / "out"))


@dataclass(frozen=True)
class Served:
    """A server that is running: its address, a client of it, and what it is served from."""

    address: str
    client: httpx.Client
    state: State
    app: Any


HUNG_S = 600.0
"""After which an answer or a job counts as lost; a worker loads its libraries first, on a busy machine for minutes."""


@contextmanager
def served(settings: WebSettings) -> Iterator[Served]:
    """Serve on a free port of loopback in a thread."""
    app = create_app(settings)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", http="h11", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 30
    while not server.started and time.monotonic() < until:
        threading.Event().wait(0.01)
    address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        with httpx.Client(base_url=address, timeout=HUNG_S, trust_env=False) as client:
            yield Served(address, client, app.state, app)
    finally:
        server.should_exit = True
        thread.join(20)
        app.state.close()


@pytest.fixture
def serve_run(run_folder: Path) -> Iterator[Callable[..., Served]]:
    """Start a server on the copy of the run, with further settings."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda **more: stack.enter_context(served(replace(WebSettings(run_folder, design=DESIGN), **more)))


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The generators "beeper" and "endless", in worker processes too; the variable is gone after each file of tests."""
    path = tmp_path_factory.getbasetemp() / "beepers.py"  # one file, as a module of models is loaded once
    path.write_text(PLUGIN)
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(path)
    yield
    os.environ.pop(VARIABLE) if before is None else os.environ.update({VARIABLE: before})


@pytest.fixture(scope="module")
def shared(finished_run: Path, plugin: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for the tests of a file that change nothing that others see."""
    answers = tmp_path_factory.mktemp("answers") / "answers.sqlite"
    limits = Limits(upload_bytes=2 << 20, upload_s=20.0, queued=4)
    with served(
        WebSettings(finished_run, design=DESIGN, answers=answers, generator="beeper", inpainter="beeper", limits=limits)
    ) as running:
        yield running


def ended(client: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    """How a job ended."""
    until = time.monotonic() + HUNG_S
    while job["state"] in ("waiting", "running") and time.monotonic() < until:
        threading.Event().wait(0.05)
        job = client.get(f"/api/jobs/{job['job']}").json()
    return job
