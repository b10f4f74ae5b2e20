"""Reading of arrays from .npy, .mat and .safetensors files; nothing that could run code is ever loaded."""

import os
import re
from pathlib import Path

import numpy as np

from .._utils.errors import InputError
from .._utils.files import read_arrays


def resolve(text: str, base: Path) -> Path:
    """Resolve a path relative to the folder of the file ``base``, with ``~`` and ``${VARIABLE}`` expanded.

    Raises
    ------
    InputError
        If a variable is not set.
    """
    for name in re.findall(r"\$\{(\w+)\}", text):
        if name not in os.environ:
            raise InputError(f"the environment variable {name} is not set", base, f"export {name}=FOLDER first")
        text = text.replace(f"${{{name}}}", os.environ[name])
    return (base.parent / Path(text).expanduser()).resolve()


def read_array(path: Path, variable: str | None = None) -> np.ndarray:
    """Read one array; ``variable`` selects it in .mat files (up to version 7.2) and .safetensors files of several.

    A .npy file is memory-mapped.

    Raises
    ------
    InputError
        If the file is missing, unreadable, of another type, or lacks the variable.
    """
    if not path.is_file():
        raise InputError("the array is missing", path, "check the path in the arrays file")
    if path.suffix == ".npy":
        return _read_npy(path)
    if path.suffix == ".mat":
        named = _read_mat(path)
    elif path.suffix == ".safetensors":
        named = read_arrays(path)[0]
    else:
        raise InputError(f"{path.suffix or 'this'} is not a supported type of array file", path, "save it as .npy")
    if variable is None and len(named) == 1:
        return next(iter(named.values()))
    if variable not in named:
        raise InputError(f"there is no variable {variable!r}", path, f"choose among {', '.join(sorted(named))}")
    return named[variable]


def _read_npy(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"this is not a readable array ({error})", path, "save it as plain numbers") from None


def _read_mat(path: Path) -> dict[str, np.ndarray]:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        named = loadmat(path)
    except NotImplementedError:
        raise InputError("this is a MATLAB 7.3 file", path, "save it with -v7") from None
    except (MatReadError, ValueError, OSError, TypeError) as error:
        raise InputError(f"this is not a readable .mat file ({error})", path, "save it again") from None
    return {name: array for name, array in named.items() if not name.startswith("__")}
