"""Stages that take long are never silent: lines where nobody looks, bars on a terminal, whole lines of others above."""

import io
import json
import logging
import os
import pty
import re
import sys
import termios
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout

import pytest

from brain2music._utils import progress as module
from brain2music._utils.errors import Brain2MusicWarning, short_warnings
from brain2music._utils.progress import progress

LONG_S = 30
"""More than any of these takes; a wait that ends by this has failed."""


class Listening(io.StringIO):
    """A stream whose lines can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Condition()

    def write(self, text: str) -> int:
        with self.written:
            super().write(text)
            self.written.notify_all()
        return len(text)

    @property
    def lines(self) -> list[dict]:
        return [json.loads(line) for line in self.getvalue().splitlines()]

    def wait(self, found: Callable[[list[dict]], bool]) -> None:
        with self.written:
            assert self.written.wait_for(lambda: found(self.lines), LONG_S), self.getvalue()


@pytest.fixture
def stream() -> Listening:
    return Listening()


def test_a_stage_that_cannot_count_is_told_of_while_it_lasts(
    stream: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BEAT_S", 0.01)
    with redirect_stderr(stream), progress("sleep"):
        stream.wait(lambda lines: len(lines) >= 3)
    assert {line["stage"] for line in stream.lines} == {"sleep"}
    seconds = [line["seconds"] for line in stream.lines]
    assert seconds == sorted(seconds)
    assert not any("done" in line for line in stream.lines)


def test_the_innermost_stage_is_told_of_with_the_one_around_it(
    stream: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BEAT_S", 0.01)
    with redirect_stderr(stream), progress("run"):
        with progress("decode sub-01"), progress("embed") as advance:
            advance(1, 3)
            stream.wait(lambda lines: any(line.get("done") == 1 for line in lines))
            line = next(line for line in stream.lines if line.get("done") == 1)
            assert line | {"seconds": 0} == {
                "stage": "embed", "within": "decode sub-01", "done": 1, "total": 3, "seconds": 0
            }  # fmt: skip
        before = len(stream.lines)
        stream.wait(lambda lines: len(lines) > before + 1)
        assert stream.lines[-1]["stage"] == "run"


def test_a_silence_is_no_longer_than_asked_for_and_a_quick_stage_says_nothing(stream: Listening) -> None:
    assert module.BEAT_S + module.LOOK_S <= 10
    with redirect_stderr(stream), progress("quick"):
        pass
    assert stream.getvalue() == ""


def test_a_stage_that_counts_says_when_it_is_complete_and_seldom_before(
    stream: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    with redirect_stderr(stream), progress("count") as advance:
        for done in range(1, 101):
            advance(done, 100)
    (line,) = stream.lines
    assert (line["stage"], line["done"], line["total"]) == ("count", 100, 100)
    monkeypatch.setattr(module, "LINE_S", 0.0)
    with redirect_stderr(stream), progress("count") as advance:
        for done in range(1, 4):
            advance(done, 3)
    assert [each["done"] for each in stream.lines[1:]] == [1, 2, 3]


def test_a_stage_that_took_long_says_that_it_has_finished_but_not_one_that_failed(
    stream: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LINE_S", 0.0)

    @progress("think")
    def think(answer: int) -> int:
        return 42 // answer

    with redirect_stderr(stream):
        assert think(1) == 42
        with pytest.raises(ZeroDivisionError):
            think(0)
    (line,) = stream.lines
    assert (line["stage"], line["finished"]) == ("think", True)


def test_the_thread_ends_with_the_last_stage(stream: Listening) -> None:
    with redirect_stderr(stream), progress("outer"), progress("inner"):
        (beating,) = [thread for thread in threading.enumerate() if thread.name == "progress"]
    beating.join(LONG_S)
    assert not beating.is_alive()


class Terminal:
    """A terminal of 100 columns, and what was drawn on it, as it came and without colours."""

    def __init__(self) -> None:
        self.reads, writes = pty.openpty()
        termios.tcsetwinsize(writes, (24, 100))
        self.stream = os.fdopen(writes, "w", buffering=1)
        self.parts: list[bytes] = []
        self.drawn = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        try:
            while part := os.read(self.reads, 4096):
                with self.drawn:
                    self.parts.append(part)
                    self.drawn.notify_all()
        except OSError:  # the other end is closed
            return

    def wait(self, text: str) -> None:
        with self.drawn:
            assert self.drawn.wait_for(lambda: text.encode() in b"".join(self.parts), LONG_S)

    @property
    def shown(self) -> str:
        self.stream.close()
        self.reader.join(LONG_S)
        return re.sub(r"\x1b\[[0-9;]*m", "", b"".join(self.parts).decode())


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    terminal = Terminal()
    yield terminal
    os.close(terminal.reads)


def test_a_terminal_shows_a_bar_a_count_and_for_how_long(terminal: Terminal) -> None:
    with redirect_stderr(terminal.stream), progress("run"), progress("embed") as advance:
        advance(3, 7)
        terminal.wait("3/7")
    shown = terminal.shown
    assert re.search(r"  embed +.*3/7 +0:00:0\d", shown)
    assert re.search(r"run +.* +0:00:0\d", shown)


def test_what_others_write_stands_whole_above_the_bars(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    short_warnings()
    logger, handler = logging.getLogger("a.library"), logging.StreamHandler(terminal.stream)
    logger.addHandler(handler)  # as libraries do when they are imported
    monkeypatch.setattr(logger, "propagate", False)
    with redirect_stderr(terminal.stream), warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda *arguments: sys.stderr.write(warnings.formatwarning(*arguments[:4]))
        with progress("run"):
            warnings.warn("look at this first", Brain2MusicWarning, stacklevel=1)
            logger.warning("a line of a log")
            print("printed", file=sys.stderr)
        assert handler.stream is sys.stderr is terminal.stream
    logger.removeHandler(handler)
    pieces = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", piece).strip() for piece in re.split(r"[\r\n]", terminal.shown)]
    for line in ("warning: look at this first", "a line of a log", "printed"):
        assert pieces.count(line) == 1, pieces


def test_a_dumb_terminal_gets_lines(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with redirect_stderr(terminal.stream), progress("count") as advance:
        advance(2, 2)
    assert json.loads(terminal.shown)["done"] == 2


def test_what_goes_to_a_file_is_not_drawn_on_the_terminal(terminal: Terminal) -> None:
    with redirect_stderr(terminal.stream), redirect_stdout(io.StringIO()) as file, progress("run"):
        print("a result")
        assert file.getvalue() == "a result\n"
    assert "a result" not in terminal.shown


def test_a_stage_that_fails_leaves_no_bar(terminal: Terminal) -> None:
    with redirect_stderr(terminal.stream), pytest.raises(ZeroDivisionError), progress("divide"):
        1 / 0  # noqa: B018
    assert terminal.shown.rstrip().endswith("\x1b[?25h")
