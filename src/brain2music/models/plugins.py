"""Import of the modules in which users register models of their own (:mod:`brain2music.models.registration`).

Modules are named in the environment variable :data:`VARIABLE`, several joined as in ``PATH``: by their import name, or
by the path of a ``.py`` file. Installed packages declare theirs as entry points of the group :data:`ENTRY_POINTS`. The
registries import them once, before they look for a name, so that commands and worker processes find the models.
"""

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Collection
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Literal

from .._utils.errors import InputError
from .._utils.files import digest_text
from ..weights import find

VARIABLE = "BRAIN2MUSIC_PLUGINS"
ENTRY_POINTS = "brain2music.models"
_begun = set[str]()
"""Modules that were imported, or are being imported and ask for models themselves."""


def load_plugins() -> None:
    """Import all modules of users, each once per process.

    Raises
    ------
    InputError : a module is missing, or raises an error while it is imported.
    """
    for name in filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)):
        path = Path(name).expanduser()
        is_file = path.suffix == ".py"
        if is_file and not path.is_file():
            raise InputError("there is no such module of models", path, f"correct ${VARIABLE}")
        load = partial(_run_file, path.resolve()) if is_file else partial(importlib.import_module, name)
        _load_once(name, load, f"correct it, or ${VARIABLE}")
    if ENTRY_POINTS not in _begun:
        _begun.add(ENTRY_POINTS)
        for point in entry_points(group=ENTRY_POINTS):
            _load_once(point.value, point.load, "correct the package that declares it, or uninstall it")


def find_model(name: str | Path, kind: Literal["codec", "generator"], kinds: Collection[str]) -> Path:
    """The folder of a model that is not registered; the error names those of these kinds, and how others are."""
    try:
        return find(name, kinds)
    except InputError as problem:
        raise InputError(f"there is no {kind} {str(name)!r}", hint=f"{problem.hint}; {how_to_register(kind)}") from None


def how_to_register(kind: Literal["embedder", "codec", "generator"]) -> str:
    """Where a model of the user's own is looked for, in words."""
    return f"or name the module that calls register_{kind} in ${VARIABLE}"


def _load_once(name: str, load: Callable[[], object], hint: str) -> None:
    if name in _begun:
        return
    _begun.add(name)
    try:
        load()
    except BaseException as error:
        _begun.discard(name)
        if isinstance(error, InputError) or not isinstance(error, Exception):
            raise
        what = f"the module of models {name!r} cannot be imported ({type(error).__name__}: {error})"
        raise InputError(what, hint=hint) from error


def _run_file(path: Path) -> None:
    """Import a file as a module of its own name, which cannot hide another module."""
    module_name = f"brain2music_plugin_{path.stem}_{digest_text(str(path))[:8]}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_name]
        raise
