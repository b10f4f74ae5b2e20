"""Headers that do not say how long the sound is, or say it falsely, set right as the file is read; and file types.

Recorders and pipes write the header before they know the length, and leave 0 or the largest number there.
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
class Mended:
    """What to read a file with.

    Attributes
    ----------
    edits : offset -> bytes to find there instead. before : bytes to be read before the file's own.
    skip : bytes of the file's own to be passed over then. mp3 : what the walk through an mp3 found.
    told : how many times as long as it is the sound should be by its header; None where that says nothing.
    """

    edits: dict[int, bytes] = field(default_factory=dict)
    before: bytes = b""
    skip: int = 0
    mp3: Mp3 | None = None
    told: float | None = None


def is_mp3(path: Path) -> bool:
    """Whether a file begins as mp3 files do: with an ID3 tag or a frame of layer III (or I, or II)."""
    start = _start(path, 3)
    return start[:3] == b"ID3" or (len(start) > 1 and start[0] == 0xFF and start[1] >= 0xE0 and start[1] & 6 != 0)


def kind_of(path: Path) -> str:
    """The type of a file by its first bytes, of those that libsndfile does not read; "" for any other."""
    start = _start(path, 16)
    for kind, at, sign in _SIGNS:
        if start[at : at + len(sign)] == sign:
            return kind
    if len(start) > 1 and start[0] == 0xFF and start[1] & 0xF6 == 0xF0:
        return "aac"
    return ""


def mend(path: Path) -> Mended:
    """What a file's header has to be read as, so that all its sound is found."""
    start = _start(path, 16)
    if start[:4] == b"RIFF" and start[8:12] == b"WAVE":
        return _mend_data(path, 12, "little", 4)
    if start[:4] == b"caff":
        return _mend_data(path, 8, "big", 8)
    if start[:4] == b".snd" and start[8:12] == b"\0\0\0\0":
        return Mended({8: b"\xff\xff\xff\xff"})
    if is_mp3(path) and (found := count_frames(path)) is not None:
        if found.told_at is not None:
            return Mended({found.told_at: struct.pack(">I", found.frames)}, mp3=found)
        return Mended(before=found.tag, skip=found.begins, mp3=found)
    return Mended()


def ogg_seconds(path: Path) -> float | None:
    """Where the last page of an Ogg stream of Vorbis, Opus or FLAC ends, in seconds; None for other files."""
    with path.open("rb") as file:
        start = file.read(256)
        file.seek(max(0, path.stat().st_size - 65536 - 307))
        end = file.read()
    last = end.rfind(b"OggS")
    if start[:4] != b"OggS" or last < 0 or len(end) < last + 14:
        return None
    samples = int.from_bytes(end[last + 6 : last + 14], "little", signed=True)
    for sign, at in ((b"\x01vorbis", 11), (b"OpusHead", -1)):
        if (found := start.find(sign)) >= 0 and samples > 0:
            sample_rate = 48000 if at < 0 else int.from_bytes(start[found + at + 1 : found + at + 5], "little")
            return samples / sample_rate if sample_rate else None
    return None


def _mend_data(path: Path, at: int, order: Literal["little", "big"], width: int) -> Mended:
    """The right size of the chunk "data", where it is unknown, or in CAF false: what there is of it in the file."""
    whole, padded = path.stat().st_size, order == "little"
    with path.open("rb") as file:
        while True:
            file.seek(at)
            head = file.read(4 + width)
            if len(head) < 4 + width:
                return Mended()
            size, rest = int.from_bytes(head[4:], order), whole - at - 4 - width
            if head[:4] == b"data":
                unknown = size == 0 and not _chunks_follow(file, whole, order, width)
                if not unknown and not (size > rest and order == "big"):  # libsndfile mends that of WAV itself
                    return Mended()
                told = size / rest if rest and 0 < size < 1 << 62 else None
                return Mended({at + 4: rest.to_bytes(width, order)}, told=told)
            at += 4 + width + size + (size % 2 if padded else 0)


def _chunks_follow(file: BinaryIO, whole: int, order: Literal["little", "big"], width: int) -> bool:
    """Whether what follows is whole chunks to the end (or nothing): then the sound is really empty."""
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


class MendedFile(io.RawIOBase):
    """A file with some bytes read otherwise than they are, and maybe with others before them."""

    def __init__(self, path: Path, mended: Mended) -> None:
        self._file, self._mended, self._at = path.open("rb"), mended, 0
        self._shift = len(mended.before) - mended.skip
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
        data = bytearray(self._mended.before[self._at : self._at + len(buffer)])
        self._file.seek(max(0, self._at + len(data) - self._shift))
        data += self._file.read(len(buffer) - len(data))
        for offset, correct in self._mended.edits.items():
            for place, byte in enumerate(correct, offset - self._at):
                if 0 <= place < len(data):
                    data[place] = byte
        buffer[: len(data)] = bytes(data)
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
