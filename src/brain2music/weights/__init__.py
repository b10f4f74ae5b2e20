"""The models that ship with the package: one folder each, with config.json, model.safetensors and a model card."""

from pathlib import Path

from ..errors import InputError


def find(name: str | Path) -> Path:
    """The folder of a model: that of a shipped name, or the given folder itself.

    Raises
    ------
    InputError : it is neither.
    """
    for folder in (Path(__file__).parent / name, Path(name)):
        if (folder / "config.json").is_file():
            return folder
    shipped = sorted(path.parent.name for path in Path(__file__).parent.glob("*/config.json"))
    mend = f"give a model folder{', or one of ' + ', '.join(shipped) if shipped else ' (none ships)'}"
    raise InputError(f"there is no model {str(name)!r}", mend=mend)
