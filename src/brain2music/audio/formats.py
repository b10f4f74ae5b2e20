"""Formats of sound files that are written, and checks of what each can hold before sound is made for it."""

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32

from .._utils.errors import InputError
from .._utils.files import atomic_path

_BLOCK = 65536  # libsndfile's Vorbis encoder keeps a whole write on its stack
_MP3_SAMPLE_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


class Format(NamedTuple):
    """Properties of a format of sound files.

    Attributes
    ----------
    name : libsndfile's name. codings : bits per sample (0 for lossy formats) -> libsndfile's subtype.
    channels : largest number of channels. sample_rates : possible sample rates in Hz; () for all.
    options : options of libsndfile.
    """

    name: str
    codings: dict[int, str]
    channels: int
    sample_rates: tuple[int, ...] = ()
    options: dict[str, Any] = {}  # noqa: RUF012 (never changed)


FORMATS = {
    ".wav": Format("WAV", {16: "PCM_16", 24: "PCM_24", 32: "FLOAT"}, 1024),
    ".flac": Format("FLAC", {16: "PCM_16", 24: "PCM_24"}, 8),
    ".ogg": Format("OGG", {0: "VORBIS"}, 255),
    ".mp3": Format(
        "MP3", {0: "MPEG_LAYER_III"}, 2, _MP3_SAMPLE_RATES, {"bitrate_mode": "VARIABLE", "compression_level": 0.7}
    ),
}
"""Suffix -> format."""
_HIGHEST = {".flac": 655_350, ".ogg": 192_000}  # Hz


def check_format(path: Path, sample_rate: int, channels: int = 1) -> None:
    """Raise :class:`InputError` unless files of this suffix can hold this sample rate and number of channels."""
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise InputError(f"cannot write {path.suffix or 'no suffix'!r} files", path, f"use {', '.join(FORMATS)}")
    kind = FORMATS[suffix]
    if (kind.sample_rates and sample_rate not in kind.sample_rates) or sample_rate > _HIGHEST.get(suffix, sample_rate):
        raise InputError(
            f"cannot write {suffix} files with {sample_rate} Hz", path, "choose wav or flac, or resample it first"
        )
    if channels > kind.channels:
        raise InputError(f"cannot write {suffix} files with {channels} channels", path, "choose wav")


def require_room(path: Path, sample_rate: int, channels: int, seconds: float, bits: int = 16) -> None:
    """Raise :class:`InputError` where a wav file of this length would not fit on the disk; do nothing for others."""
    if path.suffix.lower() != ".wav":
        return
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    needed, free = round(seconds * sample_rate) * channels * bits // 8, shutil.disk_usage(folder).free
    if needed > free:
        what = f"there is no room left to write this: {needed / 1e6:.1f} MB, where {free / 1e6:.1f} MB are free"
        raise InputError(what, path, "make room on the disk, or name another folder")


def write_tagged(
    path: Path,
    waveform: Float32[np.ndarray, "channels samples"],
    sample_rate: int,
    tags: dict[str, str],
    bits: int = 16,
) -> None:
    """Write a waveform within ±1 atomically, with tags.

    A waveform that was read from integers of ``bits`` bits is written as the same integers.

    Parameters
    ----------
    tags : libsndfile's tags: title, artist, comment, software, ...
    bits : 16, 24, or 32 for floats; at most what the format has.

    Raises
    ------
    InputError : as :func:`check_format`, or the disk is full.
    """
    import soundfile

    check_format(path, sample_rate, len(waveform))
    kind = FORMATS[path.suffix.lower()]
    bits = min(bits, max(kind.codings))
    frames = _as_integers(waveform.T, bits)
    if kind.name == "MP3" and "software" in tags:
        tags = {"album": tags["software"], **tags}  # LAME puts its own name for the software
    with (
        atomic_path(path) as temporary,
        soundfile.SoundFile(
            temporary, "w", sample_rate, frames.shape[1], kind.codings[bits], format=kind.name, **kind.options
        ) as file,
    ):
        for name, text in tags.items():
            setattr(file, name, text)
        for first in range(0, len(frames), _BLOCK):
            file.write(frames[first : first + _BLOCK])


def _as_integers(frames: np.ndarray, bits: int) -> np.ndarray:
    """Integers that libsndfile reads as these floats; the floats themselves for 0 and 32 bits."""
    if bits in (0, 32):
        return frames
    most = 2 ** (bits - 1)
    numbers = np.rint(frames * np.float64(most)).clip(-most, most - 1)
    return numbers.astype(np.int16) if bits == 16 else (numbers.astype(np.int32) << 8)
