"""What every generator returns: a waveform and its origin, which is saved in the file's tags and as JSON."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from .._utils.files import write_json
from .formats import write_tagged
from .io import MAKER
from .limiter import CEILING


@dataclass(frozen=True)
class Reconstruction:
    """Generated sound: a waveform (channels, samples) float32 at ``sample_rate`` Hz, and its origin.

    ``source`` is the origin, as JSON types: ``generator``, ``checkpoint``, ``seed``, ``draw``, ``condition`` and the
    other arguments of the generator. ``bits`` is the number of bits per sample to write, where the format has a choice:
    16, 24, or 32 for floats.
    """

    waveform: Float32[np.ndarray, "channels samples"]
    sample_rate: int
    source: dict[str, Any] = field(default_factory=dict)
    bits: int = 16

    def __post_init__(self) -> None:
        if self.waveform.size == 0 or not np.isfinite(self.waveform).all():
            raise ValueError("a reconstruction is empty or holds samples that are not finite")

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.waveform.shape[1] / self.sample_rate

    def save(self, path: str | Path, title: str = "Generated music") -> Path:
        """Write wav, flac, ogg or mp3 with the origin in its tags (title, software, comment), and a JSON file beside
        it.

        The JSON file has the same name but for its suffix. A waveform whose peak is above 1 is scaled to peak 1.

        Raises
        ------
        InputError : the suffix is none of these, or the format does not know the sample rate or so many channels.
        """
        path = Path(path)
        waveform = self.waveform / max(1.0, float(np.abs(self.waveform).max()))
        tags = {"title": title, "software": MAKER, "comment": json.dumps(self.source, sort_keys=True)}
        write_tagged(path, waveform, self.sample_rate, tags, self.bits)
        described = {"title": title, "rate": self.sample_rate, "seconds": self.seconds, "source": self.source}
        write_json(path.with_suffix(".json"), {**described, "generated_by": MAKER})
        return path


def scale_peak(
    waveform: Float32[np.ndarray, "channels samples"],
) -> tuple[Float32[np.ndarray, "channels samples"], float]:
    """Scale a waveform whose peak is above 1 to :data:`.limiter.CEILING`; returns it and the gain (1 if unchanged)."""
    peak = float(np.abs(waveform).max(initial=0.0))
    if not peak > 1.0:
        return np.ascontiguousarray(waveform, dtype=np.float32), 1.0
    gain = CEILING / peak
    return np.ascontiguousarray(waveform * np.float32(gain), dtype=np.float32), gain
