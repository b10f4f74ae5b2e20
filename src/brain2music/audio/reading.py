"""Every sound file through one door: whatever its header says, what decodes is what there is.

libsndfile reads most formats, PyAV (FFmpeg) the others where it is installed. Which it is follows from the bytes, not
from the name. Headers without a length, or with a false one, are set right (:mod:`.mending`); where a file is damaged
the part that decodes is given with a warning, if it is most of it, and else refused: the same for every command.
"""

import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from .._utils.errors import Brain2MusicWarning, InputError
from .._utils.quiet import quiet_libraries
from .mending import Mended, MendedFile, is_mp3, kind_of, mend, ogg_seconds
from .paths import as_path

SHORTEST_S = 0.05
"""A file with less sound than this holds none to speak of."""
MOST = 0.5
"""Of the sound that a header promises, so much has to decode."""
_BLOCK = 1 << 16
_UNKNOWN = 1 << 60
_TRIES = 16
_AGAIN = "replace the file with a complete copy"
_FORMATS = "wav, flac, ogg or mp3"
_BITS = dict.fromkeys(("PCM_16", "PCM_S8", "PCM_U8", "ULAW", "ALAW", "ALAC_16"), 16)
_BITS |= dict.fromkeys(("FLOAT", "DOUBLE", "PCM_32", "ALAC_32"), 32)

Block = Float32[np.ndarray, "channels samples"]


class Reader(ABC):
    """A sound file that is open for reading.

    Attributes
    ----------
    path : of the file. sample_rate : in Hz. channels : how many. frames : samples in each channel that decode.
    bits : that the samples need: 16, 24, or 32 for floats; 24 of what is lossy.
    """

    path: Path
    sample_rate: int
    channels: int
    frames: int
    bits: int = 24

    @abstractmethod
    def blocks(self, size: int, first: int = 0) -> Iterator[Block]:
        """The sound from sample ``first`` on, in blocks of at most ``size`` samples, to its end."""

    @abstractmethod
    def close(self) -> None:
        """Close the file."""

    def read(self, first: int, count: int) -> Block:
        """``count`` samples from ``first`` on; fewer where it ends before."""
        parts, missing = [np.zeros((self.channels, 0), np.float32)], min(count, self.frames - first)
        blocks = self.blocks(max(1, missing), first)
        while missing > 0 and (block := next(blocks, None)) is not None:
            parts.append(block[:, :missing])
            missing -= block.shape[1]
        whole = np.concatenate(parts, axis=1) if len(parts) > 2 else parts[-1]
        self.tell_damage(whole.shape[1])
        return whole

    @abstractmethod
    def tell_damage(self, samples: int) -> None:
        """Say what was damaged in so many samples that were read last; :class:`InputError` where most of them were."""

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def say(self, what: str) -> None:
        """Warn of something in this file."""
        warnings.warn(f"{self.path}: {what}", Brain2MusicWarning, 3)

    def _require_most(self, told: int | float, strict: bool = True) -> None:
        """Say that the header promises other than there is; refuse less than :data:`MOST`, where ``strict``."""
        seconds, there = told / self.sample_rate, self.frames / self.sample_rate
        if strict and self.frames < MOST * told:
            raise InputError(f"only {there:.2f} s of {seconds:.2f} s of sound can be read", self.path, _AGAIN)
        if abs(self.frames - told) > 0.01 * self.sample_rate:
            self.say(f"the header says {seconds:.2f} s of sound, {there:.2f} s are there; what is there is used")


def open_sound(path: str | Path, least_s: float = SHORTEST_S) -> Reader:
    """A sound file of any format that can be read here, with so many seconds of sound at least.

    A path whose bytes are not UTF-8 may be given as it is shown (:mod:`.paths`).

    Raises
    ------
    InputError : the file is missing, empty, no sound or of a format that needs PyAV, which is not installed; it holds
        next to no sound, or less than half of what its header promises.
    """
    import soundfile

    path = as_path(path)
    if not path.is_file():
        raise _no_file(path)
    try:
        if path.stat().st_size == 0:
            raise InputError("the sound file is empty", path, _AGAIN)
        try:
            sound: Reader = SndfileReader(path)
        except soundfile.LibsndfileError as error:
            sound = _by_ffmpeg(path, error)
    except OSError as error:
        raise InputError(f"the sound file cannot be read ({error.strerror})", path, "check its permissions") from None
    if sound.frames < least_s * sound.sample_rate:
        sound.close()
        raise _too_short(sound)
    return sound


