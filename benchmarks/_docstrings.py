"""What public names lack in their documentation: numpydoc's checks, errors that they raise, and examples that run.

    python benchmarks/_docstrings.py [NAME ...]    # brain2music.ridge or brain2music.ridge.ridge_cv; default all

Public names are those in ``__all__`` of the packages. ``tests/docs/test_docstrings.py`` checks them by these functions,
and ``benchmarks/names.py`` counts them.

* A function or class has a summary of one line that is a sentence, and describes every parameter with its type, what is
  returned, and the errors that are raised in its own body (a class: in its constructor).
* A data class describes its fields in a section Attributes, or in Parameters.
* A public method or property has a summary; where it has a section Parameters, that is complete.
* A constant has a string below its assignment, with a summary.
* Examples of all of them import what they use, and at least one of them is run and has an output.
"""

import ast
import dataclasses
import doctest
import importlib
import importlib.util
import inspect
import io
import os
import pkgutil
import re
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, chdir
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any, TypeGuard

import numpy as np
from numpydoc.docscrape import NumpyDocString, get_doc_object
from numpydoc.validate import validate

PACKAGE = "brain2music"
SUMMARY = {"GL08", "SS01", "SS02", "SS03", "SS04", "SS06"}
PARAMETERS = {"PR01", "PR02", "PR03"}
CHECKS = {
    *("GL01", "GL02", "GL03", "GL05", "GL06", "GL07", "GL10", *SUMMARY, "SS05", *PARAMETERS),
    *("PR04", "PR05", "PR06", "PR07", "PR08", "PR09", "PR10", "RT01", "RT02", "RT03", "RT04", "RT05", "YD01"),
    *("SA02", "SA03", "SA04", "EX01"),
}
"""Those of numpydoc's checks that must pass. Not ES01 and SA01: a summary may suffice, and a name may stand alone."""
LEANING = re.compile(r"(:\w+:|As |Like |The same|See |Same )")
"""Beginnings of a summary that is not understood by itself."""
PRINTING: dict[str, Any] = {
    "edgeitems": 3,
    "threshold": 1000,
    "precision": 8,
    "suppress": False,
    "linewidth": 75,
    "floatmode": "maxprec",
    "sign": "-",
    "legacy": False,
}
"""How arrays are printed in examples: numpy's defaults."""


@dataclasses.dataclass(frozen=True)
class PublicName:
    """A name in ``__all__`` of a package, and what it stands for."""

    package: str
    name: str
    value: Any

    @property
    def path(self) -> str:
        """The package and the name."""
        return f"{self.package}.{self.name}"

    @property
    def is_constant(self) -> bool:
        """Whether it is neither a module nor a function or class of the package: an alias of a type is one."""
        if isinstance(self.value, ModuleType):
            return False
        made_here = str(getattr(self.value, "__module__", "")).startswith(PACKAGE)
        return not (made_here and (inspect.isclass(self.value) or inspect.isroutine(self.value)))

    @cached_property
    def docstring(self) -> str:
        """Its docstring, "" where it has none; that of a constant is the string below its assignment."""
        if self.is_constant:
            return _below_assignment(*_origin(self.package, self.name))
        return inspect.cleandoc(self.value.__doc__ or "")


def public_objects(names: Sequence[str] = ()) -> list[PublicName]:
    """The public names of all packages, or of some; a single name is given with its package."""
    import brain2music

    inside = pkgutil.walk_packages(brain2music.__path__, f"{PACKAGE}.")
    packages = [PACKAGE, *(each.name for each in inside if each.ispkg)]
    found = []
    for package in packages:
        wanted = [name for name in names if name == package or name.startswith(f"{package}.")]
        if any(part.startswith("_") for part in package.split(".")) or (names and not wanted):
            continue
        module = importlib.import_module(package)
        for name in sorted(getattr(module, "__all__", ())):
            if not names or package in names or f"{package}.{name}" in names:
                found.append(PublicName(package, name, getattr(module, name)))
    return found


def problems_of(public: PublicName) -> list[str]:
    """What is missing or wrong in the docstring of a public name, one line each; examples are not run."""
    if not public.docstring:
        return ["there is no docstring"]
    summary = public.docstring.split("\n\n")[0]
    found = [f"the summary does not stand alone: {summary!r}"] if LEANING.match(summary) else []
    if public.is_constant or isinstance(public.value, ModuleType):
        found += [] if summary.endswith(".") and "\n" not in summary else ["the summary is not a sentence on one line"]
        return found + ([] if ">>>" in public.docstring else ["there are no examples"])
    parsed = get_doc_object(public.value, config={"show_class_members": False})
    described_by_fields = inspect.isclass(public.value) and _fields(public.value) is not None
    checks = CHECKS - PARAMETERS if described_by_fields else CHECKS
    found += [f"{code} {message}" for code, message in validate(parsed)["errors"] if code in checks]
    found += _missing_errors(public.value, parsed)
    if inspect.isclass(public.value):
        found += [*_missing_fields(public.value, parsed), *_problems_of_methods(public.value)]
    return found


def run_examples(public: PublicName) -> str:
    """Run the examples of a public name in an empty folder; returns what failed, "" if nothing did."""
    source = doctest.DocTestParser().get_doctest(public.docstring, {}, public.path, None, 0)
    if not any(each.want and not each.options.get(doctest.SKIP) for each in source.examples):
        return f"{public.path}: no example is run"
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    said = io.StringIO()
    with ExitStack() as stack:
        stack.enter_context(np.printoptions(**PRINTING))
        stack.enter_context(chdir(stack.enter_context(tempfile.TemporaryDirectory())))
        runner.run(source, out=said.write)
    return said.getvalue()


