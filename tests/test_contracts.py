"""What the parts of the repository may import of the package; import-linter holds the layers of the package itself."""

import ast
import importlib
import importlib.util
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PACKAGE = "brain2music"
USERS = [path for folder in ("examples", "benchmarks", "recipes") for path in sorted((ROOT / folder).rglob("*.py"))]
SOURCES = sorted((ROOT / "src" / PACKAGE).rglob("*.py"))
SHARED = "_utils"
"""The private folder that the whole package uses."""


def imported(path: Path) -> Iterator[tuple[str, ...]]:
    """Every name of the package that a file imports, in parts: ``("ridge", "_plan", "plan")``."""
    package = path.relative_to(ROOT / "src").parent.parts if path.is_relative_to(ROOT / "src") else ()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = (*above, *(node.module or "").split(".")) if node.module else above
            names = [(*module, alias.name) for alias in node.names]
        else:
            continue
        yield from (name[1:] for name in names if name[0] == PACKAGE)


def is_private(part: str) -> bool:
    return part.startswith("_") and not part.startswith("__")


@pytest.mark.parametrize("path", USERS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_examples_benchmarks_and_recipes_use_public_names(path: Path) -> None:
    assert [".".join(name) for name in imported(path) if any(map(is_private, name))] == []


@pytest.mark.parametrize("path", USERS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_examples_benchmarks_and_recipes_import_exists(path: Path) -> None:
    """They are not run by tests, and would not notice that a name has changed."""
    assert [".".join(name) for name in imported(path) if not exists((PACKAGE, *name))] == []


def exists(name: tuple[str, ...]) -> bool:
    """Whether a module has a name, or a package a module of that name."""
    with suppress(ModuleNotFoundError):
        if name[1:] and hasattr(importlib.import_module(".".join(name[:-1])), name[-1]):
            return True
        return importlib.util.find_spec(".".join(name)) is not None
    return False


def test_private_modules_and_names_are_imported_in_their_own_folder_only() -> None:
    """``ridge/_plan.py`` is for ``ridge``; and ``_utils`` for all."""
    found = []
    for path in SOURCES:
        own = path.relative_to(ROOT / "src" / PACKAGE).parent.parts
        for name in imported(path):
            private = next((place for place, part in enumerate(name) if is_private(part)), None)
            if private is not None and name[:1] != (SHARED,) and own[:private] != name[:private]:
                found.append(f"{path.relative_to(ROOT)}: {'.'.join(name)}")
    assert found == []


def test_only_tests_of_a_folder_import_its_private_modules() -> None:
    found = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        own = path.relative_to(ROOT / "tests").parent.parts
        for name in imported(path):
            private = next((place for place, part in enumerate(name[:-1]) if is_private(part)), None)
            if private is not None and name[:1] != (SHARED,) and own[:private] != name[:private]:
                found.append(f"{path.relative_to(ROOT)}: {'.'.join(name)}")
    assert found == []


def test_imports_are_found_however_they_are_written(tmp_path: Path) -> None:
    file = tmp_path / "file.py"
    lines = ("import brain2music.ridge._plan", "from brain2music import _utils", "import numpy", "from . import here")
    file.write_text("\n".join(lines))
    assert list(imported(file)) == [("ridge", "_plan"), ("_utils",)]
    relative = set(imported(ROOT / "src" / PACKAGE / "ridge" / "_ridge_cv.py"))
    assert any(name[:1] == ("ridge",) and name[1].startswith("_") for name in relative)


def test_the_oldest_versions_that_are_tested_are_the_lower_bounds_of_the_extra() -> None:
    admitted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["hub"]
    bounds = {name: Version(bound) for name, bound in (each.split(">=") for each in admitted)}
    (line,) = (line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("OLDEST :="))
    tested = {name: Version(pin) for name, pin in (each.split("==") for each in line.partition(":=")[2].split())}
    assert tested == bounds