def _no_file(path: Path) -> InputError:
    if path.is_dir():
        return InputError("this is a folder, not a sound file", path, "name a file in it")
    if path.exists():
        return InputError("this is a pipe or a device, not a sound file", path, "save the sound to a file first")
    return InputError("the sound file is missing", path, "check the path")


def _too_short(sound: Reader) -> InputError:
    if sound.frames == 0:
        return InputError("the sound file holds no samples", sound.path, _AGAIN)
    what = f"the sound file holds {1000 * sound.frames / sound.sample_rate:.3g} ms of sound only"
    return InputError(what, sound.path, f"give {1000 * SHORTEST_S:g} ms or more")


def _by_ffmpeg(path: Path, error: Exception) -> Reader:
    from .containers import FfmpegReader, is_available

    kind = kind_of(path)
    if is_available():
        return FfmpegReader(path, kind)
    if kind:
        raise InputError(
            f"this is {kind} sound, which needs PyAV", path, "pip install 'brain2music[formats]', or convert it to flac"
        )
    raise InputError("this is not a readable sound file", path, f"convert it to {_FORMATS}") from error


class SndfileReader(Reader):
    """By libsndfile."""

    def __init__(self, path: Path) -> None:
        self.path, self._lost, self._silent = path, 0, 0
        self._mended = mend(path)
        self._is_mp3 = is_mp3(path)
        self._file = self._opened(self._mended if not self._is_mp3 else Mended())
        try:
            self._measure()
        except BaseException:
            self.close()
            raise

    def blocks(self, size: int, first: int = 0) -> Iterator[Block]:
        self._at = at = self._go(first)
        self._lost = self._silent = tries = 0
        while at < self.frames:
            block, failed = self._pull(min(size, self.frames - at))
            if failed and len(block) == 0:
                tries += 1
                instead = self._after_damage(at, tries)
                if instead is None:
                    break
                block = instead
            elif len(block) == 0:
                break
            self._lost += failed and self._is_mp3
            tries = tries if len(block) == 0 else 0
            begins, at = at, at + len(block)
            self._at = at
            if at > first:
                yield np.ascontiguousarray(block[max(0, first - begins) :].T)
        if at < self.frames < _UNKNOWN:
            self._ended_early(at)
        self.tell_damage(at - first)

    def close(self) -> None:
        self._file.close()

    def _opened(self, mended: Mended) -> Any:
        import soundfile

        plain = mended == Mended(mp3=mended.mp3, told=mended.told)
        try:
            name = str(self.path)
            name.encode()
        except UnicodeEncodeError:  # bytes that are no UTF-8
            plain = False
        with quiet_libraries():
            file = soundfile.SoundFile(name if plain else MendedFile(self.path, mended))
        self.sample_rate, self.channels, self.frames, self._at = file.samplerate, file.channels, file.frames, 0
        self.bits = _BITS.get(file.subtype, 24)
        return file

    def _measure(self) -> None:
        """Find out how many samples decode, where the header cannot be believed."""
        self._exact = self._file.seekable()
        if self._is_mp3:
            self._measure_mp3()
        elif self._file.format in ("FLAC", "OGG"):
            self._measure_stream()
        elif (told := self._mended.told or _claimed_ratio(self._file.extra_info)) is not None:
            self._require_most(self.frames * told)

    def _measure_mp3(self) -> None:
        found = self._mended.mp3
        if found is None or abs(self.frames - found.samples) <= 2 * found.frame:
            return
        told = self.frames
        self._file.close()
        self._file = self._opened(self._mended)
        self.frames = min(self.frames, found.samples + found.frame)
        if found.told_at is not None:
            self._require_most(told, strict=False)

    def _measure_stream(self) -> None:
        told = self.frames
        if told >= _UNKNOWN or not self._reaches(told - 1):
            self._exact = False
            self.frames = _UNKNOWN
            self._reopen()
            self.frames = sum(block.shape[1] for block in self._quietly())
            self._reopen()
            if told < _UNKNOWN:
                self._require_most(told)
        elif (seconds := ogg_seconds(self.path)) is not None and seconds * self.sample_rate > 1.05 * told:
            self._require_most(seconds * self.sample_rate)

    def _quietly(self) -> Iterator[Block]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield from self.blocks(_BLOCK)

    def _reopen(self) -> None:
        frames = self.frames
        self._file.close()
        self._file = self._opened(self._mended)
        self.frames = frames

    def _reaches(self, last: int) -> bool:
        import soundfile

        if last < 0:
            return True
        try:
            with quiet_libraries():
                self._file.seek(last)
                reached = len(self._file.read(1)) == 1
                self._file.seek(0)
        except soundfile.LibsndfileError:
            return False
        return reached

    def _go(self, first: int) -> int:
        """Move to a sample where that is possible, else to the beginning; returns where it is."""
        import soundfile

        if self._at == first:
            return first
        if self._exact:
            try:
                with quiet_libraries():
                    return self._file.seek(first)
            except soundfile.LibsndfileError:  # some codecs of wav cannot
                pass
        self._reopen()
        return 0

    def _pull(self, count: int) -> tuple[Float32[np.ndarray, "samples channels"], bool]:
        """The next samples, and whether decoding failed after them."""
        import soundfile

        block = np.full((count, self.channels), np.nan, np.float32)
        try:
            with quiet_libraries():
                return self._file.read(out=block), False
        except soundfile.LibsndfileError:
            written = ~np.isnan(block).all(axis=1)
            return block[: int(written.sum()) if written.any() else 0], True

    def _after_damage(self, at: int, tries: int) -> Float32[np.ndarray, "samples channels"] | None:
        """What to put where nothing decodes: nothing, to try again; silence, where the place of the rest is known."""
        import soundfile

        if not self._exact or self._is_mp3:
            return None if tries > (_TRIES if self._is_mp3 else 1) else self._nothing()
        for step in range(1024, self.frames - at, 1024):
            self._reopen()
            try:
                with quiet_libraries():
                    self._file.seek(at + step)
                    self._file.read(1)
                    self._file.seek(at + step)
            except soundfile.LibsndfileError:
                continue
            self._silent += step
            return np.zeros((step, self.channels), np.float32)
        return None

    def _ended_early(self, at: int) -> None:
        """Of an mp3, the frames that were counted bound what there is, and damaged ones count too."""
        told, self.frames = self.frames, at
        if not self._is_mp3:
            self._require_most(told)

    def _nothing(self) -> Float32[np.ndarray, "0 channels"]:
        return np.zeros((0, self.channels), np.float32)

    def tell_damage(self, samples: int) -> None:
        silent, lost, self._silent, self._lost = self._silent, self._lost, 0, 0
        if silent > (1 - MOST) * samples:
            seconds, readable = samples / self.sample_rate, (samples - silent) / self.sample_rate
            raise InputError(f"only {readable:.2f} s of {seconds:.2f} s of sound can be read", self.path, _AGAIN)
        if silent:
            self.say(f"{silent / self.sample_rate:.2f} s of the sound are damaged, and silent here")
        elif lost and self._is_mp3:
            self.say(f"the sound is damaged, and the damaged parts are passed over ({lost} places)")


def _claimed_ratio(log: str) -> float | None:
    """How many times as long as it is a file should be by its header, from libsndfile's log; None where it says not.

    Lengths from 0x7fff0000 on are what writers leave who do not know.
    """
    found = [(int(told), int(real)) for told, real in re.findall(r": (\d+) \(should be (\d+)\)", log)]
    shares = [told / real for told, real in found if 0 < real < told < 0x7FFF0000]
    return max(shares, default=None)