def _fields(value: type) -> list[str] | None:
    """Fields of a data class, named tuple or model of settings; [] of a protocol; None of other classes."""
    if getattr(value, "_is_protocol", False) or hasattr(value, "model_fields"):
        return []
    if dataclasses.is_dataclass(value):
        return [each.name for each in dataclasses.fields(value) if not each.name.startswith("_")]
    return list(value._fields) if issubclass(value, tuple) and hasattr(value, "_fields") else None


def _missing_fields(value: type, parsed: NumpyDocString) -> Iterator[str]:
    """Fields of a data class that are not described, or lack a type or description."""
    if hasattr(value, "model_fields"):
        yield from (f"setting {name} has no description" for name in _undescribed(value))
    described = {}
    for each in [*parsed["Attributes"], *parsed["Parameters"]]:
        described |= dict.fromkeys(each.name.split(", "), each)
    for name in _fields(value) or []:
        if name not in described:
            yield f"field {name} is not described"
    for name, each in described.items():
        if not each.type or not "".join(each.desc).strip():
            yield f"{name} lacks a type or a description"


def _undescribed(model: Any) -> list[str]:
    """Settings without a description; a section has one of its own."""
    fields = model.model_fields.items()
    return [name for name, each in fields if not each.description and not hasattr(each.annotation, "model_fields")]


def _missing_errors(value: Any, parsed: NumpyDocString) -> list[str]:
    """Errors raised in the body of a function, or in the constructor of a class, that its docstring does not name."""
    described = {word for each in parsed["Raises"] for word in re.findall(r"\w+", f"{each.name} {each.type}")}
    return [f"Raises does not name {name}" for name in sorted(_raised(value) - described)]


def _raised(value: Any) -> set[str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(value)))).body[0]
    except (OSError, TypeError):
        return set()
    if isinstance(tree, ast.ClassDef):
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        bodies = [node for node in functions if node.name in ("__init__", "__post_init__")]
    else:
        bodies = [tree]  # type: ignore[list-item]
    nodes = [node for body in bodies for node in _raises_in(body)]
    called = [node.exc.func if isinstance(node.exc, ast.Call) else node.exc for node in nodes]
    names = {ast.unparse(each).rpartition(".")[2] for each in called if each is not None}
    return {name for name in names if name[:1].isupper()}


def _raises_in(node: ast.AST, caught: frozenset[str] = frozenset()) -> Iterator[ast.Raise]:
    """The raise statements below a node, without those of errors that the same function catches."""
    if isinstance(node, ast.Try):
        handled = {name.id for each in node.handlers if each.type for name in ast.walk(each.type) if _is_name(name)}
        for child in node.body:
            yield from _raises_in(child, caught | handled)
        for other in (*node.handlers, *node.orelse, *node.finalbody):
            yield from _raises_in(other, caught)
    elif isinstance(node, ast.Raise):
        names = {each.id for each in ast.walk(node) if _is_name(each)}
        yield from [] if names & caught else [node]
    else:
        for child in ast.iter_child_nodes(node):
            yield from _raises_in(child, caught)


def _is_name(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name)


def _problems_of_methods(value: type) -> Iterator[str]:
    """Public methods and properties without a summary, or with an incomplete list of parameters."""
    owners = [each for each in value.__mro__ if each.__module__.startswith(PACKAGE)]
    members = {name: member for owner in reversed(owners) for name, member in vars(owner).items()}
    for name, member in members.items():
        function = getattr(member, "__func__", None) or getattr(member, "fget", None) or getattr(member, "func", member)
        if name.startswith("_") or not inspect.isfunction(function):
            continue
        summary = (inspect.getdoc(getattr(value, name)) or "").split("\n\n")[0]
        if not summary.endswith("."):
            yield f"{name}: the summary is missing, or no sentence"
        elif isinstance(member, property):
            continue
        elif get_doc_object(function)["Parameters"]:
            errors = validate(get_doc_object(function))["errors"]
            yield from (f"{name}: {code} {message}" for code, message in errors if code in PARAMETERS)


def _origin(package: str, name: str) -> tuple[str, str]:
    """The module in which a public name is defined, and its name there."""
    file = Path(str(importlib.import_module(package).__file__))
    stub = file.with_suffix(".pyi")
    for node in ast.parse((stub if stub.is_file() else file).read_text(encoding="utf-8")).body:
        for alias in node.names if isinstance(node, ast.ImportFrom) else ():
            if (alias.asname or alias.name) == name:
                module = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
                inside = hasattr(importlib.import_module(module), "__path__")
                return _origin(module, alias.name) if inside else (module, alias.name)
    return package, name


def _below_assignment(module: str, name: str) -> str:
    """The string that follows the assignment of a name at the top level of a module."""
    source = Path(str(importlib.import_module(module).__file__)).read_text(encoding="utf-8")
    for node, after in pairwise(ast.parse(source).body):
        targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
        named = any(isinstance(each, ast.Name) and each.id == name for each in targets)
        if named and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            return inspect.cleandoc(str(after.value.value))
    return ""


def main(names: Sequence[str]) -> int:
    """Print the problems of public names, and the failures of their examples; the status is 1 if there are any."""
    found = public_objects(names)
    bad = 0
    for public in found:
        problems, failures = problems_of(public), run_examples(public)
        bad += bool(problems or failures)
        if problems or failures:
            print(public.path, *problems, *failures.splitlines(), sep="\n    ")
    print(f"{len(found) - bad} of {len(found)} names are documented, and their examples run")
    return int(bad > 0)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main(sys.argv[1:]))
