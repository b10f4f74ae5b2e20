"""The blocks of the pages of the user guide, and how each kind is executed.

``python`` blocks run in order in one namespace per page. In ``console`` blocks, lines that begin with ``$`` are
commands: those of brain2music run in this process, and ``export`` sets a variable. A ``toml`` block that begins with
``# NAME.toml`` is written to that file and must be settings of a run, or an arrays file; a ``python`` block that begins
with ``# NAME.py`` is written to that file, too. The comment ``<!-- not run: REASON -->`` before a block of Python, and
``<!-- parsed only: REASON -->`` before commands, say what is not executed, and why.
"""

import os
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from brain2music.cli import app, main
from brain2music.config import RunConfig

GUIDE = Path(__file__).parents[2] / "docs" / "guide"
EXECUTED = ("python", "console", "toml")
NOT_EXECUTED = ("text", "{toctree}")
_FENCE = re.compile(r"^```(?P<kind>\S+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_DIRECTIVE = re.compile(r"<!-- (?P<what>not run|parsed only): (?P<why>[^>]{10,}) -->\n$")
_FILE = re.compile(r"# (?P<name>\S+\.(?:toml|py))\n")


@dataclass(frozen=True)
class Block:
    """A block of a page: its first line in the page, and the directive before it ("" without one)."""

    kind: str
    text: str
    line: int
    directive: str = ""

    @property
    def file(self) -> str | None:
        """The file that the block is, where its first line names one."""
        named = _FILE.match(self.text)
        return named and named["name"]


def blocks(page: Path) -> Iterator[Block]:
    """All fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    for fence in _FENCE.finditer(text):
        directive = _DIRECTIVE.search(text[: fence.start()])
        line = text[: fence.start()].count("\n") + 2
        yield Block(fence["kind"], fence["text"], line, directive["what"] if directive else "")


def commands(text: str) -> list[str]:
    """The commands of a console block, continued lines joined."""
    joined = text.replace("\\\n", " ")
    return [line.removeprefix("$ ") for line in joined.splitlines() if line.startswith("$ ")]


def execute(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Execute a page's blocks in the working folder."""
    namespace: dict[str, Any] = {"__name__": page.stem}
    for block in blocks(page):
        where = f"{page.name}:{block.line}"
        if block.file is not None:
            Path(block.file).write_text(block.text, encoding="utf-8")
        if block.kind == "python" and not block.directive:
            code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
            exec(code, namespace)
        elif block.kind == "console":
            for command in commands(block.text):
                _execute_command(command, block.directive == "parsed only", where, monkeypatch)
        elif block.kind == "toml" and "axes" not in block.text:
            assert block.file, f"{where}: begin the block with '# NAME.toml'"
            RunConfig.from_toml(Path(block.file))


def _execute_command(command: str, parsed_only: bool, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(os.path.expandvars(command))
    if words[0] == "export":
        name, _, value = words[1].partition("=")
        monkeypatch.setenv(name, value)
        return
    assert words[0] == "brain2music", f"{where}: {command}"
    if parsed_only:
        parse(words[1:])
        return
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code, f"{where}: {command} ended with exit code {stop.value.code}"


def parse(words: list[str]) -> None:
    """Parse the arguments of a command, which raises whatever is wrong with them, and run nothing."""
    command: Any = typer.main.get_command(app)
    names = ["brain2music"]
    while hasattr(command, "commands"):
        name, *words = words
        assert name in command.commands, f"there is no command {' '.join((*names, name))}"
        command = command.commands[name]
        names.append(name)
    command.make_context(" ".join(names), words)
