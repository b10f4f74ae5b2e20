"""Jobs wait in a bounded queue, report, can be cancelled, and fail in words; uploads are bounded as they are read."""

import io
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile

from brain2music.web.limits import Limits
from tests.web.conftest import HUNG_S, Served, ended, save_encoder
from tests.web.hostile import flac_bomb, wav_bomb, zip_bomb

pytestmark = pytest.mark.slow


def wav(seconds: float = 1.0, rate: int = 8000, channels: int = 1) -> bytes:
    held = io.BytesIO()
    noise = 0.1 * np.random.default_rng(0).normal(size=(round(seconds * rate), channels))
    soundfile.write(held, noise, rate, format="WAV")
    return held.getvalue()


def put(server: Served, data: bytes | Iterator[bytes], media_type: str = "audio/wav") -> tuple[int, dict]:  # type: ignore[type-arg]
    answer = server.client.post("/api/uploads", content=data, headers={"content-type": media_type})
    return answer.status_code, answer.json()


def test_music_is_generated_from_a_text_and_can_be_kept(shared: Served) -> None:
    asked = {"text": "a beep", "seconds": 1.0, "seed": 60}
    answer = shared.client.post("/api/jobs/generate", json=asked)
    assert answer.status_code == 202
    job = ended(shared.client, answer.json())
    assert (job["state"], job["error"]) == ("done", "")
    assert (job["done"], job["total"]) == (1, 1)
    assert job["result"]["seconds"] == 1.0
    assert "path" not in job["result"]
    kept = shared.client.get(f"/api/sounds/{job['result']['sound']}/file")
    waveform, rate = soundfile.read(io.BytesIO(kept.content))
    assert rate * np.argmax(np.abs(np.fft.rfft(waveform))) / len(waveform) == pytest.approx(500)
    assert "attachment" in kept.headers["content-disposition"]
    presented = shared.client.get("/api/subjects/001/clips/0").json()["sounds"][0]["sound"]
    assert shared.client.get(f"/api/sounds/{presented}/file").status_code == 404  # of the run, not of the client


def test_a_gap_of_an_upload_is_filled(shared: Served) -> None:
    status, upload = put(shared, wav(2.0, channels=2))
    assert (status, upload["seconds"], upload["channels"], upload["sample_rate"]) == (201, 2.0, 2, 8000)
    asked = {"sound": upload["sound"], "start_s": 0.5, "stop_s": 1.0, "text": "", "seed": 0}
    job = ended(shared.client, shared.client.post("/api/jobs/inpaint", json=asked).json())
    assert job["state"] == "done", job
    filled, _ = soundfile.read(io.BytesIO(shared.client.get(f"/api/sounds/{job['result']['sound']}/file").content))
    np.testing.assert_allclose(filled[4000:8000], 0.1, atol=1e-3)
    assert filled.shape == (16000, 2)
    outside = shared.client.post("/api/jobs/inpaint", json={**asked, "stop_s": 9.0}).json()
    assert "not inside the recording" in ended(shared.client, outside)["error"]
    assert shared.client.post("/api/jobs/inpaint", json={**asked, "stop_s": 0.1}).status_code == 422
    assert shared.client.post("/api/jobs/inpaint", json={**asked, "sound": "0" * 24}).status_code == 404


def test_a_failure_is_told_in_words_without_folders(shared: Served) -> None:
    job = shared.client.post("/api/jobs/generate", json={"text": "an error", "seconds": 1.0}).json()
    assert ended(shared.client, job)["error"] == "words.txt: no word of it is known. Use others."
    job = shared.client.post("/api/jobs/generate", json={"text": "a fault", "seconds": 1.0}).json()
    assert ended(shared.client, job)["error"] == "this failed on the server; its log says why"
    assert shared.client.post("/api/jobs/generate", json={"text": " ", "seconds": 1.0}).status_code == 422
    assert shared.client.post("/api/jobs/generate", json={"text": "a", "seconds": 599.0}).status_code == 422


def test_a_hundred_jobs_are_bounded_and_a_cancelled_one_makes_room(
    plugin: None, serve_run: Callable[..., Served]
) -> None:
    server = serve_run(generator="endless", limits=Limits(queued=3))
    answers = [server.client.post("/api/jobs/generate", json={"text": "on", "seconds": 1.0}) for _ in range(100)]
    accepted = [answer.json() for answer in answers if answer.status_code == 202]
    assert 3 <= len(accepted) <= 4  # one of them runs, perhaps
    refused = [answer for answer in answers if answer.status_code != 202]
    assert {answer.status_code for answer in refused} == {429}
    assert "retry-after" in refused[0].headers
    first, second = accepted[:2]
    until_running(server, first)
    assert server.client.delete(f"/api/jobs/{first['job']}").json()["state"] == "cancelled"
    until_running(server, second)  # by a new worker
    assert server.client.delete(f"/api/jobs/{accepted[-1]['job']}").json()["state"] == "cancelled"  # it waited
    assert server.client.post("/api/jobs/generate", json={"text": "on", "seconds": 1.0}).status_code == 202
    assert server.client.get("/api/jobs/aaaaaaaaaaaaaaaa").status_code == 404


