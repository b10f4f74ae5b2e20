"""Stage outputs on disk: atomic writes, digests, and the provenance sidecar beside every output.

A stage is skipped when the sidecar beside its outputs records the same inputs, settings and code version, and
every output still has the digest that was recorded. Inputs are only ever read.
"""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import __version__
from .errors import InputError

if TYPE_CHECKING:
    import pandas


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; on success fsync it and rename it to ``path``, else remove it.

    The temporary name keeps the suffixes of ``path``, so libraries that choose a format by suffix are content.

    Raises
    ------
    InputError : the folder cannot be made or written to, or the disk is full, whatever the library that was writing
        makes of that.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".part-", suffix=path.name, dir=path.parent)
    except OSError as error:
        raise _unwritable(path, error) from None
    os.close(handle)
    temporary = Path(name)
    try:
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
        raise _unwritable(path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a hidden folder beside ``path`` that takes its place on success and is removed otherwise."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError("the output folder is not empty", path, "name a new folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.part-", dir=path.parent))
    try:
        root = temporary / path.name
        root.mkdir()
        yield root
        if path.exists():
            path.rmdir()
        root.rename(path)
    finally:
        shutil.rmtree(temporary)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically: sorted keys, two-space indent, numpy scalars and paths accepted, NaN as null."""
    write_text(path, json.dumps(_plain(value), indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file; :class:`InputError` names the file when it is missing or malformed."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("the file is missing", path, "check the path") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"this is not valid JSON ({error})", path, "correct or replace the file") from None


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any] | None = None) -> None:
    """Write named arrays and JSON metadata as one safetensors file, atomically."""
    from safetensors.numpy import save_file

    header = {"json": json.dumps(_plain(dict(metadata or {})), sort_keys=True)}
    with atomic_path(path) as temporary:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary, metadata=header)


def read_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what :func:`write_arrays` wrote: the arrays and the metadata."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            return arrays, json.loads((file.metadata() or {}).get("json", "{}"))
    except FileNotFoundError:
        raise InputError("the file is missing", path, "check the path") from None
    except (SafetensorError, OSError, json.JSONDecodeError) as error:
        raise InputError(f"this is not a readable safetensors file ({error})", path, "write it again") from None


def write_table(path: Path, table: "pandas.DataFrame") -> None:
    """Write a data frame atomically, as Parquet or, where the name ends so, as TSV ("n/a" for missing)."""
    with atomic_path(path) as temporary:
        if path.suffix == ".tsv":
            table.to_csv(temporary, sep="\t", index=False, na_rep="n/a", float_format="%.6g")
        else:
            table.to_parquet(temporary, index=False)


def digest_file(path: Path) -> str:
    """sha256 of a file's bytes, as hex."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_text(text: str) -> str:
    """sha256 of a text, as hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def digest_array(array: np.ndarray) -> str:
    """sha256 over dtype, shape and bytes, as hex."""
    header = f"{array.dtype.str}{array.shape}".encode()
    return hashlib.sha256(header + np.ascontiguousarray(array).tobytes()).hexdigest()


def stage(
    outputs: Sequence[Path],
    make: Callable[[], Sequence[Path] | None],
    inputs: Mapping[str, str],
    settings: Mapping[str, Any],
    sidecar: Path | None = None,
) -> bool:
    """Run ``make`` unless its outputs are already here from the same inputs and settings; True if it ran.

    Parameters
    ----------
    outputs : files that ``make`` writes, each atomically, all in one folder.
    make : writes them; it may return further files of that folder that it wrote, which are then outputs too.
    inputs : name -> digest of everything read.
    settings : whatever changes the result.
    sidecar : the provenance file; default the first output with ``.json`` for its suffix.
    """
    sidecar = sidecar or _sidecar_of(outputs[0])
    wanted = _plain({"version": __version__, "inputs": dict(inputs), "settings": dict(settings)})
    if _is_current(sidecar, wanted, outputs):
        return False
    sidecar.unlink(missing_ok=True)
    written = make() or ()
    digests = {path.name: digest_file(path) for path in (*outputs, *written)}
    write_json(sidecar, {**wanted, "outputs": digests, "generated_by": f"brain2music {__version__}"})
    return True


def _sidecar_of(path: Path) -> Path:
    stem = path.name.removesuffix(".gz")
    return path.with_name(stem.rsplit(".", 1)[0] + ".json")


def _is_current(sidecar: Path, wanted: dict[str, Any], outputs: Sequence[Path]) -> bool:
    if not sidecar.is_file() or not all(path.is_file() for path in outputs):
        return False
    found = read_json(sidecar)
    same = all(found.get(key) == value for key, value in wanted.items())
    digests: dict[str, str] = found.get("outputs") or {}
    paths = {name: sidecar.parent / name for name in digests}
    whole = all(path.is_file() and digest_file(path) == digests[name] for name, path in paths.items())
    return same and whole and {path.name for path in outputs} <= set(digests)


def _plain(value: Any) -> Any:
    """The value as JSON types: numpy scalars, arrays, paths and tuples unpacked; NaN and infinities as None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return [_plain(item) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _is_full(temporary: Path, error: Exception) -> bool:
    """Whether writing failed for want of room: libraries say "system error", and the like, so a further write is tried.

    A write that failed for that has taken all the room there was.
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


def _unwritable(path: Path, error: OSError) -> InputError:
    if error.errno in _FULL:
        return InputError("there is no room left to write this", path, "make room on the disk, or name another folder")
    what = f"this cannot be written ({error.strerror or error})"
    return InputError(what, path, "name another folder, or change its permissions")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
