"""Stimuli as they were presented: excerpts of recordings, faded and normalised to one level."""

import posixpath
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

import numpy as np
from jaxtyping import Float32

from .._utils.errors import InputError
from ..audio.io import SUFFIXES, duration_of, read_audio
from .content import foreign_content
from .edges import level_of_piece, part_of_fades
from .study import Clip

EXTENSIONS = tuple(dict.fromkeys((".wav", ".au", ".mp3", ".flac", ".ogg", *SUFFIXES)))
"""Extensions of recordings, in the order in which they are tried."""
STIMULUS_SUFFIXES = ("audio", "audiovideo")
"""Suffixes of stimuli with sound in BIDS extension proposal 44, in the order in which they are tried."""
AUDIOVISUAL = (".mp4", ".mkv", ".webm", ".avi", ".mov")
"""Extensions of films, of which the sound is read."""
GTZAN_FOLDERS = ("", "genres_original", "genres", "Data/genres_original")
_CORRECT = "or give start and end in seconds of the recording"
SLACK_S = 0.15
"""Seconds that may be missing at the end of a recording, as durations are logged; filled with silence."""


class StimulusError(InputError):
    """Raised for a recording that cannot be presented; ``code`` is that of the corresponding finding."""

    def __init__(self, code: str, what: str, file: Path, hint: str) -> None:
        super().__init__(what, file, hint)
        self.code = code


@dataclass(frozen=True)
class Stimuli:
    """Waveforms of clips as they were presented, from the recordings in a folder.

    The default is the presentation of ds003720: ``wav[start:end]``, times ``sin(linspace(0, π/2, fade_s · rate))`` at
    its start and mirrored at its end, times ``rms / rms(clip)`` [1]_.

    Attributes
    ----------
    folder : Path
        GTZAN (``<genre>/<genre>.<nnnnn>.wav``, also below ``genres_original``) or any folder of sound files; the track
        of a clip is then the path of the file in the folder, with or without its extension.
    fade_s : float
        Duration of each fade in seconds; 0 leaves the edges as recorded.
    rms : float or None
        Root mean square of every presented clip; None leaves the level as recorded. The default is the constant of the
        experiment as a third party reports it.

    Raises
    ------
    ValueError
        The duration of fades or the level is negative.

    References
    ----------
    .. [1] Nakai et al., 2021, doi:10.1002/brb3.1936, and their stimulus script.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import soundfile
    >>> from brain2music.study import Clip, Stimuli
    >>> soundfile.write("tone.wav", np.sin(np.arange(30 * 8000)), 8000)
    >>> sound, rate = Stimuli(Path("."), fade_s=2.0, rms=0.1).waveform(Clip("tone", 10.0, 25.0))
    >>> sound.shape, rate, round(float(np.sqrt(np.mean(sound**2))), 2), float(sound[0])
    ((120000,), 8000, 0.1, 0.0)
    """

    folder: Path
    fade_s: float = 2.0
    rms: float | None = 0.13210295550519335

    def __post_init__(self) -> None:
        if self.fade_s < 0 or (self.rms is not None and self.rms <= 0):
            raise ValueError(f"fades of {self.fade_s} s and a level of {self.rms}: neither may be negative")
        object.__setattr__(self, "folder", Path(self.folder))

    def find(self, clip: Clip) -> Path:
        """Find the recording that a clip is an excerpt of.

        If no file is spelt exactly as the track of the clip, one that differs in case or in the encoding of accents, as
        between file systems, is taken. A name that leaves the folder is refused; links in the folder may lead anywhere.

        Parameters
        ----------
        clip : Clip
            The clip.

        Returns
        -------
        Path
            The sound file.

        Raises
        ------
        StimulusError
            There is no such recording, or it is outside the folder, or several differ in spelling only.
        """
        for name in (clip.track, clip.genre):
            if leaves_folder(name):
                what = f"the recording {name!r} is outside the folder of stimuli"
                hint = "put it into that folder, and name it relative to it"
                raise StimulusError("stimulus-outside", what, self.folder, hint)
        for path in self._candidates(clip):
            with suppress(OSError):  # of a name that is too long
                if path.is_file():
                    return path
        self._require_fetched(clip)
        if alike := self._alike(clip):
            if len(alike) == 1:
                return alike[0]
            what = f"several recordings differ from {clip.track!r} in spelling only: {', '.join(map(str, alike))}"
            raise StimulusError("audio-several", what, self.folder, "name one of them as it is spelt")
        what = f"the recording of {clip.track!r} is missing"
        if not self.folder.is_dir():
            what = f"there is no folder of stimuli here, so {what}"
        hint = f"put {self._expected(clip)} there, or name another folder of stimuli"
        raise StimulusError("audio-missing", what, self.folder, hint)

    def respelt(self, clip: Clip) -> Path | None:
        """Find the recording of a clip if it is spelt differently from the track.

        Parameters
        ----------
        clip : Clip
            The clip.

        Returns
        -------
        Path or None
            The sound file; None if it is spelt like the track, or missing.
        """
        with suppress(StimulusError, OSError):
            path = self.find(clip)
            return None if path in self._candidates(clip) else path
        return None

    def waveform(self, clip: Clip) -> tuple[Float32[np.ndarray, " samples"], int]:
        """Cut a clip from its recording, as it was presented.

        Parameters
        ----------
        clip : Clip
            The clip.

        Returns
        -------
        waveform : ndarray of shape (samples,)
            Mono sound of ``round(duration · rate)`` samples.
        rate : int
            Sample rate in Hz.

        Raises
        ------
        StimulusError
            The recording is missing, unreadable, ends before the clip does, or is silent there.
        """
        path = self.find(clip)
        excerpt, rate = self._read(path, clip)
        length = round(clip.duration * rate)
        padded = np.pad(excerpt, (0, length - len(excerpt)))
        if clip.piece is not None:
            return self._part(padded, path, clip, rate), rate
        faded = padded * fade(length, self.fade_s, rate)
        return self._level(faded, path, clip).astype(np.float32), rate

    def _read(self, path: Path, clip: Clip) -> tuple[Float32[np.ndarray, " samples"], int]:
        try:
            length_s = duration_of(path)
            if length_s < clip.end - SLACK_S:
                what = f"the recording lasts {length_s:.2f} s but the clip ends at {clip.end:g} s"
                raise StimulusError("audio-short", what, path, f"put the complete recording there, {_CORRECT}")
            return read_audio(path, sample_rate=None, mono=True, start=clip.start, duration=clip.duration)
        except StimulusError:
            raise
        except InputError as problem:
            foreign = foreign_content(path)
            if foreign is not None and foreign.kind != "empty":
                code = "audio-missing" if foreign.is_unfetched else "audio-unreadable"
                raise StimulusError(code, foreign.what, path, foreign.hint) from None
            raise StimulusError("audio-unreadable", problem.what, path, "replace it with an intact copy") from None

    def _part(self, excerpt: np.ndarray, path: Path, clip: Clip, rate: int) -> Float32[np.ndarray, " samples"]:
        """A part of a piece, with the fades and the level of the whole."""
        assert clip.piece is not None
        start, end = clip.piece
        end = min(end, duration_of(path))
        first, length = round((clip.start - start) * rate), round((end - start) * rate)
        faded = excerpt * part_of_fades(first, len(excerpt), length, self.fade_s, rate)
        if self.rms is not None:
            level = level_of_piece(path, start, end, self.fade_s)
            if level == 0:
                what = f"the recording is silent from {start:g} to {end:g} s"
                raise StimulusError("audio-silent", what, path, "replace it with an intact copy")
            faded = faded * (self.rms / level)
        return faded.astype(np.float32)

    def _level(self, waveform: np.ndarray, path: Path, clip: Clip) -> np.ndarray:
        if self.rms is None:
            return waveform
        level = np.sqrt(np.mean(np.square(waveform, dtype=np.float64)))
        if level == 0:
            what = f"the recording is silent from {clip.start:g} to {clip.end:g} s"
            raise StimulusError("audio-silent", what, path, "replace it with an intact copy")
        return waveform * (self.rms / level)

    def _require_fetched(self, clip: Clip) -> None:
        """Raise if the recording is a link to content that is not here."""
        for path in self._candidates(clip):
            with suppress(OSError):
                if path.is_symlink() and (foreign := foreign_content(path)) is not None:
                    raise StimulusError("audio-missing", foreign.what, path, foreign.hint)

    def _candidates(self, clip: Clip) -> Iterator[Path]:
        yield self.folder / clip.track
        for extension in EXTENSIONS:
            for place in GTZAN_FOLDERS:
                yield self.folder / place / clip.genre / f"{clip.track}{extension}"
            yield self.folder / f"{clip.track}{extension}"
            yield self.folder / f"{clip.track}_audio{extension}"  # BIDS extension proposal 44: stim-<label>_audio
        for extension in AUDIOVISUAL:
            yield self.folder / f"{clip.track}_audiovideo{extension}"

    def _alike(self, clip: Clip) -> list[Path]:
        """Files whose names differ from those of the clip's candidates in case and in the form of accents only."""
        listed: dict[Path, dict[str, list[Path]]] = {}
        for candidate in self._candidates(clip):
            if found := _spelt_like(self.folder, candidate.relative_to(self.folder).parts, listed):
                return found
        return []

    def _expected(self, clip: Clip) -> str:
        if clip.track.endswith(EXTENSIONS):
            return clip.track
        return f"{clip.genre}/{clip.track}.wav" if clip.genre else f"{clip.track}.wav"