def until_running(server: Served, job: dict) -> None:  # type: ignore[type-arg]
    until = time.monotonic() + HUNG_S
    while (job["state"] == "waiting" or not job["done"]) and time.monotonic() < until:
        time.sleep(0.05)
        job = server.client.get(f"/api/jobs/{job['job']}").json()
    assert job["state"] == "running", job


def test_a_job_that_takes_too_long_is_ended(plugin: None, serve_run: Callable[..., Served]) -> None:
    server = serve_run(generator="endless", limits=Limits(job_s=0.2))
    job = server.client.post("/api/jobs/generate", json={"text": "on", "seconds": 1.0}).json()
    assert "took longer than" in ended(server.client, job)["error"]


@pytest.mark.parametrize(
    ("name", "data", "media_type", "status"),
    [
        ("nothing", b"", "audio/wav", 422),
        ("text", b"this is no sound" * 100, "audio/wav", 422),
        ("page", b"<html>", "text/html", 415),
        ("archive", zip_bomb(), "application/zip", 415),
        ("archive named as sound", zip_bomb(), "audio/wav", 422),
        ("hours in kilobytes", flac_bomb(), "audio/flac", 422),
        ("gigabytes by its header", wav_bomb(), "audio/wav", 422),
        ("too long", wav(25.0), "audio/wav", 422),
        ("silence", wav(1.0)[:44] + bytes(16000), "audio/wav", 422),
        ("cut", wav(1.0)[:60], "audio/wav", 422),
        ("too large", wav(200.0, 8000, 2), "audio/wav", 413),
    ],
)
def test_an_upload_that_is_no_short_sound_is_refused(
    shared: Served, name: str, data: bytes, media_type: str, status: int
) -> None:
    found, said = put(shared, data, media_type)
    assert found == status, (name, said)
    assert "Traceback" not in said["error"]
    assert "/" not in said["error"].replace("audio/", "")
    assert not list(shared.state.uploads.folder.glob("*.upload"))


def test_a_stream_without_end_is_cut_off_as_it_arrives(shared: Served, caplog: pytest.LogCaptureFixture) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(2 << 10):  # two gigabytes
            sent += 1 << 20
            yield bytes(1 << 20)

    with suppress(httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):  # closed while it was still sending
        assert put(shared, endless())[0] == 413
    assert sent < 40 << 20
    assert caplog.text == ""  # what a client did is no fault of the server
    assert shared.client.get("/api/run").status_code == 200


def test_the_oldest_sounds_of_clients_are_forgotten(serve_run: Callable[..., Served]) -> None:
    server = serve_run(limits=Limits(uploads=2))
    names = [put(server, wav(0.2))[1]["sound"] for _ in range(3)]
    assert [server.client.get(f"/api/sounds/{name}").status_code for name in names] == [404, 200, 200]
    assert len(list(server.state.uploads.folder.glob("*.flac"))) == 2


def test_a_map_is_predicted_by_an_encoder_that_a_run_saved(run_folder: Path, serve_run: Callable[..., Served]) -> None:
    save_encoder(run_folder)
    server = serve_run(design=None)
    assert server.client.get("/api/subjects/001").json()["encoders"] == ["logmel"]
    sound = put(server, wav(4.0))[1]["sound"]
    asked = {"sound": sound, "subject": "001", "embedding": "logmel"}
    job = ended(server.client, server.client.post("/api/jobs/predict", json=asked).json())
    assert job["state"] == "done", job
    found = job["result"]
    assert (found["voxels"], found["windows"], found["simulated"]) == (60, 2, True)
    assert {region["roi"]: region["voxels"] for region in found["regions"]} == {"left": 20, "right": 40}
    assert server.client.get(f"/api/pictures/{found['picture']}").content[1:4] == b"PNG"
    assert server.client.post("/api/jobs/predict", json={**asked, "embedding": "other"}).status_code == 409
    assert server.client.post("/api/jobs/predict", json={**asked, "subject": "99"}).status_code == 404
