"""Repair of headers with a missing or false length while a file is read; detection of file types.

Recorders and pipes write the header before the length is known, and leave 0 or the largest number there.
"""

import io
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

from .mp3 import Mp3, count_frames

_SIGNS = (
    ("m4a or mp4", 4, b"ftyp"),
    ("webm or mka", 0, b"\x1a\x45\xdf\xa3"),
    ("wma", 0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    ("ac3", 0, b"\x0b\x77"),
    ("ape", 0, b"MAC "),
    ("wavpack", 0, b"wvpk"),
    ("tta", 0, b"TTA1"),
    ("musepack", 0, b"MPCK"),
    ("amr", 0, b"#!AMR"),
    ("aac", 0, b"ADIF"),
)


@dataclass(frozen=True)
class HeaderRepair:
    """Changes to a file's bytes that make its header agree with its sound.

    Attributes
    ----------
    edits : offset -> bytes that replace those of the file. before : bytes to read before those of the file.
    skip : number of the file's first bytes to leave out. mp3 : the frame count of an mp3.
    claimed_ratio : duration that the header claims over the true one; None where it claims nothing.
    """

    edits: dict[int, bytes] = field(default_factory=dict)
    before: bytes = b""
    skip: int = 0
    mp3: Mp3 | None = None
    claimed_ratio: float | None = None


def is_mp3(path: Path) -> bool:
    """Whether a file begins like an mp3: with an ID3 tag or an MPEG audio frame (layer I, II or III)."""
    start = _start(path, 3)
    return start[:3] == b"ID3" or (len(start) > 1 and start[0] == 0xFF and start[1] >= 0xE0 and start[1] & 6 != 0)


def container_type(path: Path) -> str:
    """The type of a file that libsndfile cannot read, from its first bytes; "" for any other."""
    start = _start(path, 16)
    for kind, at, sign in _SIGNS:
        if start[at : at + len(sign)] == sign:
            return kind
    if len(start) > 1 and start[0] == 0xFF and start[1] & 0xF6 == 0xF0:
        return "aac"
    return ""


def repair_header(path: Path) -> HeaderRepair:
    """Find the changes to a file's header with which all its sound is read."""
    start = _start(path, 16)
    if start[:4] == b"RIFF" and start[8:12] == b"WAVE":
        return _repair_data_size(path, 12, "little", 4)
    if start[:4] == b"caff":
        return _repair_data_size(path, 8, "big", 8)
    if start[:4] == b".snd" and start[8:12] == b"\0\0\0\0":
        return HeaderRepair({8: b"\xff\xff\xff\xff"})
    if is_mp3(path) and (mp3 := count_frames(path)) is not None:
        if mp3.count_offset is not None:
            return HeaderRepair({mp3.count_offset: struct.pack(">I", mp3.n_frames)}, mp3=mp3)
        return HeaderRepair(before=mp3.tag, skip=mp3.first_offset, mp3=mp3)
    return HeaderRepair()


def ogg_seconds(path: Path) -> float | None:
    """Duration in seconds of an Ogg stream of Vorbis or Opus, from its last page; None for other files."""
    with path.open("rb") as file:
        start = file.read(256)
        file.seek(max(0, path.stat().st_size - 65536 - 307))
        end = file.read()
    last = end.rfind(b"OggS")
    if start[:4] != b"OggS" or last < 0 or len(end) < last + 14:
        return None
    samples = int.from_bytes(end[last + 6 : last + 14], "little", signed=True)
    for sign, at in ((b"\x01vorbis", 11), (b"OpusHead", -1)):
        if (header := start.find(sign)) >= 0 and samples > 0:
            sample_rate = 48000 if at < 0 else int.from_bytes(start[header + at + 1 : header + at + 5], "little")
            return samples / sample_rate if sample_rate else None
    return None


def _repair_data_size(path: Path, at: int, order: Literal["little", "big"], width: int) -> HeaderRepair:
    """Replace the size of the chunk "data" where it is unknown, or false in CAF, by what the file holds of it."""
    whole, padded = path.stat().st_size, order == "little"
    with path.open("rb") as file:
        while True:
            file.seek(at)
            head = file.read(4 + width)
            if len(head) < 4 + width:
                return HeaderRepair()
            size, rest = int.from_bytes(head[4:], order), whole - at - 4 - width
            if head[:4] == b"data":
                unknown = size == 0 and not _chunks_follow(file, whole, order, width)
                if not unknown and not (size > rest and order == "big"):  # libsndfile repairs that of WAV itself
                    return HeaderRepair()
                claimed_ratio = size / rest if rest and 0 < size < 1 << 62 else None
                return HeaderRepair({at + 4: rest.to_bytes(width, order)}, claimed_ratio=claimed_ratio)
            at += 4 + width + size + (size % 2 if padded else 0)


def _chunks_follow(file: BinaryIO, whole: int, order: Literal["little", "big"], width: int) -> bool:
    """Whether whole chunks (or nothing) follow to the end of the file: then the sound is really empty."""
    while (at := file.tell()) < whole:
        head = file.read(4 + width)
        size = int.from_bytes(head[4:], order)
        end = at + 4 + width + size
        if len(head) < 4 + width or not head[:4].isascii() or end > whole + 1:
            return False
        file.seek(end + (size % 2 if order == "little" else 0))
    return True


def _start(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        return file.read(count)


class RepairedFile(io.RawIOBase):
    """A file opened for reading with the changes of a :class:`HeaderRepair`."""

    def __init__(self, path: Path, repair: HeaderRepair) -> None:
        self._file, self._repair, self._at = path.open("rb"), repair, 0
        self._shift = len(repair.before) - repair.skip
        self._length = path.stat().st_size + self._shift

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._length}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = bytearray(self._repair.before[self._at : self._at + len(buffer)])
        self._file.seek(max(0, self._at + len(data) - self._shift))
        data += self._file.read(len(buffer) - len(data))
        for offset, correct in self._repair.edits.items():
            for place, byte in enumerate(correct, offset - self._at):
                if 0 <= place < len(data):
                    data[place] = byte
        buffer[: len(data)] = bytes(data)
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
