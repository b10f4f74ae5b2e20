"""Which sound files a list of files and folders means: each once, however often and by whatever way it is named."""

import os
from collections.abc import Sequence
from pathlib import Path

from .._utils.errors import InputError
from ..audio.find import Found, search_audio
from ..audio.paths import as_path

TWICE = "named before"


def list_files(paths: Sequence[str | Path]) -> Found:
    """The files that are named and those in the folders that are, in this order, under the names they first have.

    Files that are not there are listed too: whoever reads them finds that out. What was passed over has its reason;
    so has a folder without sound files.

    Raises
    ------
    InputError : nothing is left to read.
    """
    files, passed_over, error = dict[str, Path](), list[tuple[Path, str]](), None
    for path in map(as_path, paths):
        try:
            found = search_audio(path) if path.is_dir() else Found([path])
        except InputError as at_fault:
            error = error or at_fault
            passed_over.append((path, at_fault.what))
            continue
        passed_over += found.passed_over
        for file in found.files:
            place = os.path.join(os.path.realpath(file.parent), file.name)
            if files.setdefault(place, file) is not file:
                passed_over.append((file, TWICE))
    if error is not None and not files:
        raise error
    return Found(list(files.values()), passed_over)
