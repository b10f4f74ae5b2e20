"""The models that ship with the package: one folder each, with config.json, weights and a model card."""

import os
from pathlib import Path

from .._utils.errors import InputError

FOLDER_VARIABLE = "BRAIN2MUSIC_MODELS"
SHIPPED = Path(__file__).parent


def find(name: str | Path) -> Path:
    """The folder of a model: ``$BRAIN2MUSIC_MODELS/name`` where it exists, else the shipped one, or the folder given.

    Raises
    ------
    InputError : it is none of these.
    """
    for folder in (own_folder(name), SHIPPED / name, Path(name)):
        if folder is not None and (folder / "config.json").is_file():
            return folder
    shipped = sorted(path.parent.name for path in SHIPPED.glob("*/config.json"))
    hint = f"give a model folder{', or one of ' + ', '.join(shipped) if shipped else ' (none ships)'}"
    raise InputError(f"there is no model {str(name)!r}", hint=hint)


def own_folder(name: str | Path) -> Path | None:
    """``$BRAIN2MUSIC_MODELS/name``, there or not; None where the variable is not set."""
    root = os.environ.get(FOLDER_VARIABLE)
    return Path(root) / name if root else None
