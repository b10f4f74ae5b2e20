"""Models that ship with the package: one folder per model, with config.json, weights and a model card."""

import json
import os
from collections.abc import Collection
from pathlib import Path

from .._utils.errors import InputError

FOLDER_VARIABLE = "BRAIN2MUSIC_MODELS"
SHIPPED = Path(__file__).parent


def find(name: str | Path, kinds: Collection[str] = ()) -> Path:
    """Find the folder of a model.

    Parameters
    ----------
    name : str or Path
        Name of a folder in ``$BRAIN2MUSIC_MODELS``, name of a shipped model, or a path.
    kinds : collection of str, optional
        Kinds of models that the error names, as in ``config.json``; default all.

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
    known = [model for model, kind in local_models().items() if not kinds or kind in kinds]
    hint = f"give a model folder{', or one of ' + ', '.join(known) if known else ' (none is here)'}"
    raise InputError(f"there is no model {str(name)!r}", hint=hint)


def local_models() -> dict[str, str]:
    """The models that :func:`find` knows by name, sorted, and what their ``config.json`` says they are."""
    own = os.environ.get(FOLDER_VARIABLE)
    files = [file for root in (SHIPPED, *([Path(own)] if own else [])) for file in root.glob("*/config.json")]
    return {file.parent.name: _model_of(file) for file in sorted(files, key=lambda file: file.parent.name)}


def _model_of(file: Path) -> str:
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(config.get("model", "")) if isinstance(config, dict) else ""


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
