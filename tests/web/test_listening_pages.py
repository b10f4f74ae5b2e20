"""A listener's way through the test: it survives a reload, tells nothing beforehand, and keeps what it acknowledges."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import httpx

from brain2music.listening import AnswerStore
from tests.web.conftest import DESIGN, Served


def begin(client: httpx.Client) -> dict:  # type: ignore[type-arg]
    return client.post("/api/listening/sessions", json={"headphones": True, "music_years": 3}).json()


def test_a_whole_test_is_answered_and_every_answer_is_kept(serve_run: Callable[..., Served], run_folder: Path) -> None:
    server = serve_run()
    assert server.client.get("/api/listening/session").json() == {"session": None, "why": ""}
    session = begin(server.client)
    base = sqlite3.connect(run_folder / "listening" / "answers.sqlite")
    while trial := session["trial"]:
        places = [*(["reference"] if trial["reference"] else []), *map(str, range(trial["options"]))]
        for place in places:
            sound = server.client.get(f"/api/listening/sounds/{trial['number']}/{place}")
            assert sound.content[:4] == b"fLaC"
        if trial["options"] < 3:
            assert server.client.get(f"/api/listening/sounds/{trial['number']}/2").status_code == 404
        answer = {"trial": trial["number"], "answer": 1, "milliseconds": 900, "plays": 3}
        said = server.client.post("/api/listening/answers", json=answer).json()
        assert said["kept"] is True
        assert base.execute("SELECT COUNT(*) FROM answers").fetchone() == (trial["number"] + 1,)
        session = said["session"]
    assert session["answered"] == session["total"] == DESIGN.per_listener
    base.close()
    store = AnswerStore(run_folder / "listening" / "answers.sqlite")
    answers = store.answers()
    store.close()
    assert len(answers) == DESIGN.per_listener
    assert set(answers["music_years"]) == {3}
    assert set(answers["source"]) == {"generated", "retrieved"}


def test_a_session_goes_on_after_a_reload_and_another_server(serve_run: Callable[..., Served]) -> None:
    first = serve_run()
    begin(first.client)
    first.client.post("/api/listening/answers", json={"trial": 0, "answer": 1, "milliseconds": 9, "plays": 3})
    assert first.client.get("/api/listening/session").json()["session"]["answered"] == 1
    again = begin(first.client)  # a second tab begins nothing new
    assert (again["listener"], again["answered"]) == (1, 1)
    cookies = dict(first.client.cookies)
    second = serve_run()
    session = httpx.get(f"{second.address}/api/listening/session", cookies=cookies, trust_env=False).json()["session"]
    assert (session["listener"], session["answered"]) == (1, 1)
    other = httpx.post(f"{second.address}/api/listening/sessions", json={}, trust_env=False)
    assert other.json()["listener"] == 2
    assert "HttpOnly" in other.headers["set-cookie"]
    assert "samesite=strict" in other.headers["set-cookie"].lower()


def test_nothing_tells_the_answer_beforehand(serve_run: Callable[..., Served]) -> None:
    server = serve_run()
    session = begin(server.client)
    assert set(session["trial"]) == {"number", "task", "reference", "options", "ratings", "first_of_task"}
    assert server.client.get("/api/listening/sounds/1/0").status_code == 404  # not reached
    sounds = [server.client.get(f"/api/listening/sounds/0/{place}") for place in ("reference", "0", "1")]
    names = [set(sound.headers) for sound in sounds]
    assert names[0] == names[1] == names[2]
    assert len({sound.headers["etag"] for sound in sounds}) == 3
    assert "no-cache" in sounds[0].headers["cache-control"]


def test_answers_that_cannot_be_are_refused(serve_run: Callable[..., Served]) -> None:
    server = serve_run()
    good = {"trial": 0, "answer": 1, "milliseconds": 9, "plays": 3}
    assert server.client.post("/api/listening/answers", json=good).status_code == 404  # no session
    begin(server.client)
    for wrong in ({"answer": 5}, {"answer": -1}, {"trial": 1}, {"trial": 10**9}, {"plays": -1}, {"answer": "1"},
                  {"answer": True}, {"more": 1}, {"milliseconds": 1e300}):  # fmt: skip
        answer = server.client.post("/api/listening/answers", json={**good, **wrong})
        assert answer.status_code == 422, wrong
        assert answer.json()["error"]
    server.client.cookies.set("brain2music_listener", "somebody-else", domain="127.0.0.1", path="/api/listening")
    assert server.client.post("/api/listening/answers", json=good).status_code in (404, 422)


def test_the_test_alone_hides_the_run(serve_run: Callable[..., Served]) -> None:
    server = serve_run(only_test=True)
    assert "Listening test" in server.client.get("/").text
    for path in ("/api/run", "/api/subjects/001/clips/0", f"/api/sounds/{'0' * 24}", "/api/jobs/aaaaaaaaaaaaaaaa"):
        assert server.client.get(path).status_code == 404
    assert begin(server.client)["trial"]["number"] == 0


def test_without_a_test_the_page_says_so(serve_run: Callable[..., Served]) -> None:
    server = serve_run(design=None)
    assert server.client.get("/api/listening/session").json()["why"] == "this server has no listening test"
    assert server.client.post("/api/listening/sessions", json={}).status_code == 404
    assert server.client.get("/api/run").json()["listening"]["available"] is False
