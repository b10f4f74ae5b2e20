"""The command reference: one page per command, made from the commands themselves."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from pages import heading, plain, toctree, write_pages
from sphinx.application import Sphinx

from brain2music.cli import app as commands_app

SETTINGS_PANELS = ("Settings of the run", " \\[")
"""What the titles of panels hold whose options are settings."""


@dataclass(frozen=True)
class Command:
    """A command with its parameters; ``name`` is what is typed, ``gallery build``."""

    name: str
    help: str
    usage: str
    arguments: tuple[Any, ...]
    options: tuple[Any, ...]


def commands() -> list[Command]:
    """Every command that can be given, in the order of ``brain2music --help``."""
    return list(_walk(typer.main.get_command(commands_app), ()))


def _walk(command: Any, path: tuple[str, ...], parent: Any = None) -> Iterator[Command]:
    context = command.context_class(command, info_name=" ".join(path) or "brain2music", parent=None)
    nested = getattr(command, "commands", {})
    if path and not nested:
        params = [each for each in command.get_params(context) if not getattr(each, "hidden", False)]
        options = tuple(each for each in params if each.param_type_name == "option")
        arguments = tuple(each for each in params if each.param_type_name == "argument")
        pieces = " ".join(command.collect_usage_pieces(context))
        usage = f"brain2music {' '.join(path)} {pieces}"
        yield Command(" ".join(path), command.help or "", usage, arguments, options)
    for name, each in nested.items():
        if not each.hidden:
            yield from _walk(each, (*path, name), context)


def command_pages() -> dict[str, str]:
    """The text of every page by its name: an index, and one page per command or group of commands."""
    pages: dict[str, list[Command]] = {}
    for command in commands():
        pages.setdefault(command.name.split()[0], []).append(command)
    written = {name: _page(name, group) for name, group in pages.items()}
    return {"index": _index(pages), **written}


def _index(pages: dict[str, list[Command]]) -> str:
    rows = []
    for name, group in pages.items():
        for command in group:
            rows.append(f"   * - :doc:`{command.name} <{name}>`\n     - {plain(_first_sentence(command.help))}")
    lead = (
        "Every command ends with exit code 0 if it is done, 1 if the input is at fault (one line on stderr says what, "
        "where, and what to do), 2 if the command itself is not valid, and 128 and the signal's number if a signal "
        "ended it; then the same command takes up what is left. ``--debug`` before the command shows the traceback of "
        "an error, ``--version`` the version, and ``--help`` after it the options below."
    )
    body = "\n".join([".. list-table::", "   :widths: 30 70", "", *rows])
    return "\n".join([heading("Commands"), lead, "", body, "", toctree(pages)])


def _page(name: str, group: list[Command]) -> str:
    if len(group) == 1 and group[0].name == name:
        return "\n".join([heading(f"brain2music {name}"), _body(group[0], "-")])
    parts = [heading(f"brain2music {name}")]
    for command in group:
        parts += [heading(f"brain2music {command.name}", "-"), _body(command, "~")]
    return "\n".join(parts)


def _body(command: Command, underline: str) -> str:
    lines = [f".. program:: brain2music {command.name}\n"]
    lines += [f"{plain(paragraph)}\n" for paragraph in command.help.split("\n\n")]
    lines.append(f".. code-block:: text\n\n   {command.usage}\n")
    lines += [_argument(each) for each in command.arguments]
    panels: dict[str, list[Any]] = {}
    for option in command.options:
        panels.setdefault(getattr(option, "rich_help_panel", None) or "Options", []).append(option)
    for panel, options in panels.items():
        title = panel.replace("\\[", "[")
        lines += [f".. rubric:: {plain(title)}\n", *map(_option, options)]
    return "\n".join(lines)


def _argument(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    default = "" if argument.required or argument.default is None else f" Default: ``{argument.default}``."
    return f"``{name}``\n   {plain(argument.help or '')}{default}\n"


def _option(option: Any) -> str:
    value = "" if option.is_flag or getattr(option, "count", False) else f" {_value(option)}"
    names = ", ".join(f"{name}{value}" for name in (*option.opts, *option.secondary_opts))
    return f".. option:: {names}\n\n   {plain(option.help or '')}{_default(option)}\n"


def _value(option: Any) -> str:
    choices = getattr(option.type, "choices", None)
    if option.metavar:
        return str(option.metavar)
    return "|".join(map(str, choices)) if choices else str(option.type.name).upper()


def _default(option: Any) -> str:
    if option.required:
        return " Required."
    default = option.default
    if default is None or default is False or callable(default) or default in ((), []):
        return ""
    if option.is_flag:
        return f" Default: ``{option.opts[0]}``."
    values = default if isinstance(default, list | tuple) else [default]
    return f" Default: ``{', '.join(map(str, values))}``."


def _first_sentence(text: str) -> str:
    return " ".join(text.split("\n\n")[0].split())


def write(app: Sphinx, config: object) -> None:
    """Write the pages before the sources are looked for."""
    write_pages(Path(app.srcdir) / "reference" / "commands", command_pages())


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("config-inited", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
