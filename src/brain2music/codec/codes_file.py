"""Codes on disk: one safetensors file that is written and read piece by piece, so that length costs no memory.

The file holds ``values`` (frames, width) and, as metadata, the codec's name and the number of samples. Its header
gets a fixed room, filled with spaces as the format allows, because the number of frames is known only at the end.
"""

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Shaped

from ..artifacts import atomic_path
from ..errors import InputError
from .codes import Codes

_ROOM = 4096
_DTYPES = {"int16": "I16", "float16": "F16", "uint8": "U8"}


def write_codes(path: Path, codes: Codes) -> None:
    """Write codes that are at hand as a whole."""
    with codes_writer(path, codes.codec) as writer:
        writer.append(codes.values)
        writer.samples = codes.samples


@contextmanager
def codes_writer(path: Path, codec: str) -> Iterator["CodesWriter"]:
    """A writer whose file appears, atomically, when the block ends without an error."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        writer = CodesWriter(file, codec)
        yield writer
        writer.finish()


class CodesWriter:
    """Appends frames; set ``samples`` before the end."""

    def __init__(self, file: BinaryIO, codec: str) -> None:
        self.file, self.codec, self.samples = file, codec, 0
        self.frames, self.width, self.dtype = 0, 0, "uint8"
        file.write(bytes(8 + _ROOM))

    def append(self, values: Shaped[np.ndarray, "frames width"]) -> None:
        """Add frames, all of one width and of one dtype: int16, float16 or uint8."""
        if self.frames and (values.shape[1], values.dtype.name) != (self.width, self.dtype):
            raise ValueError("frames of one file have one width and one dtype")
        self.width, self.dtype = values.shape[1], values.dtype.name
        self.frames += len(values)
        self.file.write(np.ascontiguousarray(values).tobytes())

    def finish(self) -> None:
        """Fill in the header."""
        size = self.frames * self.width * np.dtype(self.dtype).itemsize
        header = {
            "__metadata__": {"codec": self.codec, "samples": str(self.samples)},
            "values": {"dtype": _DTYPES[self.dtype], "shape": [self.frames, self.width], "data_offsets": [0, size]},
        }
        self.file.seek(0)
        self.file.write(struct.pack("<Q", _ROOM) + json.dumps(header).encode().ljust(_ROOM))


class CodesFile:
    """A file of codes, read piece by piece.

    Attributes
    ----------
    codec : name of the codec. samples : of sound in each channel. frames : of codes.

    Raises
    ------
    InputError : the file is missing, damaged, or holds something else.
    """

    def __init__(self, path: Path) -> None:
        from safetensors import SafetensorError, safe_open

        if not Path(path).is_file():
            raise InputError("the file of codes is missing", path, "check the path")
        try:
            self._file = safe_open(path, framework="numpy")
            self._values: Any = self._file.get_slice("values")
            metadata = self._file.metadata() or {}
            self.codec, self.samples = metadata["codec"], int(metadata["samples"])
            self.frames, self.width = self._values.get_shape()
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise InputError(f"this is not a file of codes ({error})", path, "encode the sound again") from None

    def pieces(self, frames: int) -> Iterator[Shaped[np.ndarray, "frames width"]]:
        """The codes in pieces of at most ``frames`` frames."""
        for first in range(0, self.frames, frames):
            yield self._values[first : min(first + frames, self.frames)]

    def read(self) -> Codes:
        """All of it."""
        return Codes(self.codec, self._values[:], self.samples)
