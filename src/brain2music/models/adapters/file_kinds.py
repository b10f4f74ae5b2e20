"""What a file of weights is by its content, so that a wrong file is refused by name before it is opened.

A pickle can run code when it is read, and a TorchScript archive *is* code. Neither is taken for weights here: a pickle
of plain tensors is read by torch's restricted reader, and a TorchScript archive only where an adapter says so.
"""

import json
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from ..._utils.errors import InputError
from ...study.content import foreign_content

FileKind = Literal["safetensors", "tflite", "onnx", "pickle", "torchscript", "archive", "raw"]
_BY_SUFFIX: dict[str, tuple[FileKind, ...]] = {
    ".safetensors": ("safetensors",),
    ".tflite": ("tflite",),
    ".onnx": ("onnx", "raw"),
    ".bin": ("raw",),
    ".model": ("raw", "onnx"),  # SentencePiece: a protocol buffer, as ONNX is
    ".onnx_data": ("raw",),
}
_WORDS: dict[FileKind, str] = {
    "safetensors": "safetensors",
    "tflite": "a TFLite model",
    "onnx": "an ONNX model",
    "pickle": "a pickle of torch, which can run code when it is read",
    "torchscript": "a TorchScript archive, which is code",
    "archive": "an archive",
    "raw": "numbers without a format",
}
_MOST_HEADER = 100 << 20


def file_kind(file: Path) -> FileKind:
    """What a file is, by its first bytes and, for archives, by the names inside.

    Parameters
    ----------
    file : Path
        A file that exists.

    Returns
    -------
    str
        "safetensors", "tflite", "onnx", "pickle", "torchscript", "archive" (another zip) or "raw".
    """
    with file.open("rb") as opened:
        head = opened.read(16)
    if head[4:8] == b"TFL3":
        return "tflite"
    if head[:4] == b"PK\x03\x04":
        return _archive_kind(file)
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "pickle"
    if len(head) > 8 and head[8:9] == b"{" and struct.unpack("<Q", head[:8])[0] <= _MOST_HEADER:
        return "safetensors"
    return "onnx" if head[:1] == b"\x08" and 1 <= head[1] <= 32 and head[2:3] in _AFTER_VERSION else "raw"


_AFTER_VERSION = (b"\x12", b"\x1a", b"\x22", b"\x28", b"\x32", b"\x3a", b"\x42")
"""First byte of the field that follows the version in an ONNX file."""


def require_kind(file: Path, hint: str) -> None:
    """Refuse a file whose content is not what its name says, or that is empty or cut short.

    Parameters
    ----------
    file : Path
        File to look at.
    hint : str
        What to do, for the error.

    Raises
    ------
    InputError
        It is another kind of file, or not whole.
    """
    if (foreign := foreign_content(file)) is not None:
        raise InputError(foreign.what, file, hint)
    wanted, found = _BY_SUFFIX.get(file.suffix), file_kind(file)
    if wanted is not None and found not in wanted:
        raise InputError(f"this is {_WORDS[found]}, not {_WORDS[wanted[0]]}", file, hint)
    if found == "safetensors" and file.suffix == ".safetensors":
        _require_whole(file, hint)


def read_checkpoint(file: Path, hint: str = "download it again") -> dict[str, Tensor]:
    """Read the tensors of safetensors, or of a pickle that holds nothing but tensors.

    Parameters
    ----------
    file : Path
        A checkpoint. Of a pickle only tensors, numbers, strings and containers are read, by torch's restricted reader
        (``weights_only=True``); anything else in it is refused. Dictionaries in dictionaries have dotted names.
    hint : str, default "download it again"
        What to do where it is damaged.

    Returns
    -------
    dict of str to Tensor
        Tensors by name, on the CPU.

    Raises
    ------
    InputError
        It is neither, it is damaged, or it holds more than tensors.
    """
    if not file.is_file():
        raise InputError("this file is missing", file, hint)
    kind = file_kind(file)
    if kind == "safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(file)
        except SafetensorError as error:
            raise InputError(f"the weights are damaged ({error})", file, hint) from None
    if kind != "pickle" or file.suffix == ".safetensors":
        raise InputError(f"this is {_WORDS[kind]}, not a checkpoint of tensors", file, hint)
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = (str(error).strip().splitlines() or ["it is damaged"])[0]
        what = f"this pickle holds more than tensors, or is damaged, and is not read ({reason})"
        raise InputError(what, file, "take safetensors where there are any") from None
    return _flat(content)


def _flat(content: object, prefix: str = "") -> dict[str, Tensor]:
    if isinstance(content, Tensor):
        return {prefix.rstrip("."): content}
    if not isinstance(content, dict):
        return {}
    found: dict[str, Tensor] = {}
    for name, value in content.items():
        found |= _flat(value, f"{prefix}{name}.")
    return found


def _archive_kind(file: Path) -> FileKind:
    try:
        with zipfile.ZipFile(file) as opened:
            names = [name.partition("/")[2] or name for name in opened.namelist()]
    except zipfile.BadZipFile:
        return "archive"
    if any(name == "constants.pkl" or name.startswith("code/") for name in names):
        return "torchscript"
    return "pickle" if "data.pkl" in names else "archive"


def _require_whole(file: Path, hint: str) -> None:
    """Refuse safetensors that are shorter than their header says."""
    with file.open("rb") as opened:
        length = struct.unpack("<Q", opened.read(8))[0]
        try:
            header = json.loads(opened.read(length))
            end = max((each["data_offsets"][1] for name, each in header.items() if name != "__metadata__"), default=0)
        except (ValueError, KeyError, TypeError, IndexError):
            raise InputError("the header of these safetensors is damaged", file, hint) from None
    if file.stat().st_size < 8 + length + end:
        raise InputError(f"this file is cut short: {file.stat().st_size} of {8 + length + end} bytes", file, hint)
