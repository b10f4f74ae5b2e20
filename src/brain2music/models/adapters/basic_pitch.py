"""Basic Pitch, Spotify's transcriber of notes: how likely each note sounds at each moment.

Bittner et al., "A lightweight instrument-agnostic model for polyphonic note transcription and multipitch estimation",
ICASSP 2022 (arXiv 2203.09893; Apache-2.0). Its TFLite file is read from the ``basic_pitch`` package, which is never
imported (it requires TensorFlow).
"""

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from ..._utils.errors import InputError
from ...audio.waveforms import AnyWaveform
from ...embeddings.windows import mono_at
from ..sources import ManualFiles
from ..yamnet.tflite import open_model

PACKAGE = "basic_pitch"
RATE = 22_050
LOWEST_MIDI = 21
NOTES, BINS_PER_NOTE = 88, 3
_WINDOW, _FRAMES, _MARGIN = 43_844, 172, 15
_HOP = 256
_STEP = _WINDOW - 2 * _MARGIN * _HOP
_KEPT = _FRAMES - 2 * _MARGIN
FRAMES_PER_S = RATE * _KEPT / _STEP
_FILE = ManualFiles(
    PACKAGE, "Basic Pitch", ("nmp.tflite",), "the basic_pitch wheel", "brain2music models pull basic_pitch"
)


@dataclass(frozen=True)
class NoteProbabilities:
    """What a transcriber of notes says of a sound, 86.6 frames a second.

    Attributes
    ----------
    notes : ndarray of shape (frames, 88)
        Probability that each key of a piano (MIDI 21 to 108) sounds.
    onsets : ndarray of shape (frames, 88)
        Probability that it begins.
    contours : ndarray of shape (frames, 264)
        Probability of each third of a semitone; the second of three is in tune.
    """

    notes: Float32[np.ndarray, "frames 88"]
    onsets: Float32[np.ndarray, "frames 88"]
    contours: Float32[np.ndarray, "frames 264"]


def transcribe_notes(waveform: AnyWaveform, sample_rate: int) -> NoteProbabilities:
    """Compute how likely each note sounds at each moment.

    Parameters
    ----------
    waveform : ndarray of shape (samples,), (channels, samples) or (samples, channels)
        The sound; channels are averaged.
    sample_rate : int
        Sample rate in Hz.

    Returns
    -------
    NoteProbabilities
        Notes, their beginnings, and the contours of pitch.

    Raises
    ------
    InputError
        The package is not installed, or cannot be run.
    """
    run = _load(_model_file())
    sound = mono_at(waveform, sample_rate, RATE)
    padded = np.concatenate([np.zeros(_MARGIN * _HOP, np.float32), sound])
    count = max(1, -(-len(padded) // _STEP))
    padded = np.pad(padded, (0, (count - 1) * _STEP + _WINDOW - len(padded)))
    parts = [run(padded[first : first + _WINDOW]) for first in range(0, count * _STEP, _STEP)]
    kept = max(1, int(len(sound) / _STEP * _KEPT))
    notes, onsets, contours = (
        np.concatenate([part[each][_MARGIN : _FRAMES - _MARGIN] for part in parts])[:kept] for each in range(3)
    )
    return NoteProbabilities(notes, onsets, contours)


def _model_file() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise InputError("Basic Pitch is not installed", hint=f"run `{_FILE.command}`")
    file = Path(spec.submodule_search_locations[0]) / "saved_models" / "icassp_2022" / "nmp.tflite"
    if not file.is_file():
        raise InputError("the model file of Basic Pitch is missing", file, f"run `{_FILE.command}`")
    return file


@lru_cache(maxsize=1)
def _load(file: Path) -> "_Network":
    return _Network(file)


class _Network:
    """The network on one window of sound."""

    def __init__(self, file: Path) -> None:
        self.model = open_model(file, _FILE)
        self.input = self.model.get_input_details()[0]["index"]
        outputs = sorted(self.model.get_output_details(), key=lambda each: str(each["name"]))
        widths = [int(each["shape"][-1]) for each in outputs]
        if sorted(widths) != [NOTES, NOTES, NOTES * BINS_PER_NOTE]:
            raise InputError("this TFLite model is not Basic Pitch", file, _FILE.command)
        contour, note, onset = outputs  # StatefulPartitionedCall:0, :1 and :2
        self.outputs = [each["index"] for each in (note, onset, contour)]

    def __call__(self, window: Float32[np.ndarray, " samples"]) -> list[Float32[np.ndarray, "frames values"]]:
        self.model.set_tensor(self.input, np.ascontiguousarray(window, np.float32)[None, :, None])
        self.model.invoke()
        return [self.model.get_tensor(each)[0].copy() for each in self.outputs]
