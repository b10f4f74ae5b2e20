"""Recordings that are edited: read with all their channels, and given back at their own rate and depth."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32

from ..._utils.errors import Brain2MusicWarning, InputError
from ...audio.info import audio_info
from ...audio.sound import Reconstruction
from ...audio.waveforms import as_channels
from ...embeddings.clips import is_silent
from .gaps import LEAST_KNOWN_S
from .inputs import AudioInput
from .prompts import read_recording

_BITS = 16
"""Depth of a recording that is no file."""


class EditedRecording(NamedTuple):
    """A recording that is edited: its channels and sample rate, its file where there is one, and its origin."""

    channels: Float32[np.ndarray, "channels samples"]
    sample_rate: int
    file: Path | None
    origin: dict[str, Any]

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.channels.shape[1] / self.sample_rate

    def require_continuable(self) -> None:
        """Raise :class:`InputError` where it is too short to go by, and warn where it is silent."""
        if self.seconds < LEAST_KNOWN_S:
            what = f"a recording of {self.seconds:.2f} s cannot be continued"
            raise InputError(what, self.file, f"give {LEAST_KNOWN_S:g} s or more")
        if is_silent(self.channels):
            where = "" if self.file is None else f"{self.file}: "
            what = f"{where}the recording is silent, and what continues it may be, too; a text says what is to come"
            warnings.warn(what, Brain2MusicWarning, 4)

    def written(self, made: Reconstruction) -> Reconstruction:
        """What was made of it, at its sample rate and with its bits per sample."""
        bits = _BITS if self.file is None else audio_info(self.file).bits
        return replace(made, sample_rate=self.sample_rate, bits=bits)


def read_edited(recording: AudioInput, use: str) -> EditedRecording:
    """Read a recording that is edited; it is said where it passes full scale, and is turned down as a whole.

    Parameters
    ----------
    recording : (ndarray, int), Path or str
        A waveform with its sample rate, or a file.
    use : str
        What is done to it, for the origin: "inpaints", "continues".

    Returns
    -------
    EditedRecording
        The recording.
    """
    (waveform, sample_rate), origin = read_recording(recording, use, mono=False)
    file = None if isinstance(recording, tuple | list) else Path(recording)
    channels = (
        as_channels(waveform, sample_rate)[0] if file is None else np.atleast_2d(np.asarray(waveform, np.float32))
    )
    if (peak := float(np.abs(channels).max(initial=0.0))) > 1.0:
        where = "" if file is None else f"{file}: "
        what = f"{where}the recording reaches {peak:.3g}; it is turned down as a whole"
        warnings.warn(what, Brain2MusicWarning, 5)
    return EditedRecording(channels, int(sample_rate), file, origin)
