"""Requests drawn from the application's description of itself (OpenAPI), and its answers held to that description."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from brain2music.audio import write_audio
from brain2music.gallery import build_gallery
from brain2music.models.embedders import get_embedder
from brain2music.pipeline.outputs import Outputs
from brain2music.web import WebSettings
from tests.report.conftest import write_run
from tests.web.conftest import DESIGN, HUNG_S, Served, add_generated, ended, save_encoder, served

pytestmark = pytest.mark.slow

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
EXAMPLES, UPLOADS = 6, 3
"""Times that an operation is asked for wrong, right and existing things; each upload is decoded by another process."""

PICTURE = "0123456789abcdef01234567"
NEVER_WRONG = ("/api/run", "/api/uploads")
"""Paths that take nothing, or any bytes."""
POSITIVE, NEGATIVE = GenerationMode.POSITIVE, GenerationMode.NEGATIVE


@schemathesis.serializer("audio/wav")
def as_sent(_: schemathesis.SerializationContext, value: Any) -> bytes:
    """A sound is the body itself."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@pytest.fixture(scope="module")
def whole(plugin: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server on which every operation has something to work on: a gallery, an encoder, generators and listeners."""
    folder, rng = tmp_path_factory.mktemp("described"), np.random.default_rng(0)
    root = write_run(folder / "out", embeddings=("mulan-small", "logmel"), dims=128, seconds=2.0)
    add_generated(Outputs(root), "001", "mulan-small")
    save_encoder(root)
    write_audio(folder / "music" / "track.wav", rng.uniform(-0.1, 0.1, 16_000 * 11), 16_000)
    build_gallery(folder / "music", folder / "gallery", get_embedder("mulan-small", 10.0, 5.0))
    gallery = str(folder / "gallery")
    with served(WebSettings(root, gallery=gallery, design=DESIGN, generator="beeper", inpainter="beeper")) as running:
        running.client.post("/api/listening/sessions", json={})
        yield running


def names(server: Served) -> dict[str, Any]:
    """What there is to ask for, by the name of the parameter, or by the operation and that name."""
    until = time.monotonic() + HUNG_S
    for path in ("/api/gallery/search?text=calm", "/api/subjects/001/tags/mulan-small"):
        while server.client.get(path).status_code != 200 and time.monotonic() < until:  # the worker loads its libraries
            threading.Event().wait(1.0)
    asked = {"text": "a beep", "seconds": 1.0}
    job = ended(server.client, server.client.post("/api/jobs/generate", json=asked).json())
    presented = server.client.get("/api/subjects/001/clips/0").json()["sounds"][0]["sound"]
    server.state.pictures[PICTURE] = server.state.views.subjects["001"].maps["mulan-small"]
    return {
        **{"label": "001", "subject": "001", "embedding": "mulan-small", "number": 1, "trial": 0, "place": "1"},
        **{"sound": presented, "name": presented},
        "GET /api/gallery/search text": "calm piano",
        "GET /api/sounds/{name}/file name": job["result"]["sound"],
        "GET /api/jobs/{name} name": job["job"],
        "DELETE /api/jobs/{name} name": job["job"],
        "GET /api/pictures/{name} name": PICTURE,
        "POST /api/jobs/predict embedding": "logmel",
        "POST /api/listening/answers answer": 1,
    }


def name_what_exists(case: schemathesis.Case, there: dict[str, Any], cookies: dict[str, str]) -> None:
    """Make a request one of a subject, a sound or a job that there is, by a listener who has begun."""
    case.cookies = cookies
    for place in (case.path_parameters, case.query, case.body):
        if isinstance(place, dict):
            for name in place:
                place[name] = there.get(f"{case.operation.label} {name}", there.get(name, place[name]))


def ask(operation: Any, address: str, there: dict[str, Any], cookies: dict[str, str]) -> bool:
    """Ask for wrong things, right things and things that exist; whether any of it succeeded."""
    statuses = set()

    @settings(
        max_examples=UPLOADS if operation.path == "/api/uploads" else EXAMPLES,
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        right=operation.as_strategy(generation_mode=POSITIVE),
        wrong=operation.as_strategy(generation_mode=POSITIVE if operation.path in NEVER_WRONG else NEGATIVE),
    )
    def send(right: schemathesis.Case, wrong: schemathesis.Case) -> None:
        for case, exists in ((wrong, False), (right, False), (right, True)):
            if exists:
                name_what_exists(case, there, cookies)
            answer = case.call(base_url=address, timeout=120)
            case.validate_response(answer, checks=CHECKS)
            statuses.add(answer.status_code)

    send()
    return min(statuses) < 400


def test_answers_are_as_described_whatever_is_asked(whole: Served, subtests: pytest.Subtests) -> None:
    described = schemathesis.openapi.from_dict(whole.client.get("/api/openapi.json").json())
    operations = [result.ok() for result in described.get_all_operations()]
    there, cookies = names(whole), dict(whole.client.cookies)
    assert len(operations) >= 20
    for operation in operations:
        with subtests.test(operation.label):
            succeeded = ask(operation, whole.address, there, cookies)
            assert succeeded or operation.path == "/api/uploads"  # bytes that are drawn are no sound
