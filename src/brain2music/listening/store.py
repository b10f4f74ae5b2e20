"""Answers of a listening test in SQLite: an answer that was acknowledged is on the disk."""

import json
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from .._utils.errors import InputError
from .answer_table import COLUMNS, answer_row, read_trial
from .design import TestDesign, Trial, plan_session
from .group_commit import GroupCommit
from .material import Reconstructed, material_digest

FORMAT = 1
KEPT = 256
"""Sessions whose trials stay in memory."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS test (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1), format INTEGER NOT NULL, study TEXT NOT NULL,
    simulated INTEGER NOT NULL, design TEXT NOT NULL, material TEXT NOT NULL, created TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS sessions (
    session TEXT PRIMARY KEY, listener INTEGER NOT NULL UNIQUE, created TEXT NOT NULL, about TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS trials (
    session TEXT NOT NULL REFERENCES sessions, number INTEGER NOT NULL, trial TEXT NOT NULL,
    PRIMARY KEY (session, number)
) STRICT;
CREATE TABLE IF NOT EXISTS answers (
    session TEXT NOT NULL, number INTEGER NOT NULL, answer INTEGER NOT NULL, milliseconds INTEGER NOT NULL,
    plays INTEGER NOT NULL, answered TEXT NOT NULL,
    PRIMARY KEY (session, number), FOREIGN KEY (session, number) REFERENCES trials
) STRICT;
"""


@dataclass(frozen=True)
class Session:
    """Where a listener is: the number of the next trial, which is that of all where the test is done."""

    listener: int
    trials: tuple[Trial, ...]
    answered: int


