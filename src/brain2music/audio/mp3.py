"""True duration of an mp3 by counting its frames, because the length in its header is often false.

Files that were joined, cut or streamed keep the header of another length, or have none; libsndfile trusts the header,
or guesses from the bitrate of the first frame, and stops there. The frame header is that of ISO/IEC 11172-3, 2.4.2.3;
the Xing and LAME tags are those of the LAME encoder.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_KBPS = {
    "1.1": (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    "1.2": (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    "1.3": (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    "2.1": (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    "2.3": (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_FRAMES, _BYTES, _TABLE, _QUALITY = 1, 2, 4, 8  # flags of a Xing tag


@dataclass(frozen=True)
class Mp3:
    """Frame count of an mp3.

    Attributes
    ----------
    samples : per channel, without the encoder's delay and padding where a tag gives them.
    frame_length : samples per frame. n_frames : number of frames, without that of a tag.
    count_offset : offset of the number of frames in the tag; None without a tag.
    first_offset : offset of the first frame. tag : a frame with a correct tag, for files that have none.
    """

    samples: int
    frame_length: int
    n_frames: int
    count_offset: int | None
    first_offset: int
    tag: bytes


@dataclass(frozen=True)
class _Header:
    kind: tuple[int, int, int]  # version, layer, sample rate: the same in all frames of a stream
    length: int
    samples: int
    side: int  # bytes between the header and the place of a tag


def count_frames(path: Path) -> Mp3 | None:
    """Count the frames of an mp3; None where no frame is found."""
    data = path.read_bytes()
    at = _next(data, _after_id3(data), None)
    if at is None:
        return None
    first = _frame_header(data, at)
    assert first is not None
    tag = _tag(data, at, first)
    count, position = 0, at + first.length if tag else at
    while position < len(data):
        header = _frame_header(data, position)
        if header is None or header.kind != first.kind:
            after = _next(data, position + 1, first.kind)
            position = len(data) if after is None else after
            continue
        count += position + header.length <= len(data)
        position += header.length
    count_offset, trimmed = tag or (None, 0)
    samples = max(0, count * first.samples - trimmed)
    return Mp3(samples, first.samples, count, count_offset, at, _xing_frame(data[at : at + 4], count))


def _xing_frame(header: bytes, count: int) -> bytes:
    """A frame like those of the file, without a checksum, whose Xing tag holds the number of frames."""
    start = bytes([header[0], header[1] | 1, (header[2] & 0x0D) | 0xE0, header[3]])
    frame = _frame_header(start, 0)
    assert frame is not None
    tag = start + bytes(frame.side) + b"Xing" + struct.pack(">II", _FRAMES, count)
    return tag.ljust(frame.length, b"\0")


def _after_id3(data: bytes) -> int:
    at = 0
    while data[at : at + 3] == b"ID3" and len(data) >= at + 10:
        high, upper, lower, low = data[at + 6 : at + 10]
        at += 10 + (high << 21 | upper << 14 | lower << 7 | low) + (10 if data[at + 5] & 0x10 else 0)
    return at


def _next(data: bytes, at: int, kind: tuple[int, int, int] | None) -> int | None:
    """Offset of the next frame: a header that is followed by another of its kind, or by the end of the file."""
    while (at := data.find(b"\xff", at)) >= 0:
        header = _frame_header(data, at)
        if header is not None and kind in (None, header.kind):
            after = _frame_header(data, at + header.length)
            if at + header.length >= len(data) or (after is not None and after.kind == header.kind):
                return at
        at += 1
    return None


def _frame_header(data: bytes, at: int) -> _Header | None:
    if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] < 0xE0:
        return None
    version, layer = data[at + 1] >> 3 & 3, 4 - (data[at + 1] >> 1 & 3)
    rate_index, kbps_index = data[at + 2] >> 2 & 3, data[at + 2] >> 4
    if version == 1 or layer == 4 or rate_index == 3 or kbps_index in (0, 15):
        return None  # reserved, or free bitrate
    first = version == 3
    table = f"1.{layer}" if first else ("2.1" if layer == 1 else "2.3")
    sample_rate, bits, padding = _RATES[version][rate_index], 1000 * _KBPS[table][kbps_index - 1], data[at + 2] >> 1 & 1
    samples = 384 if layer == 1 else 576 if layer == 3 and not first else 1152
    length = (12 * bits // sample_rate + padding) * 4 if layer == 1 else samples // 8 * bits // sample_rate + padding
    mono = data[at + 3] >> 6 == 3
    side = (17 if mono else 32) if first else (9 if mono else 17)
    return _Header((version, layer, sample_rate), length, samples, side)


def _tag(data: bytes, at: int, header: _Header) -> tuple[int | None, int] | None:
    """Offset of the frame count in a Xing tag, and the number of samples to trim; None where the frame is sound."""
    tag = at + 4 + header.side
    if data[tag : tag + 4] not in (b"Xing", b"Info"):
        return None
    flags = data[tag + 7]
    count_offset = tag + 8 if flags & _FRAMES else None
    encoder = tag + 8 + 4 * bool(flags & _FRAMES) + 4 * bool(flags & _BYTES)
    encoder += 100 * bool(flags & _TABLE) + 4 * bool(flags & _QUALITY)
    delays = data[encoder + 21 : encoder + 24]
    if len(delays) < 3 or not data[encoder : encoder + 4].isalnum():
        return count_offset, 0
    return count_offset, (delays[0] << 4 | delays[1] >> 4) + ((delays[1] & 15) << 8 | delays[2])
