"""The API pages, one per folder with public names, and where references in docstrings lead."""

import ast
import builtins
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from pages import heading, indented, toctree, write_pages
from public_names import (
    PACKAGE,
    PublicName,
    ast_of,
    definitions,
    file_of,
    home_of,
    homes,
    members,
    modules,
    rooms,
)
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.nodes import make_refnode

FRONT_DOOR = "The front door"


def api_pages() -> dict[str, str]:
    """The text of every page by its name: an index, and one page per folder."""
    return {"index": _index(), **{_page_of(room): _room_page(room, names) for room, names in rooms().items()}}


def _index() -> str:
    rows = []
    for room in rooms():
        rows += [f"* - :doc:`{room} <{_page_of(room)}>`", f"  - {_first_line(room)}"]
    lead = (
        "``import brain2music as b2m`` gives the names of the front door; each folder below has more. A name that is "
        "not on these pages is internal, and may change."
    )
    table = ".. list-table::\n   :widths: 40 60\n\n" + indented(rows)
    return "\n".join([heading("API reference"), lead, "", table, "", toctree(map(_page_of, rooms()))])


def _room_page(room: str, names: Iterable[PublicName]) -> str:
    title = FRONT_DOOR if room == PACKAGE else room.removeprefix(f"{PACKAGE}.")
    page = [heading(title), f".. automodule:: {room}\n   :no-members:\n", f".. currentmodule:: {room}\n"]
    own, elsewhere, constants = [], [], []
    for public in names:
        if f"{public.module}.{public.name}" in modules():
            page.append(f"``{public.name}`` is :mod:`{public.module}.{public.name}`.\n")
        elif home_of(public) != public:
            elsewhere.append(f"~{home_of(public).path.removeprefix(f'{room}.')}")
        elif _is_documented_by_python(public):
            own.append(public.name)
        else:
            constants.append(public)
    if own:
        page.append(".. autosummary::\n   :toctree: names\n   :nosignatures:\n\n" + indented(own) + "\n")
    if elsewhere:
        lead = "" if room == PACKAGE else "Also here:\n\n"
        page.append(f"{lead}.. autosummary::\n   :nosignatures:\n\n{indented(elsewhere)}\n")
    page += map(_constant, constants)
    return "\n".join(page)


def _constant(public: PublicName) -> str:
    """A value or a type that is a name only: what is written below it in the source."""
    comments = ModuleAnalyzer.for_module(public.module).find_attr_docs()
    text = comments.get(("", public.name), [])
    return f".. py:data:: {public.name}\n\n{indented(text)}\n"


def _is_documented_by_python(public: PublicName) -> bool:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    body = ast_of(file_of(public.module)).body
    return any(isinstance(node, kinds) and node.name == public.name for node in body)


def _page_of(room: str) -> str:
    return "front_door" if room == PACKAGE else room.removeprefix(f"{PACKAGE}.")


def _first_line(room: str) -> str:
    text = ast.get_docstring(ast_of(file_of(room))) or ""
    return " ".join(text.split("\n\n")[0].split())


def resolve(app: Sphinx, env: Any, node: nodes.Element, content: nodes.TextElement) -> nodes.Element | None:
    """Where a reference to a name of the package leads that was not written with the folder of its page.

    What is public leads to its page, and what is internal is shown as code. What does not exist stays unresolved, which
    is an error.
    """
    if node.get("refdomain") != "py":
        return None
    parts = node["reftarget"].lstrip(".~").split(".")
    objects = env.domains["py"].objects
    for name in _pages_meant(parts, node["reftype"], (node.get("py:class") or "").rpartition(".")[2]):
        if name in objects:
            entry = objects[name]
            return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, content, name)
    return content if _exists(parts) else None


def _pages_meant(parts: list[str], role: str, in_class: str) -> Iterator[str]:
    """Full names of documented things that a reference may mean, likeliest first."""
    *owners, name = parts
    owner = owners[-1] if owners and owners[-1] in members() else in_class if not owners else ""
    of_class, alone = _home_path(owner), _home_path(name)
    member = [f"{of_class}.{name}"] if of_class else []
    thing = [alone] if alone and (not owners or owners[-1] not in members()) else []
    yield from (*member, *thing) if role in ("meth", "attr") or owners else (*thing, *member)
    yield ".".join(parts if parts[0] == PACKAGE else [PACKAGE, *parts])


def _home_path(name: str) -> str | None:
    public = homes().get((definitions().get(name, ""), name))
    return public.path if public else None


def _exists(parts: list[str]) -> bool:
    *_, name = parts
    if parts[0] != PACKAGE and name in dir(builtins):
        return True
    named = any(module == ".".join(parts) or module.endswith("." + ".".join(parts)) for module in modules())
    return named or name in definitions() or any(name in each for each in members().values())


def rooms_table() -> str:
    """The folders with public names as a table in Markdown, for the tour of the rooms."""
    rows = [f"| {{doc}}`{room} <reference/api/{_page_of(room)}>` | {_first_line(room)} |" for room in rooms()]
    return "\n".join(["| folder | is about |", "|---|---|", *rows, ""])


def write(app: Sphinx, config: Config) -> None:
    """Write the pages before the sources are looked for."""
    source = Path(app.srcdir)
    pages = api_pages()
    write_pages(source / "reference" / "api", pages)
    config.autosummary_generate = [f"reference/api/{name}.rst" for name in pages]  # of today, not of the last build
    kept = {f"{public.path}.rst" for public in homes().values()}
    for page in (source / "reference" / "api" / "names").glob("*.rst"):  # by autosummary, which removes none
        if page.name not in kept:
            page.unlink()
    (source / "_generated").mkdir(exist_ok=True)
    (source / "_generated" / "rooms.md").write_text(rooms_table(), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("config-inited", write)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
