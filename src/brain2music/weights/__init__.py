"""Models that ship with the package: one folder per model, with config.json, weights and a model card."""

import os
from pathlib import Path

from .._utils.errors import InputError

FOLDER_VARIABLE = "BRAIN2MUSIC_MODELS"
SHIPPED = Path(__file__).parent


def find(name: str | Path) -> Path:
    """Find the folder of a model.

    Parameters
    ----------
    name : str or Path
        Name of a folder in ``$BRAIN2MUSIC_MODELS``, name of a shipped model, or a path.

    Returns
    -------
    Path
        The first of these that is the folder of a model, with ``config.json``.

    Raises
    ------
    InputError
        None of these is a model.

    Examples
    --------
    >>> from brain2music.weights import find
    >>> find("soundstream-small").name
    'soundstream-small'
    """
    for folder in (local_folder(name), SHIPPED / name, Path(name)):
        if folder is not None and (folder / "config.json").is_file():
            return folder
    shipped = sorted(path.parent.name for path in SHIPPED.glob("*/config.json"))
    hint = f"give a model folder{', or one of ' + ', '.join(shipped) if shipped else ' (none ships)'}"
    raise InputError(f"there is no model {str(name)!r}", hint=hint)


def local_folder(name: str | Path) -> Path | None:
    """Return the path ``$BRAIN2MUSIC_MODELS/name``, whether it exists or not.

    Parameters
    ----------
    name : str or Path
        Name of the folder.

    Returns
    -------
    Path or None
        The path; None where the variable is not set.
    """
    root = os.environ.get(FOLDER_VARIABLE)
    return Path(root) / name if root else None
