"""Reading of m4a, aac, mp4, webm, wma and the like with PyAV, the Python binding of FFmpeg's libraries."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .._utils.errors import InputError
from .reader import Reader
from .waveforms import AudioBlock

_BLOCK = 1 << 16


def is_available() -> bool:
    """Whether PyAV is installed."""
    return importlib.util.find_spec("av") is not None


class FfmpegReader(Reader):
    """Sound file that FFmpeg decodes; the duration is found by decoding because containers give it only roughly.

    Raises
    ------
    InputError : the file is not sound, or cannot be decoded.
    """

    def __init__(self, path: Path, kind: str = "") -> None:
        self.path, self._kind, self._lost = path, kind, 0
        self.sample_rate, self.channels = self._format()
        self.frames = sum(block.shape[1] for block in self._decoded())
        if self._lost and self.frames:
            self.warn(f"{self._lost} damaged places of the sound are passed over")

    def blocks(self, size: int, first: int = 0) -> Iterator[AudioBlock]:
        at, pending = 0, [np.zeros((self.channels, 0), np.float32)]
        for block in self._decoded():
            skip = min(max(0, first - at), block.shape[1])
            at += block.shape[1]
            pending.append(block[:, skip:])
            if sum(part.shape[1] for part in pending) >= size:
                whole = np.concatenate(pending, axis=1)
                for begin in range(0, whole.shape[1] - size + 1, size):
                    yield np.ascontiguousarray(whole[:, begin : begin + size])
                pending = [whole[:, whole.shape[1] - whole.shape[1] % size :]]
        rest = np.concatenate(pending, axis=1)
        if rest.shape[1]:
            yield rest

    def report_damage(self, samples: int) -> None:
        """Do nothing: damage is reported when the file is opened, which decodes all of it."""

    def close(self) -> None:
        """Do nothing: no file stays open between calls."""

    def _format(self) -> tuple[int, int]:
        for frame in self._frames():
            return frame.sample_rate, len(frame.layout.channels)
        raise self._unreadable("it holds no sound")

    def _decoded(self) -> Iterator[AudioBlock]:
        import av

        self._lost = 0
        resampler = None
        for frame in self._frames():
            resampler = resampler or av.AudioResampler("fltp", frame.layout, frame.sample_rate)
            for part in resampler.resample(frame):
                yield part.to_ndarray()
        for part in resampler.resample(None) if resampler is not None else ():
            yield part.to_ndarray()

    def _frames(self) -> Iterator[Any]:
        import av

        try:
            with self.path.open("rb") as file, av.open(file, "r", metadata_errors="ignore") as container:
                if not container.streams.audio:
                    raise self._unreadable("it holds no sound")
                for packet in container.demux(container.streams.audio[0]):
                    try:
                        yield from packet.decode()
                    except av.FFmpegError:
                        self._lost += 1
        except av.FFmpegError as error:
            raise self._unreadable(error.strerror or "it cannot be decoded") from None

    def _unreadable(self, why: str) -> InputError:
        what = f"this {self._kind} file is damaged" if self._kind else "this is not a readable sound file"
        return InputError(f"{what} ({why})", self.path, "convert it to wav, flac, ogg or mp3, or replace it")