class AnswerStore:
    """The answers of one listening test, in one SQLite file.

    The file is in WAL mode with ``synchronous = FULL``: :meth:`answer` returns after the commit is on the disk. It may
    be called from several threads.

    Parameters
    ----------
    path : str or Path
        The file; made if it is not there and a test is given.
    material : sequence of Reconstructed, optional
        The sounds of the test; without them the file is only read.
    design : TestDesign, optional
        How the test is laid out.
    study : str
        Name of the study.
    simulated : bool
        Whether the brains were simulated.

    Raises
    ------
    InputError
        The file holds answers of another test, is no such file, or is missing and no test is given.

    Examples
    --------
    >>> from pathlib import Path
    >>> from brain2music.listening import AnswerStore, Reconstructed, TestDesign
    >>> items = [
    ...     Reconstructed("01", "mulan-small", "generated", name, "jazz", Path(name), (Path(name + "0"),))
    ...     for name in "abcdef"
    ... ]
    >>> store = AnswerStore("answers.sqlite", items, TestDesign(n_trials=2, n_catch=1), study="six songs")
    >>> session = store.begin({"headphones": True})
    >>> store.answer(session, number=0, answer=1, milliseconds=2300, plays=3)
    True
    >>> store.session(session).answered
    1
    >>> store.answer(session, number=0, answer=0, milliseconds=1, plays=0)  # the first answer counts
    False
    >>> store.close()
    """

    def __init__(
        self,
        path: str | Path,
        material: Sequence[Reconstructed] = (),
        design: TestDesign | None = None,
        *,
        study: str = "",
        simulated: bool = False,
    ) -> None:
        self.path = Path(path)
        self.material = tuple(material)
        self._lock = threading.Lock()
        self._places: dict[str, Session] = {}
        self._commits = GroupCommit(self._commit, "answers")
        if not self.material and not self.path.is_file():
            raise InputError("there are no answers of a listening test", self.path, "run `brain2music serve` first")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None, timeout=30.0)
            self._require_test()
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute("PRAGMA synchronous = FULL")
            self._base.execute("PRAGMA foreign_keys = ON")
            self._base.executescript(SCHEMA)
            self._claim(design or TestDesign(), study, simulated)
        except (sqlite3.Error, OSError) as error:
            what = f"the answers cannot be kept here ({error})"
            raise InputError(what, self.path, "name another file with --answers") from None

    def _require_test(self) -> None:
        """Refuse, before anything is written, a file that holds no listening test, unless it is new."""
        tables = {str(name) for (name,) in self._base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "test" not in tables and (tables or not self.material):
            self._base.close()
            raise InputError("this holds no listening test", self.path, "name the file that `brain2music serve` wrote")

    def _claim(self, design: TestDesign, study: str, simulated: bool) -> None:
        """Say which test the file is of, or check that it is of this one."""
        wanted = (json.dumps(asdict(design), sort_keys=True), material_digest(self.material))
        with self._writing() as base:
            if self.material:
                base.execute(
                    "INSERT OR IGNORE INTO test VALUES (1, ?, ?, ?, ?, ?, ?)",
                    (FORMAT, study, int(simulated), *wanted, _now()),
                )
            row = base.execute("SELECT format, study, simulated, design, material FROM test").fetchone()
        if row is None:  # a server was ended before it had said which
            raise InputError("nobody has answered yet", self.path, "send listeners to /listen of `brain2music serve`")
        if row[0] != FORMAT:
            raise InputError(f"these answers are of format {row[0]}", self.path, "update brain2music")
        if self.material and tuple(row[3:]) != wanted:
            what = "this holds the answers of a test with other sounds, tasks, trials or seed"
            raise InputError(what, self.path, "repeat its settings, or name another file with --answers")
        self.study, self.simulated = str(row[1]), bool(row[2])
        settings: dict[str, Any] = json.loads(row[3])
        self.design = TestDesign(**{**settings, "tasks": tuple(settings["tasks"])})

    def begin(self, about: dict[str, Any] | None = None) -> str:
        """Begin the session of a new listener.

        Parameters
        ----------
        about : dict, optional
            What the listener said of themselves, as JSON types.

        Returns
        -------
        str
            The name of the session, which cannot be guessed.
        """
        session = secrets.token_urlsafe(24)
        with self._writing() as base:
            listener = int(base.execute("SELECT COALESCE(MAX(listener) + 1, 0) FROM sessions").fetchone()[0])
            trials = plan_session(self.material, self.design, listener)
            base.execute(
                "INSERT INTO sessions VALUES (?, ?, ?, ?)",
                (session, listener, _now(), json.dumps(about or {}, sort_keys=True)),
            )
            rows = [(session, number, json.dumps(asdict(trial))) for number, trial in enumerate(trials)]
            base.executemany("INSERT INTO trials VALUES (?, ?, ?)", rows)
        return session

    def session(self, session: str) -> Session | None:
        """Read where a listener is; None where there is no such session."""
        with self._lock:
            return self._session(session)

    def known(self, session: str) -> Session | None:
        """Where a listener is, from memory and without waiting; None where the file has to be asked."""
        return self._places.get(session)

    def answer(self, session: str, number: int, answer: int, milliseconds: int, plays: int) -> bool:
        """Keep an answer; when this returns it is on the disk.

        Parameters
        ----------
        session : str
            As :meth:`begin` returned it.
        number : int
            Number of the trial, from 0.
        answer : int
            The number of the option, or the rating.
        milliseconds : int
            From the question to the answer.
        plays : int
            How often a sound was played.

        Returns
        -------
        bool
            True if the trial has this answer now; False if it had another before, which stays.

        Raises
        ------
        InputError
            There is no such trial, its turn has not come, or the answer is none of those allowed.
        """
        return self.submit(session, number, answer, milliseconds, plays).result()

    def submit(self, session: str, number: int, answer: int, milliseconds: int, plays: int) -> "Future[bool]":
        """Keep an answer as :meth:`answer` does, without waiting.

        Answers that come together are committed together, by one thread.

        Parameters
        ----------
        session, number, answer, milliseconds, plays
            As for :meth:`answer`.

        Returns
        -------
        Future
            Done when the answer is on the disk; its result is that of :meth:`answer`.
        """
        return self._commits.submit((session, number, answer, milliseconds, plays))

    def _commit(self, answers: Sequence[tuple[str, int, int, int, int]]) -> list[bool | Exception]:
        """Insert answers and commit them at once; whether each counts, or why it cannot be."""
        try:
            with self._writing() as base:
                return [self._keep(base, *each) for each in answers]
        except Exception:
            self._places.clear()
            raise

    def _keep(
        self, base: sqlite3.Connection, session: str, number: int, answer: int, milliseconds: int, plays: int
    ) -> bool | InputError:
        """Insert one answer; True if it counts, False if another does, or why it cannot be."""
        place = self._session(session)
        if place is None or not 0 <= number < len(place.trials) or number > place.answered:
            return InputError(f"trial {number} of this session is not being asked", hint="load the page again")
        if answer not in place.trials[number].answers:
            return InputError(f"{answer} is no answer to trial {number}", hint="load the page again")
        values = (session, number, answer, milliseconds, plays, _now())
        base.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?)", values)
        if number == place.answered:
            self._places[session] = replace(place, answered=number + 1)
            return True
        query = "SELECT answer FROM answers WHERE session = ? AND number = ?"
        return bool(base.execute(query, values[:2]).fetchone()[0] == answer)

    def answers(self) -> pd.DataFrame:
        """Read all answers.

        Returns
        -------
        DataFrame
            One row per answer: ``listener`` (from 1), ``trial`` (from 1), ``task``, ``catch``, ``question``,
            ``scanned_subject``, ``embedding``, ``source``, ``clip``, ``genre``, ``foil``, ``foil_genre``,
            ``same_origin``, ``pair``, ``place`` (of the right option, from 1; 0 if there is none), ``answer`` (option
            from 1, or rating), ``right`` (1, 0, or NaN where no answer is), ``seconds``, ``plays``, ``answered``, and
            what listeners said of themselves.
        """
        query = (
            "SELECT listener, number, trial, answer, milliseconds, plays, answered, about FROM answers "
            "JOIN trials USING (session, number) JOIN sessions USING (session) ORDER BY listener, number"
        )
        with self._lock:
            rows = self._base.execute(query).fetchall()
        return pd.DataFrame([answer_row(*row) for row in rows], columns=COLUMNS)

    def listeners(self) -> int:
        """Count the listeners who began."""
        with self._lock:
            return int(self._base.execute("SELECT COUNT(*) FROM sessions").fetchone()[0])

    def close(self) -> None:
        """Keep the answers that were given, and close the file."""
        self._commits.close()
        with self._lock:
            self._base.close()

    def _session(self, session: str) -> Session | None:
        """Where a listener is; the latest sessions are kept in memory."""
        if session not in self._places:
            row = self._base.execute("SELECT listener FROM sessions WHERE session = ?", (session,)).fetchone()
            if row is None:
                return None
            query = "SELECT trial FROM trials WHERE session = ? ORDER BY number"
            trials = tuple(read_trial(text) for (text,) in self._base.execute(query, (session,)))
            query = "SELECT COUNT(*) FROM answers WHERE session = ?"
            answered = int(self._base.execute(query, (session,)).fetchone()[0])
            while len(self._places) >= KEPT:
                self._places.pop(next(iter(self._places)))
            self._places[session] = Session(int(row[0]), trials, answered)
        return self._places[session]

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, committed at the end."""
        with self._lock:
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield self._base
            except BaseException:
                self._base.execute("ROLLBACK")
                raise
            self._base.execute("COMMIT")


def count_answers(path: Path) -> int | None:
    """Count the answers in a file, which is not changed; None where it cannot be read."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5.0)) as base:
            return int(base.execute("SELECT COUNT(*) FROM answers").fetchone()[0])
    except sqlite3.Error:
        return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
