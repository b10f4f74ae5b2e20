"""The public names of the package, read from its sources, and the one page that each of them has.

A name may be listed by several folders: ``Decoder`` by the front door and by ``brain2music.decoding``. Its page is with
the folder that defines it. Functions and classes occur in one file only, so the last part of a reference is enough to
find what it means.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PACKAGE = "brain2music"
SOURCES = Path(__file__).parents[2] / "src" / PACKAGE


@dataclass(frozen=True)
class PublicName:
    """A name in ``__all__`` of a folder (``room``), and the module in which it is defined."""

    room: str
    name: str
    module: str

    @property
    def path(self) -> str:
        """The name with its folder."""
        return f"{self.room}.{self.name}"


@cache
def rooms() -> dict[str, tuple[PublicName, ...]]:
    """The public names of every folder that has any, the front door first, else by alphabet."""
    listed = {_module_of(file): _listed(file) for file in sorted(SOURCES.rglob("__init__.py"))}
    found: dict[str, tuple[PublicName, ...]] = {}
    for room, names in listed.items():
        if names and "._" not in room:
            found[room] = tuple(PublicName(room, name, _defining(room, name, listed)) for name in sorted(names))
    return found


@cache
def homes() -> dict[tuple[str, str], PublicName]:
    """For every public thing, by its module and name, the folder that has its page: the innermost that defines it."""
    places: dict[tuple[str, str], list[PublicName]] = {}
    for names in rooms().values():
        for public in names:
            places.setdefault((public.module, public.name), []).append(public)
    return {thing: max(listed, key=_closeness) for thing, listed in places.items()}


def home_of(public: PublicName) -> PublicName:
    """The public name by which a thing has its page."""
    return homes()[public.module, public.name]


@cache
def definitions() -> dict[str, str]:
    """The module of every name that is defined at the top level of one; of several, the one whose name is public."""
    found: dict[str, str] = {}
    for file in sorted(SOURCES.rglob("*.py")):
        module = _module_of(file)
        found |= {n: module for n in _defined(ast_of(file).body) if n not in found or (module, n) in homes()}
    return found


@cache
def members() -> dict[str, frozenset[str]]:
    """The methods, properties and fields of every class, by the name of the class."""
    return {
        node.name: frozenset(_defined(node.body))
        for file in sorted(SOURCES.rglob("*.py"))
        for node in ast_of(file).body
        if isinstance(node, ast.ClassDef)
    }


@cache
def modules() -> frozenset[str]:
    """Every module of the package, folders included."""
    return frozenset(map(_module_of, SOURCES.rglob("*.py")))


def linked_types() -> dict[str, str]:
    """Words in the types of docstrings that become links: the public classes."""
    return {
        name: public.path
        for (module, name), public in homes().items()
        if any(isinstance(node, ast.ClassDef) and node.name == name for node in ast_of(file_of(module)).body)
    }


@cache
def ast_of(file: Path) -> ast.Module:
    """A source file, parsed."""
    return ast.parse(file.read_text(encoding="utf-8"))


def file_of(module: str) -> Path:
    """The source file of a module of the package."""
    path = SOURCES.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _module_of(file: Path) -> str:
    parts = file.relative_to(SOURCES.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _closeness(public: PublicName) -> tuple[bool, int]:
    within = public.module.startswith(f"{public.room}.") and public.room != PACKAGE
    return within, public.room.count(".")


def _listed(file: Path) -> dict[str, str]:
    """The names in ``__all__`` of a folder, or those of the stub from which it is made, and where each comes from."""
    stub = file.with_suffix(".pyi")
    body, room = ast_of(stub if stub.is_file() else file).body, _module_of(file)
    imported = {
        alias.asname or alias.name: _source(room, node, alias.name)
        for node in body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    if stub.is_file():
        return imported
    for node in body:
        if isinstance(node, ast.Assign) and any(
            isinstance(each, ast.Name) and each.id == "__all__" for each in node.targets
        ):
            return {name: imported.get(name, room) for name in ast.literal_eval(node.value)}
    return {}


def _source(room: str, node: ast.ImportFrom, name: str) -> str:
    above = room.split(".")[: len(room.split(".")) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])


def _defining(room: str, name: str, listed: dict[str, dict[str, str]]) -> str:
    """The module of a name, followed through the folders that only pass it on."""
    source = listed[room][name]
    while source != room and name in listed.get(source, {}) and listed[source][name] != source:
        source = listed[source][name]
    return source


def _defined(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        elif isinstance(node, ast.Assign):
            yield from (each.id for each in node.targets if isinstance(each, ast.Name))
        elif isinstance(node, ast.If | ast.Try):
            yield from _defined(node.body)
