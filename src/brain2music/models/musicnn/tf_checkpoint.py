"""Reading of TensorFlow checkpoints ("tensor bundles") without TensorFlow.

A bundle is two files: ``.index``, a LevelDB table of variable name -> BundleEntry (a protocol buffer: type, shape,
offset and checksum), and ``.data-00000-of-00001``, the raw values. Every block and every variable has a CRC32C, and all
are verified, so a truncated or damaged download is refused.

Sources: leveldb/doc/table_format.md; tensorflow/core/protobuf/tensor_bundle.proto.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import UInt32

from ..._utils.errors import InputError

_MAGIC = 0xDB4775248B80FB57
_FOOTER_BYTES = 48
_TYPES: dict[int, np.dtype] = {1: np.dtype("<f4"), 2: np.dtype("<f8"), 3: np.dtype("<i4"), 9: np.dtype("<i8")}
_LANES = 1024

_Fields = dict[int, list[int | bytes]]  # values of a protocol buffer by field number


def read_checkpoint(index: Path, data: Path, skip: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """Read the variables of a one-shard bundle by name, except those whose last name part is in ``skip``.

    Parameters
    ----------
    index, data : the files ``.index`` and ``.data-00000-of-00001``.
    skip : variables to leave out, such as ``("Adam", "Adam_1")``, the state of an optimizer.

    Raises
    ------
    InputError : a file is missing, truncated, damaged, or of an unsupported kind.
    """
    table, values = _bytes_of(index), _bytes_of(data)
    try:
        entries = {name.decode(): _message(entry) for name, entry in _table_entries(table) if name}
    except (IndexError, ValueError, UnicodeDecodeError, _DamagedError) as error:
        raise _damaged(index, f"not a whole checkpoint index: {error}") from None
    wanted = {name: entry for name, entry in entries.items() if name.rsplit("/", 1)[-1] not in skip}
    try:
        if (end := max(_integer(entry, 4) + _integer(entry, 5) for entry in entries.values())) > len(values):
            raise _DamagedError(f"the file has {len(values)} of its {end} bytes")
        return {name: _variable(name, entry, values) for name, entry in wanted.items()}
    except _DamagedError as error:
        raise _damaged(data, str(error)) from None


def crc32c(data: bytes) -> int:
    """Compute the CRC-32C (Castagnoli; RFC 3720, B.4) of bytes.

    The input is cut into lanes that are processed in parallel. The CRC of two consecutive parts is that of the first,
    advanced by as many zero bytes as the second has, exclusive-or that of the second.
    """
    length, rest = divmod(len(data), _LANES)
    lanes = np.frombuffer(data, np.uint8, length * _LANES).reshape(_LANES, length)
    crcs = np.zeros(_LANES, np.uint32)
    crcs[0] = 0xFFFFFFFF
    for column in np.ascontiguousarray(lanes.T):
        crcs = _TABLE[(crcs ^ column) & 0xFF] ^ (crcs >> 8)
    while len(crcs) > 1:
        crcs = _through_zeros(crcs[0::2], length) ^ crcs[1::2]
        length *= 2
    crc = int(crcs[0])
    for byte in data[len(data) - rest :]:
        crc = int(_TABLE[(crc ^ byte) & 0xFF]) ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


class _DamagedError(Exception):
    """Raised with the reason why a table or variable is damaged."""


def _variable(name: str, entry: _Fields, values: bytes) -> np.ndarray:
    """Cut one variable out of the data file and verify it."""
    kind, shard, offset, size, crc = (_integer(entry, field) for field in (1, 3, 4, 5, 6))
    if kind not in _TYPES or shard != 0 or 7 in entry:
        raise _DamagedError(f"variable {name!r} is of an unsupported kind (type {kind}, shard {shard})")
    shape = [_integer(dim, 1) for shape in _messages(entry, 2) for dim in _messages(shape, 2)]
    if size != _TYPES[kind].itemsize * int(np.prod(shape)):
        raise _DamagedError(f"variable {name!r} of shape {shape} has {size} bytes according to the index")
    raw = values[offset : offset + size]
    if _masked(crc32c(raw)) != crc:
        raise _DamagedError(f"the checksum of variable {name!r} does not match")
    return np.frombuffer(raw, _TYPES[kind]).reshape(shape)


def _table_entries(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of a LevelDB table."""
    if len(table) < _FOOTER_BYTES or int.from_bytes(table[-8:], "little") != _MAGIC:
        raise _DamagedError("its footer is missing")
    footer = table[-_FOOTER_BYTES:]
    _, _, at = _handle(footer, 0)
    offset, size, _ = _handle(footer, at)
    for _, block in _block_entries(table, offset, size):
        yield from _block_entries(table, *_handle(block, 0)[:2])


