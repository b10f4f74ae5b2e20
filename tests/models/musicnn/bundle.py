"""A small writer of TensorFlow checkpoints: prefix-compressed keys, checksums computed bit by bit."""

from pathlib import Path

import numpy as np

_TYPES = {"float32": 1, "float64": 2, "int32": 3, "int64": 9}


def write_bundle(folder: Path, variables: dict[str, np.ndarray]) -> tuple[Path, Path]:
    """Write ``model.index`` and its data file, and return both."""
    index, data = folder / "model.index", folder / "model.data-00000-of-00001"
    entries, values = [(b"", _field(1, 1))], b""
    for name in sorted(variables):
        raw = variables[name].tobytes()
        entries.append((name.encode(), _entry(variables[name], len(values), raw)))
        values += raw
    data.write_bytes(values)
    block, at = _sealed(_block(entries)), 0
    table = block
    handle = _varint(at) + _varint(len(block) - 5)
    meta_at, table = len(table), table + _sealed(_block([]))
    index_at, table = len(table), table + _sealed(_block([(b"\xff", handle)]))
    index_size = len(table) - index_at - 5
    footer = _varint(meta_at) + _varint(index_at - meta_at - 5) + _varint(index_at) + _varint(index_size)
    index.write_bytes(table + footer.ljust(40, b"\0") + (0xDB4775248B80FB57).to_bytes(8, "little"))
    return index, data


def plain_crc32c(data: bytes) -> int:
    """CRC-32C one bit at a time."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def _entry(array: np.ndarray, offset: int, raw: bytes) -> bytes:
    shape = b"".join(_field(2, _field(1, size)) for size in array.shape)
    place = _field(4, offset) + _field(5, len(raw)) + _varint(6 << 3 | 5) + _masked(raw)
    return _field(1, _TYPES[array.dtype.name]) + _field(2, shape) + place


def _block(entries: list[tuple[bytes, bytes]]) -> bytes:
    block, last = b"", b""
    for key, value in entries:
        shared = next((at for at in range(len(last)) if key[at : at + 1] != last[at : at + 1]), len(last))
        block += _varint(shared) + _varint(len(key) - shared) + _varint(len(value)) + key[shared:] + value
        last = key
    return block + (0).to_bytes(4, "little") + (1).to_bytes(4, "little")


def _sealed(block: bytes) -> bytes:
    return block + b"\0" + _masked(block + b"\0")


def _masked(data: bytes) -> bytes:
    crc = plain_crc32c(data)
    return ((((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, bytes):
        return _varint(number << 3 | 2) + _varint(len(value)) + value
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    encoded = b""
    while value >= 0x80:
        encoded, value = encoded + bytes([value & 0x7F | 0x80]), value >> 7
    return encoded + bytes([value])
