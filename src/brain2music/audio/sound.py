"""What every generator returns: a sound, and where it came from, in the file as well as beside it."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from .._utils.files import write_json
from .formats import write_tagged
from .io import MAKER

LOUDEST = 0.999
"""Peak of a waveform that would exceed 1."""


@dataclass(frozen=True)
class Reconstruction:
    """A waveform (channels, samples) float32 at ``sample_rate`` Hz.

    ``source`` says where it came from: ``generator``, ``checkpoint``, ``seed``, ``draw``, ``condition`` and
    whatever else the generator was asked for, as JSON types. ``bits`` is what its samples are written in, where the
    format has a choice: 16, 24, or 32 for floats.
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
        """How long it is."""
        return self.waveform.shape[1] / self.sample_rate

    def save(self, path: str | Path, title: str = "Generated music") -> Path:
        """Write wav, flac, ogg or mp3 with its source in the file's tags (title, software, comment), and as JSON.

        The JSON lies beside it, under the same name. A peak above 1 scales the whole down to 1.

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


def limited(
    waveform: Float32[np.ndarray, "channels samples"],
) -> tuple[Float32[np.ndarray, "channels samples"], float]:
    """The waveform, scaled as a whole where its peak is above 1 to a little less; and by what, 1 otherwise."""
    peak = float(np.abs(waveform).max(initial=0.0))
    if not peak > 1.0:
        return np.ascontiguousarray(waveform, dtype=np.float32), 1.0
    gain = LOUDEST / peak
    return np.ascontiguousarray(waveform * np.float32(gain), dtype=np.float32), gain
