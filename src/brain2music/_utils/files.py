"""Atomic writing of files, reading with readable errors, and digests.

Files that interrupted writes leave behind (``.part-…``) are distinguished from those being written, on any machine, and
removed by :func:`sweep`.
"""

import errno
import glob
import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InputError
from .locks import hold, is_at, remove_abandoned

if TYPE_CHECKING:
    import pandas

PART = ".part-"
"""The prefix of the names of unfinished files."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; on success fsync it and rename it to ``path``, else remove it.

    The temporary name keeps the suffixes of ``path``, for libraries that choose a format by suffix. They must write to
    the existing file and not replace it.

    Raises
    ------
    InputError
        If the folder cannot be created or written to, there is a folder of that name, or the disk is full, whatever
        error the writing library raises for that.
    """
    path = Path(path)
    suffix = "".join(path.suffixes[-2:])
    temporary = path.parent / f"{PART}{secrets.token_hex(4)}{suffix if len(suffix) < 20 else ''}"
    handle = None
    try:  # named before it is made: an interruption at any moment finds what to remove
        try:
            if path.is_dir():
                raise InputError("there is a folder where a file is to be written", path, "move it elsewhere")
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = _held(temporary)
        except OSError as error:
            raise unwritable(path, error) from None
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except InputError:
        raise
    except Exception as error:
        if not _is_full(temporary, error):
            raise
        raise unwritable(path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))) from error
    finally:
        with suppress(OSError):
            temporary.unlink()
        if handle is not None:
            os.close(handle)


def sweep(folder: Path, *, below: bool = True) -> None:
    """Remove files that interrupted writes left in a folder, and ``below`` it, but none that is being written."""
    for leftover in folder.rglob(f"{PART}*") if below else folder.glob(f"{PART}*"):
        remove_abandoned(leftover)


def _held(temporary: Path) -> int:
    """Create a file and hold it while it is being written; returns the descriptor."""
    while True:
        handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        hold(handle)
        if is_at(temporary, handle):
            return handle
        os.close(handle)  # swept between making and holding


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a hidden folder beside ``path`` that becomes ``path`` on success and is removed otherwise."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError("the output folder is not empty", path, "name a new folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{glob.escape(path.name)}{PART}*"):
        if remove_abandoned(leftover / "held"):
            shutil.rmtree(leftover, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}{PART}", dir=path.parent))
    handle = os.open(temporary / "held", os.O_RDWR | os.O_CREAT)
    hold(handle)
    try:
        root = temporary / path.name
        root.mkdir()
        yield root
        if path.exists():
            path.rmdir()
        root.rename(path)
    finally:
        shutil.rmtree(temporary)
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically; bytes of file names that are not text are escaped ("\\udcff")."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically: sorted keys, two-space indent, numpy scalars and paths accepted, NaN as null."""
    write_text(path, json.dumps(plain(value), indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file; :class:`InputError` if it is missing, unreadable or malformed."""
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise InputError("this is not a file", path, "put a JSON file there")
        return parse_json(path.read_bytes(), path)
    except FileNotFoundError:
        raise InputError("the file is missing", path, "check the path") from None
    except OSError as error:
        raise InputError(f"the file cannot be read ({error.strerror})", path, "check its permissions") from None


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON file that must hold an object; :class:`InputError` if it holds anything else."""
    value = read_json(path)
    if not isinstance(value, dict):
        what = f"this JSON holds a {type(value).__name__}, not an object"
        raise InputError(what, path, "replace the file with a valid JSON object")
    return value


def parse_json(text: str | bytes, file: Path | str, hint: str = "correct or replace the file") -> Any:
    """Parse JSON from ``file`` (UTF-8, with or without byte-order mark); :class:`InputError` if that fails.

    Also for input that ``json`` raises other errors for, such as thousands of nested lists or of digits.
    """
    try:
        return json.loads(text.decode("utf-8-sig") if isinstance(text, bytes) else text)
    except RecursionError:
        raise InputError("this is not valid JSON (it is nested too deeply)", file, hint) from None
    except ValueError as error:  # of the text, of its encoding, of a number
        raise InputError(f"this is not valid JSON ({error})", file, hint) from None


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any] | None = None) -> None:
    """Write named arrays and JSON metadata as one safetensors file, atomically."""
    from safetensors.numpy import save_file

    header = {"json": json.dumps(plain(dict(metadata or {})), sort_keys=True)}
    with atomic_path(path) as temporary:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary, metadata=header)


def read_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read the arrays and metadata of a file that :func:`write_arrays` wrote."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            return arrays, parse_json((file.metadata() or {}).get("json", "{}"), path, "write it again")
    except FileNotFoundError:
        raise InputError("the file is missing", path, "check the path") from None
    except (SafetensorError, OSError) as error:
        raise InputError(f"this is not a readable safetensors file ({error})", path, "write it again") from None


def write_table(path: Path, table: "pandas.DataFrame") -> None:
    """Write a data frame atomically, as Parquet, or as TSV ("n/a" for missing) if the suffix is ``.tsv``."""
    with atomic_path(path) as temporary:
        if path.suffix == ".tsv":
            table.to_csv(temporary, sep="\t", index=False, na_rep="n/a", float_format="%.6g")
        else:
            table.to_parquet(temporary, index=False)


def cache_folder() -> Path:
    """Where what can be made again is kept: ``$XDG_CACHE_HOME/brain2music``, or ``~/.cache/brain2music``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "brain2music"


def digest_file(path: Path) -> str:
    """Compute the sha256 of the bytes of a file, as hex."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_text(text: str) -> str:
    """Compute the sha256 of a text, as hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def digest_array(array: np.ndarray) -> str:
    """Compute the sha256 of the dtype, shape and bytes of an array, as hex."""
    header = f"{array.dtype.str}{array.shape}".encode()
    return hashlib.sha256(header + np.ascontiguousarray(array).tobytes()).hexdigest()


def plain(value: Any) -> Any:
    """Convert a value to JSON types: numpy scalars, arrays, paths and tuples unpacked; NaN and infinities as None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return [plain(item) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _is_full(temporary: Path, error: Exception) -> bool:
    """Whether writing failed because the disk is full, by another write, as libraries raise unspecific errors.

    A write that failed for that reason has taken all the space there was.
    """
    if getattr(error, "errno", None) in _FULL or "No space left" in str(error):
        return True
    try:
        with temporary.open("ab") as file:
            file.write(bytes(1 << 20))
            file.flush()
            os.fsync(file.fileno())
    except OSError as again:
        return again.errno in _FULL
    return False


def reserve(handle: int, size: int) -> None:
    """Give an open file its size and the room on the disk for it; OSError where there is not that much.

    File systems that reserve nothing only set the size.
    """
    if hasattr(os, "posix_fallocate") and size:
        try:
            os.posix_fallocate(handle, 0, size)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise
    os.ftruncate(handle, size)


def unwritable(path: Path, error: OSError) -> InputError:
    """The error of a file that cannot be written: no room left, or whatever the system says."""
    if error.errno in _FULL:
        return InputError("there is no room left to write this", path, "make room on the disk, or name another folder")
    what = f"this cannot be written ({error.strerror or error})"
    return InputError(what, path, "name another folder, or change its permissions")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