def _block_entries(table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of one block, where each key shares a prefix with the key before it."""
    block, kind = table[offset : offset + size], table[offset + size]
    if kind != 0:
        raise _DamagedError(f"block at byte {offset} is compressed (type {kind})")
    if _masked(crc32c(table[offset : offset + size + 1])) != int.from_bytes(
        table[offset + size + 1 : offset + size + 5], "little"
    ):
        raise _DamagedError(f"the checksum of the block at byte {offset} does not match")
    end = size - 4 * (1 + int.from_bytes(block[-4:], "little"))
    at, key = 0, b""
    while at < end:
        shared, at = _varint(block, at)
        fresh, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + fresh]
        yield key, block[at + fresh : at + fresh + length]
        at += fresh + length


def _handle(data: bytes, at: int) -> tuple[int, int, int]:
    """Read offset and size of a block; the last value is the next position."""
    offset, at = _varint(data, at)
    size, at = _varint(data, at)
    return offset, size, at


def _message(data: bytes) -> _Fields:
    """Split a protocol buffer into undecoded fields by number."""
    fields: _Fields = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        value: int | bytes
        if tag & 7 == 0:
            value, at = _varint(data, at)
        elif tag & 7 == 2:
            length, at = _varint(data, at)
            value, at = data[at : at + length], at + length
        elif tag & 7 == 5:
            value, at = int.from_bytes(data[at : at + 4], "little"), at + 4
        else:
            raise _DamagedError(f"unknown wire type {tag & 7}")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _integer(fields: _Fields, number: int) -> int:
    value = fields.get(number, [0])[-1]
    if not isinstance(value, int):
        raise _DamagedError(f"field {number} is not a number")
    return value


def _messages(fields: _Fields, number: int) -> list[_Fields]:
    return [_message(value) for value in fields.get(number, []) if isinstance(value, bytes)]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _masked(crc: int) -> int:
    """Checksum as LevelDB stores it, rotated and shifted."""
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _crc_table() -> UInt32[np.ndarray, "256"]:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(0x82F63B78), table >> 1)
    return table.astype(np.uint32)


_TABLE = _crc_table()


def _through_zeros(crcs: UInt32[np.ndarray, " n"], length: int) -> UInt32[np.ndarray, " n"]:
    """CRC registers after ``length`` more zero bytes: a linear map over bits, column by column."""
    advanced = np.zeros_like(crcs)
    for bit, column in enumerate(_zeros_operator(length)):
        advanced ^= np.where((crcs >> np.uint32(bit)) & 1, column, np.uint32(0)).astype(np.uint32)
    return advanced


@lru_cache(maxsize=256)
def _zeros_operator(length: int) -> UInt32[np.ndarray, "32"]:
    """Images of the 32 unit registers after ``length`` zero bytes, computed by repeated squaring."""
    units = np.uint32(1) << np.arange(32, dtype=np.uint32)
    if length == 0:
        return units
    if length % 2:
        before = _zeros_operator(length - 1)
        return (_TABLE[before & 0xFF] ^ (before >> 8)).astype(np.uint32)
    return _through_zeros(_zeros_operator(length // 2), length // 2)


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"the checkpoint file cannot be read ({error.strerror})", file, _HINT) from None


def _damaged(file: Path, what: str) -> InputError:
    return InputError(what, file, _HINT)


_HINT = "install the weights again"
