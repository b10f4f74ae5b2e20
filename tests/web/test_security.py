"""What is refused: other hosts and origins, requests without the token, paths, and faults told without their trace."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from brain2music.web.server import _addressed, addresses
from brain2music.web.state import WebSettings
from tests.web.conftest import Served
from tests.web.hostile import PLACES, TRAVERSALS

TOKEN = "a-token-that-is-long-enough"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "169.254.169.254", "[::1", "", "a" * 5000])
def test_a_host_that_is_not_ours_is_refused(shared: Served, host: str) -> None:
    answer = shared.client.get("/api/run", headers={"host": host})
    assert answer.status_code in (400, 421)
    assert "brain2music" not in answer.text.replace("--allowed-host", "")


@pytest.mark.parametrize("host", ["localhost:80", "127.0.0.1:8080", "[::1]:9", "LOCALHOST"])
def test_loopback_is_ours_under_each_of_its_names(shared: Served, host: str) -> None:
    assert shared.client.get("/api/run", headers={"host": host}).status_code == 200


def test_requests_of_other_pages_change_nothing(shared: Served) -> None:
    for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"},
                    {"sec-fetch-site": "same-site"}):  # fmt: skip
        assert shared.client.post("/api/listening/sessions", json={}, headers=headers).status_code == 403
    for broken in ("http://[", "http://[::1", "http://]", "//["):
        refused = shared.client.post("/api/listening/sessions", json={}, headers={"origin": broken})
        assert refused.status_code == 403, broken
    own = {"origin": shared.address, "sec-fetch-site": "same-origin"}
    assert shared.client.post("/api/listening/sessions", json={}, headers=own).status_code == 201


def test_with_a_token_nothing_is_told_without_it(serve_run: Callable[..., Served]) -> None:
    server = serve_run(token=TOKEN)
    for path in ("/", "/listen", "/static/style.css", "/api/run", "/api/openapi.json", "/nothing", "/?token=wrong"):
        answer = httpx.get(server.address + path, trust_env=False)
        assert answer.status_code == 401, path
        assert answer.json()["error"].startswith("open the address with the token")
    assert httpx.post(f"{server.address}/api/uploads?token={TOKEN}", content=b"", trust_env=False).status_code == 401
    opened = httpx.get(f"{server.address}//evil.example/?a=1&token={TOKEN}", trust_env=False)
    assert opened.status_code == 303
    assert opened.headers["location"] == "/evil.example/?a=1"
    cookie = opened.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    with httpx.Client(base_url=server.address, trust_env=False, follow_redirects=True) as client:
        assert client.get(f"/?token={TOKEN}").status_code == 200
        assert client.get("/api/run").status_code == 200
    bearer = {"authorization": f"Bearer {TOKEN}"}
    assert httpx.get(f"{server.address}/api/run", headers=bearer, trust_env=False).status_code == 200


def test_a_token_is_made_where_others_can_reach_the_server() -> None:
    settings = WebSettings(Path("OUT"))
    assert _addressed(settings, "127.0.0.1").token is None
    assert _addressed(settings, "::1").token is None
    elsewhere = _addressed(settings, "192.0.2.7")
    assert len(elsewhere.token or "") >= 32
    assert "192.0.2.7" in elsewhere.hosts
    assert not elsewhere.any_address
    everywhere = _addressed(settings, "0.0.0.0")
    assert everywhere.any_address
    assert everywhere.token != elsewhere.token
    first, test = addresses(elsewhere, "192.0.2.7", 80)
    assert first == f"http://192.0.2.7:80/?token={elsewhere.token}"
    assert test == f"http://192.0.2.7:80/listen?token={elsewhere.token}"


def test_on_all_addresses_numbers_are_ours_and_other_names_are_not(serve_run: Callable[..., Served]) -> None:
    server = serve_run(any_address=True)
    assert server.client.get("/api/run", headers={"host": "192.0.2.1:8080"}).status_code == 200
    assert server.client.get("/api/run", headers={"host": "evil.example"}).status_code == 421


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_of_a_request_reaches_a_file(shared: Served, path: str) -> None:
    for place in PLACES:
        answer = shared.client.get(f"{place}/{path}")
        assert answer.status_code in (404, 405, 422), (place, answer.status_code)
        assert "root:" not in answer.text
        assert "embeddings" not in answer.text


def test_requests_that_are_too_large_are_refused(shared: Served) -> None:
    large = b"[" + b"0," * 100_000 + b"0]"
    assert shared.client.post("/api/jobs/generate", content=large).status_code == 413
    chunks = (b"x" * 10_000 for _ in range(100))
    assert shared.client.post("/api/jobs/generate", content=chunks).status_code == 413


def test_a_fault_is_told_without_its_trace(shared: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared.state.sounds, "find", lambda _: 1 / 0)
    answer = shared.client.get(f"/api/sounds/{'0' * 24}")
    assert answer.status_code == 500
    assert answer.json() == {"error": "this failed on the server; its log says why"}


def test_the_documents_of_the_server_do_not_load_from_others(shared: Served) -> None:
    assert shared.client.get("/docs").status_code == 404
    assert shared.client.get("/redoc").status_code == 404
    assert shared.client.get("/api/openapi.json").json()["info"]["title"] == "brain2music"
