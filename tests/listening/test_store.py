"""Answers are on the disk when they are acknowledged, survive a kill, and belong to one test."""

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from brain2music import InputError
from brain2music.listening import AnswerStore, TestDesign
from tests.listening.listeners import items, judge

DESIGN = TestDesign(n_trials=8, n_catch=1)


def test_an_answer_is_read_by_others_as_soon_as_it_is_acknowledged(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path / "answers.sqlite", items(), DESIGN)
    session = store.begin()
    other = sqlite3.connect(tmp_path / "answers.sqlite")
    for number in range(5):
        assert store.answer(session, number, 1, 10, 1)
        assert other.execute("SELECT COUNT(*) FROM answers").fetchone() == (number + 1,)
    other.close()
    assert store._base.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert store._base.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


def test_a_session_goes_on_after_the_file_is_opened_again(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path / "answers.sqlite", items(), DESIGN)
    session = store.begin({"headphones": True})
    store.answer(session, 0, 1, 10, 1)
    before = store.session(session)
    store.close()
    again = AnswerStore(tmp_path / "answers.sqlite", items(), DESIGN)
    assert again.session(session) == before
    assert again.session("somebody") is None
    assert again.begin() != session
    assert again.listeners() == 2
    again.close()


def test_the_first_answer_counts_and_trials_come_in_order(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path / "answers.sqlite", items(), TestDesign(("2afc",), n_trials=8, n_catch=1))
    session = store.begin()
    assert store.answer(session, 0, 1, 10, 1)
    assert store.answer(session, 0, 1, 99, 1)  # sent again, as no reply came
    assert not store.answer(session, 0, 0, 10, 1)
    with pytest.raises(InputError, match="trial 2 of this session is not being asked"):
        store.answer(session, 2, 0, 10, 1)
    with pytest.raises(InputError, match="2 is no answer"):
        store.answer(session, 1, 2, 10, 1)
    with pytest.raises(InputError, match="not being asked"):
        store.answer("somebody", 0, 0, 10, 1)
    assert list(store.answers()["answer"]) == [2]
    store.close()


def test_a_file_of_another_test_or_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    AnswerStore(path, items(), DESIGN).close()
    with pytest.raises(InputError, match="a test with other sounds"):
        AnswerStore(path, items(), TestDesign(n_trials=9))
    with pytest.raises(InputError, match="a test with other sounds"):
        AnswerStore(path, items(9), DESIGN)
    with pytest.raises(InputError, match="there are no answers"):
        AnswerStore(tmp_path / "none.sqlite")
    (tmp_path / "text.sqlite").write_text("this is no base of data, but text" * 100)
    with pytest.raises(InputError, match="cannot be kept here"):
        AnswerStore(tmp_path / "text.sqlite", items(), DESIGN)


def test_a_test_is_of_the_very_sounds_that_were_heard(tmp_path: Path) -> None:
    heard = [replace(item, sha256=f"{number}") for number, item in enumerate(items())]
    AnswerStore(tmp_path / "answers.sqlite", heard, DESIGN).close()
    AnswerStore(tmp_path / "answers.sqlite", heard, DESIGN).close()
    with pytest.raises(InputError, match="a test with other sounds"):
        AnswerStore(tmp_path / "answers.sqlite", [replace(heard[0], sha256="made again"), *heard[1:]], DESIGN)


@pytest.mark.parametrize("holds", ["nothing", "tables of somebody else"])
def test_a_file_that_holds_no_test_is_refused_and_left_as_it_is(tmp_path: Path, holds: str) -> None:
    path = tmp_path / "own.sqlite"
    path.touch()
    if holds != "nothing":
        with closing(sqlite3.connect(path)) as base, base:
            base.execute("CREATE TABLE birds (name TEXT)")
        with pytest.raises(InputError, match="holds no listening test"):
            AnswerStore(path, items(), DESIGN)
    before = path.read_bytes()
    with pytest.raises(InputError, match="holds no listening test"):
        AnswerStore(path)
    assert path.read_bytes() == before


def test_listeners_may_answer_at_the_same_time(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path / "answers.sqlite", items(), DESIGN)

    def listen() -> None:
        session = store.begin()
        for number in range(10):
            store.answer(session, number, 1, 10, 1)

    threads = [threading.Thread(target=listen) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers = store.answers()
    assert len(answers) == 80
    assert sorted(answers["listener"].unique()) == list(range(1, 9))
    store.close()


WRITER = """
import sys
from brain2music.listening import AnswerStore, TestDesign
from tests.listening.listeners import items
store = AnswerStore(sys.argv[1], items(), TestDesign(n_trials=8, n_catch=1))
while True:
    session = store.begin()
    for number in range(27):
        store.answer(session, number, 1, 10, 1)
        print(session, number, flush=True)
"""


def test_no_acknowledged_answer_is_lost_when_the_writer_is_killed(tmp_path: Path) -> None:
    path, acknowledged = tmp_path / "answers.sqlite", set[tuple[str, int]]()
    for turn in range(2):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        for line in writer.stdout:
            session, number = line.split()
            acknowledged.add((session, int(number)))
            if len(acknowledged) >= 60 * (turn + 1):
                writer.kill()
                break
        writer.wait()
        writer.stdout.close()
    base = sqlite3.connect(path)
    there = set(base.execute("SELECT session, number FROM answers"))
    base.close()
    assert acknowledged <= there


def test_the_table_of_answers_says_what_was_right(tmp_path: Path) -> None:
    store = judge(tmp_path / "answers.sqlite", 2, 1.0)
    answers = store.answers()
    store.close()
    scored = answers[answers["task"] != "similarity"]
    assert (scored["right"] == 1).all()
    assert (scored["answer"] == scored["place"]).all()
    rated = answers[(answers["task"] == "similarity") & ~answers["catch"]]
    assert rated["right"].isna().all()
    assert list(answers.groupby("listener")["music_years"].first()) == [0, 1]
