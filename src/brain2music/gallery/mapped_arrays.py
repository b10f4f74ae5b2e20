"""Memory maps of arrays in safetensors files, for reading and writing.

The format is eight bytes for the length of the header, the header as JSON, then the arrays as raw bytes.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .._utils.errors import InputError
from .._utils.files import parse_json

_TYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2")}


def map_arrays(file: Path) -> dict[str, np.ndarray]:
    """Map the float32 or float16 arrays of a safetensors file into memory, read-only."""
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header: dict[str, Any] = parse_json(stream.read(length), file)
        return dict(_mapped(file, header, 8 + length, "r"))
    except (OSError, ValueError, KeyError, OverflowError, MemoryError) as error:
        raise InputError(f"the vectors cannot be read ({error})", file, "build the gallery again") from None


def create_arrays(file: Path, arrays: Mapping[str, tuple[tuple[int, ...], type]]) -> dict[str, np.memmap]:
    """Create a safetensors file of zeros from the shape and type of each array, as writable memory maps."""
    header: dict[str, Any] = {}
    end = 0
    for name, (shape, dtype) in arrays.items():
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        kind = next(kind for kind, known in _TYPES.items() if known == dtype)
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with file.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        stream.truncate(8 + len(text) + end)
    return _mapped(file, header, 8 + len(text), "r+")


def _mapped(file: Path, header: dict[str, Any], first: int, mode: Literal["r", "r+"]) -> dict[str, np.memmap]:
    maps: dict[str, np.memmap] = {}
    for name, entry in header.items():
        if name != "__metadata__":
            dtype, begin = _TYPES[entry["dtype"]], first + entry["data_offsets"][0]
            maps[name] = np.memmap(file, dtype=dtype, mode=mode, offset=begin, shape=tuple(entry["shape"]))
    return maps
