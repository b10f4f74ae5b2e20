"""Generated sound: a waveform and its origin, which is saved in the tags of the file and as JSON."""

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
    """Generated sound and its origin.

    Generators return it. :meth:`save` writes the origin with the sound, so that a piece can be generated again.

    Attributes
    ----------
    waveform : ndarray of float32, of shape (channels, samples)
        Samples, usually within ±1.
    sample_rate : int
        Sample rate in Hz.
    source : dict
        Origin, as JSON types: ``generator``, ``checkpoint``, ``seed``, ``draw`` (number of the sample) and the other
        arguments of the generator.
    bits : int
        Bits per sample to write, where the format has a choice: 16, 24, or 32 for floats.

    Raises
    ------
    ValueError
        The waveform is empty or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.audio import Reconstruction
    >>> piece = Reconstruction(np.zeros((1, 48000), np.float32), 24000, {"generator": "silence", "seed": 0})
    >>> piece.seconds
    2.0
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

    def _repr_html_(self) -> str:
        """HTML of a player, for notebooks."""
        from .player import listen

        return listen({str(self.source.get("generator", "sound")): self})._repr_html_()

    def save(self, path: str | Path, title: str = "Generated music") -> Path:
        """Write a sound file with the origin in its tags, and a JSON file beside it.

        The tags are title, software, comment (the origin) and, where the origin names a licence, copyright. The JSON
        file has the same name with another suffix. A waveform whose peak is above 1 is scaled to peak 1.

        Parameters
        ----------
        path : str or Path
            File to write, with the suffix .wav, .flac, .ogg or .mp3.
        title : str, default "Generated music"
            Title in the tags and the JSON file.

        Returns
        -------
        Path
            The sound file.

        Raises
        ------
        InputError
            The suffix is another, the format does not have the sample rate or so many channels, or the disk is full.
        """
        path = Path(path)
        waveform = self.waveform / max(1.0, float(np.abs(self.waveform).max()))
        terms = licence_words(self.source)
        tags = {"title": title, "software": MAKER, "comment": json.dumps(self.source, sort_keys=True)}
        if terms is not None:
            tags["copyright"] = terms
        write_tagged(path, waveform, self.sample_rate, tags, self.bits)
        described = {"title": title, "rate": self.sample_rate, "seconds": self.seconds, "source": self.source}
        if terms is not None:
            described["licence"] = terms
        write_json(path.with_suffix(".json"), {**described, "generated_by": MAKER})
        return path


def licence_words(source: dict[str, Any]) -> str | None:
    """Words on the licence of generated sound, from its origin; None where it names none, or only that it is yours.

    Parameters
    ----------
    source : dict
        Origin, with ``licence``, ``commercial`` and ``attribution``.

    Returns
    -------
    str or None
        For tags, JSON files and pages.

    Examples
    --------
    >>> licence_words({"licence": "CC-BY-NC-4.0", "commercial": False, "attribution": "Meta (MusicGen)"})
    'CC-BY-NC-4.0, not for commercial use; made with Meta (MusicGen)'
    """
    licence = source.get("licence")
    if not licence or licence == "yours":
        return None
    use = "" if source.get("commercial", True) else ", not for commercial use"
    return f"{licence}{use}" + (f"; made with {source['attribution']}" if source.get("attribution") else "")


def scale_peak(
    waveform: Float32[np.ndarray, "channels samples"],
) -> tuple[Float32[np.ndarray, "channels samples"], float]:
    """Scale a waveform whose peak is above 1 to :data:`.limiter.CEILING`; returns it and the gain (1 if unchanged)."""
    peak = float(np.abs(waveform).max(initial=0.0))
    if not peak > 1.0:
        return np.ascontiguousarray(waveform, dtype=np.float32), 1.0
    gain = CEILING / peak
    return np.ascontiguousarray(waveform * np.float32(gain), dtype=np.float32), gain
