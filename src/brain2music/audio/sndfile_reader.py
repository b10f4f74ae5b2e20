"""Reading of wav, flac, ogg, mp3, aiff and the like with libsndfile, also where the file is damaged."""

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from .._utils.errors import InputError
from .._utils.quiet import quiet_libraries
from .header_repair import HeaderRepair, RepairedFile, is_mp3, ogg_seconds, repair_header
from .reader import HINT_REPLACE, LEAST_SHARE, Reader
from .waveforms import AudioBlock

_BLOCK = 1 << 16
_UNKNOWN = 1 << 60
_TRIES = 16
_BITS = dict.fromkeys(("PCM_16", "PCM_S8", "PCM_U8", "ULAW", "ALAW", "ALAC_16"), 16)
_BITS |= dict.fromkeys(("FLOAT", "DOUBLE", "PCM_32", "ALAC_32"), 32)


class SndfileReader(Reader):
    """Sound file that libsndfile decodes."""

    def __init__(self, path: Path) -> None:
        self.path, self._lost, self._silent = path, 0, 0
        self._repair = repair_header(path)
        self._is_mp3 = is_mp3(path)
        self._file = self._opened(self._repair if not self._is_mp3 else HeaderRepair())
        try:
            self._measure()
        except BaseException:
            self.close()
            raise

    def blocks(self, size: int, first: int = 0) -> Iterator[AudioBlock]:
        self._at = at = self._seek(first)
        self._lost = self._silent = tries = 0
        while at < self.frames:
            block, failed = self._decode(min(size, self.frames - at))
            if failed and len(block) == 0:
                tries += 1
                replacement = self._replace_damage(at, tries)
                if replacement is None:
                    break
                block = replacement
            elif len(block) == 0:
                break
            self._lost += failed and self._is_mp3
            tries = tries if len(block) == 0 else 0
            begins, at = at, at + len(block)
            self._at = at
            if at > first:
                yield np.ascontiguousarray(block[max(0, first - begins) :].T)
        if at < self.frames < _UNKNOWN:
            self._on_early_end(at)
        self.report_damage(at - first)

    def close(self) -> None:
        self._file.close()

    def _opened(self, repair: HeaderRepair) -> Any:
        import soundfile

        plain = repair == HeaderRepair(mp3=repair.mp3, claimed_ratio=repair.claimed_ratio)
        try:
            name = str(self.path)
            name.encode()
        except UnicodeEncodeError:  # bytes that are not UTF-8
            plain = False
        with quiet_libraries():
            file = soundfile.SoundFile(name if plain else RepairedFile(self.path, repair))
        self.sample_rate, self.channels, self.frames, self._at = file.samplerate, file.channels, file.frames, 0
        self.bits = _BITS.get(file.subtype, 24)
        return file

    def _measure(self) -> None:
        """Find the number of samples that decode, where the header may be false."""
        self._exact = self._file.seekable()
        if self._is_mp3:
            self._measure_mp3()
        elif self._file.format in ("FLAC", "OGG"):
            self._measure_stream()
        elif (ratio := self._repair.claimed_ratio or _claimed_ratio(self._file.extra_info)) is not None:
            self._check_claimed_length(self.frames * ratio)

    def _measure_mp3(self) -> None:
        mp3 = self._repair.mp3
        if mp3 is None or abs(self.frames - mp3.samples) <= 2 * mp3.frame_length:
            return
        claimed = self.frames
        self._file.close()
        self._file = self._opened(self._repair)
        self.frames = min(self.frames, mp3.samples + mp3.frame_length)
        if mp3.count_offset is not None:
            self._check_claimed_length(claimed, strict=False)

    def _measure_stream(self) -> None:
        claimed = self.frames
        if claimed >= _UNKNOWN or not self._can_decode(claimed - 1):
            self._exact = False
            self.frames = _UNKNOWN
            self._reopen()
            self.frames = sum(block.shape[1] for block in self._blocks_without_warnings())
            self._reopen()
            if claimed < _UNKNOWN:
                self._check_claimed_length(claimed)
        elif (seconds := ogg_seconds(self.path)) is not None and seconds * self.sample_rate > 1.05 * claimed:
            self._check_claimed_length(seconds * self.sample_rate)

    def _blocks_without_warnings(self) -> Iterator[AudioBlock]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield from self.blocks(_BLOCK)

    def _reopen(self) -> None:
        frames = self.frames
        self._file.close()
        self._file = self._opened(self._repair)
        self.frames = frames

    def _can_decode(self, last: int) -> bool:
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

    def _seek(self, first: int) -> int:
        """Seek to a sample where that is possible, otherwise to the beginning; returns the position."""
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

    def _decode(self, count: int) -> tuple[Float32[np.ndarray, "samples channels"], bool]:
        """The next samples, and whether decoding failed after them."""
        import soundfile

        block = np.full((count, self.channels), np.nan, np.float32)
        try:
            with quiet_libraries():
                return self._file.read(out=block), False
        except soundfile.LibsndfileError:
            written = ~np.isnan(block).all(axis=1)
            return block[: int(written.sum()) if written.any() else 0], True

    def _replace_damage(self, at: int, tries: int) -> Float32[np.ndarray, "samples channels"] | None:
        """Samples to use where decoding fails: none, to try again; or silence up to the next place that decodes."""
        import soundfile

        if not self._exact or self._is_mp3:
            return None if tries > (_TRIES if self._is_mp3 else 1) else self._no_samples()
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

    def _on_early_end(self, at: int) -> None:
        """Set the length where decoding ends early; an mp3 may, because the counted frames include damaged ones."""
        claimed, self.frames = self.frames, at
        if not self._is_mp3:
            self._check_claimed_length(claimed)

    def _no_samples(self) -> Float32[np.ndarray, "0 channels"]:
        return np.zeros((0, self.channels), np.float32)

    def report_damage(self, samples: int) -> None:
        silent, lost, self._silent, self._lost = self._silent, self._lost, 0, 0
        if silent > (1 - LEAST_SHARE) * samples:
            seconds, readable = samples / self.sample_rate, (samples - silent) / self.sample_rate
            raise InputError(f"only {readable:.2f} s of {seconds:.2f} s of sound can be read", self.path, HINT_REPLACE)
        if silent:
            self.warn(f"{silent / self.sample_rate:.2f} s of the sound are damaged, and silent here")
        elif lost and self._is_mp3:
            self.warn(f"the sound is damaged, and the damaged parts are passed over ({lost} places)")


def _claimed_ratio(log: str) -> float | None:
    """Claimed over true duration of a file, from libsndfile's log; None where the log does not say.

    Writers that do not know the length leave 0x7fff0000 or more.
    """
    lengths = [(int(claimed), int(real)) for claimed, real in re.findall(r": (\d+) \(should be (\d+)\)", log)]
    ratios = [claimed / real for claimed, real in lengths if 0 < real < claimed < 0x7FFF0000]
    return max(ratios, default=None)
