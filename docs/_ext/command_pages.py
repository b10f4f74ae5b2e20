"""The command reference: one page per command, made from the commands themselves."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from pages import heading, plain, toctree, write_pages
from sphinx.application import Sphinx

from brain2music.cli import app as commands_app


@dataclass(frozen=True)
class Command:
    """A command with its parameters; ``name`` is what is typed (``gallery build``), ``context`` what they ask for."""

    name: str
    context: Any
    help: str
    usage: str
    arguments: tuple[Any, ...]
    options: tuple[Any, ...]


def commands() -> list[Command]:
    """Every command that can be given, in the order of ``brain2music --help``."""
    return list(_walk(typer.main.get_command(commands_app), ()))


def _walk(command: Any, path: tuple[str, ...]) -> Iterator[Command]:
    context = command.context_class(command, info_name=" ".join(path))
    nested = getattr(command, "commands", {})
    if path and (not nested or command.invoke_without_command):
        params = [each for each in command.get_params(context) if not getattr(each, "hidden", False)]
        options = tuple(each for each in params if each.param_type_name == "option")
        arguments = tuple(each for each in params if each.param_type_name == "argument")
        pieces = re.sub("[{}]", "", " ".join(command.collect_usage_pieces(context)))
        usage = f"brain2music {' '.join(path)} {pieces}"
        yield Command(
            " ".join(path),
            context,
            "\n\n".join(filter(None, [command.help, command.epilog])),
            usage,
            arguments,
            options,
        )
    for name, each in nested.items():
        if not each.hidden:
            yield from _walk(each, (*path, name))


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
    lines += [_argument(each, command.context) for each in command.arguments]
    panels: dict[str, list[Any]] = {}
    for option in command.options:
        panels.setdefault(getattr(option, "rich_help_panel", None) or "Options", []).append(option)
    for panel, options in panels.items():
        title = panel.replace("\\[", "[")
        lines += [f".. rubric:: {plain(title)}\n", *(_option(each, command.context) for each in options)]
    return "\n".join(lines)


def _argument(argument: Any, context: Any) -> str:
    name, text = argument.get_help_record(context)
    return f"``{re.sub(' <(path|str)>', '', name)}``\n   {plain(text)}\n"


def _option(option: Any, context: Any) -> str:
    signature, text = option.get_help_record(context)
    value = re.sub(r"^(-{1,2}[\w-]+(, | / )?)+", "", signature).strip(" <>")
    names = ", ".join(f"{name} {value}".strip() for name in (*option.opts, *option.secondary_opts))
    return f".. option:: {names}\n\n   {plain(text)}\n"


def _first_sentence(text: str) -> str:
    return " ".join(text.split("\n\n")[0].split())


def write(app: Sphinx, config: object) -> None:
    """Write the pages before the sources are looked for."""
    write_pages(Path(app.srcdir) / "reference" / "commands", command_pages())


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("config-inited", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
