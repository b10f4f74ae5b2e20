"""Expansion of a list of files and folders to the sound files that it contains, each once."""

import os
from collections.abc import Sequence
from pathlib import Path

from .._utils.errors import InputError
from ..audio.find import FolderScan, scan_folder
from ..audio.paths import as_path

REPEATED = "named before"


def list_files(paths: Sequence[str | Path]) -> FolderScan:
    """List the given files and those in the given folders, in this order, each under the name that it has first.

    Missing files are listed too, so that reading them raises. Everything that is left out has a reason, also a folder
    without sound files.

    Raises
    ------
    InputError
        If there is nothing to read.
    """
    files, passed_over, error = dict[str, Path](), list[tuple[Path, str]](), None
    for path in map(as_path, paths):
        try:
            found = scan_folder(path) if path.is_dir() else FolderScan([path])
        except InputError as problem:
            error = error or problem
            passed_over.append((path, problem.what))
            continue
        passed_over += found.passed_over
        for file in found.files:
            place = os.path.join(os.path.realpath(file.parent), file.name)
            if files.setdefault(place, file) is not file:
                passed_over.append((file, REPEATED))
    if error is not None and not files:
        raise error
    return FolderScan(list(files.values()), passed_over)