def leaves_folder(name: str) -> bool:
    """Whether a relative path leads out of its folder, on whatever system it was written."""
    windows = PureWindowsPath(name)
    parts = posixpath.normpath("/".join(windows.parts)).split("/")
    return name.startswith("/") or ".." in parts or bool(Path(name).anchor) or has_drive(name)


def has_drive(name: str) -> bool:
    """Whether a path begins with a Windows drive, as in C:/Users."""
    return name[:1].isalpha() and name[1:3] in (":/", ":\\")


def _spelt_like(folder: Path, parts: Sequence[str], listed: dict[Path, dict[str, list[Path]]]) -> list[Path]:
    """Files below a folder that match a path except for case and accents; ``listed`` caches folders."""
    if folder not in listed:
        names = listed[folder] = {}
        with suppress(OSError):
            for path in sorted(folder.iterdir()):
                names.setdefault(_spelling_key(path.name), []).append(path)
    alike = listed[folder].get(_spelling_key(parts[0]), [])
    if len(parts) == 1:
        return [path for path in alike if path.is_file()]
    return [file for path in alike if path.is_dir() for file in _spelt_like(path, parts[1:], listed)]


def _spelling_key(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def fade(length: int, fade_s: float, rate: int) -> Float32[np.ndarray, " samples"]:
    """Make a gain of ``length`` samples that rises as a quarter sine over ``fade_s`` seconds and falls at the end.

    Fades longer than half of the clip are shortened to half of it.
    """
    ramp = np.sin(np.linspace(0, np.pi / 2, min(round(fade_s * rate), length // 2)))
    return np.concatenate([ramp, np.ones(length - 2 * len(ramp)), ramp[::-1]]).astype(np.float32)
