"""Files of the recordings that clips are excerpts of: their durations, and which names mean one recording."""

import filecmp
import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from .._utils.errors import InputError
from ..audio.io import duration_of
from .finding import Finding, warning
from .stimuli import Stimuli
from .study import Clip

_HEAD = 1 << 16
"""Bytes that distinguish most files."""


@dataclass(frozen=True)
class SoundFiles:
    """Locations and durations of the recordings of clips; None for those not in the folder or not legible."""

    folder: Path | None
    _files: dict[tuple[str, str], Path | None] = field(default_factory=dict, init=False, repr=False)
    _lengths: dict[Path, float | None] = field(default_factory=dict, init=False, repr=False)
    _firsts: dict[Path, Path] = field(default_factory=dict, init=False, repr=False)
    _alike: dict[tuple[int, bytes], list[Path]] = field(default_factory=dict, init=False, repr=False)

    def file(self, clip: Clip) -> Path | None:
        """The file of the recording; searched for once."""
        key = clip.track, clip.genre
        if key not in self._files:
            self._files[key] = None
            if self.folder is not None:
                with suppress(InputError):
                    self._files[key] = Stimuli(self.folder).find(clip)
        return self._files[key]

    def recording(self, clip: Clip) -> Path | None:
        """The file that represents the recording: of those with the same bytes, the first that was requested."""
        path = self.file(clip)
        if path is not None and path not in self._firsts:
            self._firsts[path] = path
            with suppress(OSError):
                self._firsts[path] = self._first(path)
        return None if path is None else self._firsts[path]

    def length(self, clip: Clip) -> float | None:
        """The duration of the recording in seconds; read once."""
        path = self.file(clip)
        if path is not None and path not in self._lengths:
            self._lengths[path] = None
            with suppress(InputError):
                self._lengths[path] = duration_of(path)
        return None if path is None else self._lengths[path]

    def copies(self) -> Iterator[Finding]:
        """Report all recordings that have several names, in one finding."""
        names = [(path, first) for path, first in self._firsts.items() if path != first]
        if names and self.folder is not None:
            path, first = (each.relative_to(self.folder) for each in names[0])
            what = f"{path} and {first} are the same file, and taken for one recording"
            what += f"; so are {len(names) - 1} more pairs" if len(names) > 1 else ""
            hint = "replace the copy, if these should differ"
            yield warning("recordings-alike", self.folder, what, hint)

    def _first(self, path: Path) -> Path:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = hashlib.sha256(file.read(_HEAD)).digest()
        if not size:
            return path
        known = self._alike.setdefault((size, head), [])
        for other in known:
            if filecmp.cmp(path, other, shallow=False):
                return other
        known.append(path)
        return path
