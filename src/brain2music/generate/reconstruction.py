"""What every generator returns: a sound, and where it came from, in the file as well as beside it."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from .. import __version__
from ..artifacts import atomic_path, write_json
from ..errors import InputError

_FORMATS = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16")}


@dataclass(frozen=True)
class Reconstruction:
    """A waveform (channels, samples) float32 at ``rate`` Hz.

    ``source`` says where it came from: ``generator``, ``checkpoint``, ``seed``, ``draw``, ``condition`` and
    whatever else the generator was asked for, as JSON types.
    """

    waveform: Float32[np.ndarray, "channels samples"]
    rate: int
    source: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.waveform.size == 0 or not np.isfinite(self.waveform).all():
            raise ValueError("a reconstruction is empty or holds samples that are not finite")

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.waveform.shape[1] / self.rate

    def write(self, path: str | Path, title: str = "Generated music") -> Path:
        """Write wav or flac with its source in the file's tags (title, software, comment), and as JSON beside it.

        A peak above 1 scales the whole down to 1.

        Raises
        ------
        InputError : the suffix is neither.
        """
        import soundfile

        path = Path(path)
        if path.suffix.lower() not in _FORMATS:
            raise InputError(f"cannot write {path.suffix or 'no suffix'!r} files", path, f"use {', '.join(_FORMATS)}")
        kind, subtype = _FORMATS[path.suffix.lower()]
        frames = (self.waveform / max(1.0, float(np.abs(self.waveform).max()))).T
        with (
            atomic_path(path) as temporary,
            soundfile.SoundFile(temporary, "w", self.rate, frames.shape[1], subtype, format=kind) as file,
        ):
            file.title, file.software = title, f"brain2music {__version__}"
            file.comment = json.dumps(self.source, sort_keys=True)
            file.write(frames)
        described = {"title": title, "rate": self.rate, "seconds": self.seconds, "source": self.source}
        write_json(path.with_suffix(".json"), {**described, "generated_by": f"brain2music {__version__}"})
        return path
