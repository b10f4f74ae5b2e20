"""Codes on disk: one safetensors file that is written and read in pieces, in constant memory.

The file holds ``values`` (frames, width), ``levels`` where the loudness is known (:mod:`.loudness`) and, as metadata,
the name of the codec, the digest of its weights, the number of samples, and the version that wrote it. The header has a
fixed size and is filled up with spaces, as the format allows, because the number of frames is known only at the end.
Older files without loudness and digests can be read too.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Shaped, UInt8

from ... import __version__
from ..._utils.errors import InputError
from ..._utils.files import atomic_path
from .codes import Codes

_HEADER_SIZE = 4096
_DTYPES = {"int16": "I16", "float16": "F16", "uint8": "U8"}


def write_codes(path: Path, codes: Codes, origin: Mapping[str, str] | None = None) -> None:
    """Write codes to a file at once."""
    with codes_writer(path, codes.codec, origin) as writer:
        writer.append(codes.values)
        writer.samples, writer.loudness = codes.samples, codes.loudness


@contextmanager
def codes_writer(path: Path, codec: str, origin: Mapping[str, str] | None = None) -> Iterator["CodesWriter"]:
    """Open a writer whose file appears atomically when the block ends without an error; ``origin`` is its metadata."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        writer = CodesWriter(file, codec, origin or {})
        yield writer
        writer.finish()


class CodesWriter:
    """Writer of frames; set ``samples``, and ``loudness`` where it is known, before the end."""

    def __init__(self, file: BinaryIO, codec: str, origin: Mapping[str, str]) -> None:
        self.file, self.codec, self.origin, self.samples = file, codec, origin, 0
        self.loudness: UInt8[np.ndarray, " steps"] | None = None
        self.frames, self.width, self.dtype = 0, 0, "uint8"
        file.write(bytes(8 + _HEADER_SIZE))

    def append(self, values: Shaped[np.ndarray, "frames width"]) -> None:
        """Append frames, all with the same width and dtype: int16, float16 or uint8."""
        if self.frames and (values.shape[1], values.dtype.name) != (self.width, self.dtype):
            raise ValueError("frames of one file must have the same width and dtype")
        self.width, self.dtype = values.shape[1], values.dtype.name
        self.frames += len(values)
        self.file.write(np.ascontiguousarray(values).tobytes())

    def finish(self) -> None:
        """Write the header."""
        size = self.frames * self.width * np.dtype(self.dtype).itemsize
        metadata = {"codec": self.codec, "samples": str(self.samples), "generated_by": f"brain2music {__version__}"}
        header: dict[str, Any] = {
            "__metadata__": {**self.origin, **metadata},
            "values": {"dtype": _DTYPES[self.dtype], "shape": [self.frames, self.width], "data_offsets": [0, size]},
        }
        if self.loudness is not None:
            self.file.write(self.loudness.tobytes())
            count = len(self.loudness)
            header["levels"] = {"dtype": "U8", "shape": [count], "data_offsets": [size, size + count]}
        self.file.seek(0)
        self.file.write(struct.pack("<Q", _HEADER_SIZE) + json.dumps(header).encode().ljust(_HEADER_SIZE))


class CodesFile:
    """File of codes that is read in pieces.

    Files are written by :func:`encode_file`.

    Parameters
    ----------
    path : Path
        The safetensors file.

    Attributes
    ----------
    codec : str
        Name of the codec.
    samples : int
        Samples of sound per channel.
    frames : int
        Number of frames of codes.
    width : int
        Values per frame.
    loudness : ndarray of uint8, of shape (steps,), or None
        Loudness of the sound in steps of 0.4 s; None where it is not known.
    weights : str
        Digest of the weights of the codec; "" where it is not known.

    Raises
    ------
    InputError
        The file is missing, damaged, or not a file of codes.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> from brain2music.audio import write_audio
    >>> from brain2music.models.codec_parts import CodesFile, encode_file
    >>> write_audio("tone.wav", 0.3 * np.sin(2 * np.pi * 440 * np.arange(24000) / 24000), 24000)
    >>> encode_file(Path("tone.wav"), Path("tone.safetensors"), b2m.get_codec("soundstream-small"))
    >>> file = CodesFile(Path("tone.safetensors"))
    >>> file.codec, file.frames, file.width
    ('soundstream-small', 50, 12)
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
            self.weights = metadata.get("weights_sha256", "")
            self.loudness = self._file.get_tensor("levels") if "levels" in self._file.keys() else None  # noqa: SIM118
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise InputError(f"this is not a file of codes ({error})", path, "encode the sound again") from None

    def pieces(self, frames: int) -> Iterator[Shaped[np.ndarray, "frames width"]]:
        """Yield the codes in pieces.

        Parameters
        ----------
        frames : int
            Largest number of frames of a piece.

        Yields
        ------
        ndarray of shape (frames, width)
            Values of consecutive frames.
        """
        for first in range(0, self.frames, frames):
            yield self._values[first : min(first + frames, self.frames)]

    def read(self) -> Codes:
        """Read all codes."""
        return Codes(self.codec, self._values[:], self.samples, self.loudness)
