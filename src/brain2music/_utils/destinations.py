"""Checks, before any work, of the paths to which a command writes: no inputs, and no files of other origin."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .errors import InputError
from .files import digest_file, parse_json, read_json, read_object

_MAKER = "brain2music"


def require_output(
    path: str | Path,
    inputs: Iterable[str | Path] = (),
    suffixes: Sequence[str] = (),
    beside: Iterable[str | Path] = (),
    overwrite: bool = False,
) -> Path:
    """Return the path that a command will write, or raise if it may not write there.

    Files of this package identify themselves: by the tag *software* of a sound file (of mp3 *album*), ``generated_by``
    in JSON and safetensors, the metadata of Parquet files and codes, or a JSON beside the file that lists it among its
    outputs. Other files are overwritten only with ``overwrite``.

    Parameters
    ----------
    path : str or Path
    inputs : iterable of str or Path
        Files that the command reads; never overwritten, by whatever name or link.
    suffixes : sequence of str
        Suffixes that can be written, such as ``(".wav", ".flac")``; empty for any.
    beside : iterable of str or Path
        Further files that are written with it, such as a JSON of its origin.
    overwrite : bool
        Whether to overwrite files of other origin.

    Raises
    ------
    InputError
        If the suffix cannot be written, the path is a folder, an input or a file of other origin, or its folder is not
        writable.
    """
    path = Path(path)
    if suffixes and path.suffix.lower() not in suffixes:
        kind = repr(path.suffix) if path.suffix else "files without a suffix"
        raise InputError(f"cannot write {kind}", path, f"use {', '.join(suffixes)}")
    read = [Path(each) for each in inputs]
    for each in (path, *map(Path, beside)):
        _require_free(each, read, overwrite)
        _require_writable(each)
    return path


def require_folder(folder: str | Path) -> Path:
    """Return the folder that a command will write files into, or raise if it cannot.

    Parameters
    ----------
    folder : str or Path
        It need not exist yet.

    Raises
    ------
    InputError
        It is a file, or cannot be written to.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError("the output is a file", folder, "name a folder")
    _require_writable(folder / "file")
    return folder


def is_ours(path: Path) -> bool:
    """Whether a file identifies itself as made by this package."""
    for is_marked in (_has_tag, _listed_beside):
        try:
            if is_marked(path):
                return True
        except Exception:
            continue
    return False


def _require_free(path: Path, inputs: list[Path], overwrite: bool) -> None:
    if path.is_dir():
        raise InputError("the output is a folder", path, "name a file")
    if path.exists() and not path.is_file():
        raise InputError("the output is a device or a pipe", path, "name a file")
    if any(_same(path, each) for each in inputs):
        raise InputError("the output is an input too, and inputs are never written over", path, "name another file")
    if os.path.lexists(path) and not overwrite and not is_ours(path):
        raise InputError(
            "there is a file that brain2music did not make", path, "name another, or add --overwrite to replace it"
        )


def _same(path: Path, other: Path) -> bool:
    """Whether two paths are one file, also by links."""
    if path.exists() and other.exists():
        return path.samefile(other)
    return os.path.realpath(path) == os.path.realpath(other)


def _require_writable(path: Path) -> None:
    folder = path.absolute().parent
    while not os.path.lexists(folder):
        folder = folder.parent
    if not folder.is_dir():
        raise InputError("this is a file, not a folder to write into", folder, "name another folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError("the folder cannot be written to", folder, "name another, or change its permissions")


def _has_tag(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix == ".json":
        return _made(read_object(path).get("generated_by"))
    if suffix == ".safetensors":
        return _tensors_are_ours(path)
    if suffix == ".parquet":
        import pyarrow.parquet as parquet

        return any(key.decode().startswith(_MAKER) for key in parquet.read_schema(path).metadata or {})
    import soundfile

    with soundfile.SoundFile(path) as file:
        return _made(file.software) or _made(file.album)


def _tensors_are_ours(path: Path) -> bool:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
        names = set(file.keys())
    codes = names == {"values"} and {"codec", "samples"} <= set(metadata)
    return codes or _made(metadata.get("generated_by")) or isinstance(parse_json(metadata["json"], path), dict)


def _listed_beside(path: Path) -> bool:
    """Whether the sidecar of a step, or the JSON beside a sound, lists the file."""
    sidecar = path.with_suffix(".json")
    if sidecar == path or not sidecar.is_file():
        return False
    described = read_json(sidecar)
    return _made(described.get("generated_by")) and described["outputs"].get(path.name) == digest_file(path)


def _made(maker: Any) -> bool:
    return isinstance(maker, str) and maker.startswith(_MAKER)
