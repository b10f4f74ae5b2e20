"""Embedder of YAMNet, Google's tagger of 521 AudioSet classes: 1,024 dimensions, and the class probabilities.

Plakal & Ellis, "YAMNet" (2020, github.com/tensorflow/models, Apache-2.0), as a TFLite file. It was trained neither on
the music nor on the features that our models learn from, so it evaluates their results independently; except what
texts find and make, as its classes taught mulan-small's map of texts.
"""

import csv
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from ..._utils.errors import InputError
from ..._utils.files import digest_file
from ...audio.waveforms import AnyWaveform
from ...embeddings.embeddings import EmbeddingSpace
from ...embeddings.windows import mono_at, window_starts
from .tflite import YAMNET, open_model

SAMPLE_RATE, FRAME_LENGTH, HOP_LENGTH = 16000, 15600, 7800
_EMBEDDING = "global_average_pooling2d/Mean"


class YamnetEmbedder:
    """Embedder of YAMNet: the mean over each window of 1,024 values per frame (0.975 s, one every 0.4875 s).

    Parameters
    ----------
    folder : Path
        Folder of the model and the names of its classes.
    window_s : float
        Seconds of sound per vector.
    step_s : float
        Seconds between vectors.

    Raises
    ------
    InputError
        The package that runs it is not installed, or a file is damaged.
    """

    def __init__(self, folder: Path, window_s: float = 10.0, step_s: float = 1.5) -> None:
        model, names = YAMNET.files
        self._names = folder / names
        self.space = EmbeddingSpace("yamnet", "1", digest_file(folder / model), 1024, window_s, step_s, SAMPLE_RATE)
        self._run = _runner(folder / model)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Display names of AudioSet, in the order of :meth:`classes`."""
        with self._names.open(encoding="utf-8", newline="") as file:
            return tuple(row["display_name"] for row in csv.DictReader(file))

    def embed(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, "windows 1024"]:
        """Embed a waveform at any sample rate, mono or stereo: (windows, 1024)."""
        sound = mono_at(waveform, sample_rate, SAMPLE_RATE)
        frames, window = self._frames(sound)[0], round(self.space.window_s * SAMPLE_RATE)
        seconds = window_starts(len(sound) / SAMPLE_RATE, self.space.window_s, self.space.step_s)
        starts = [round(start * SAMPLE_RATE) for start in seconds]
        middles = np.arange(len(frames)) * HOP_LENGTH + FRAME_LENGTH / 2
        inside = [(middles >= start) & (middles < start + window) for start in starts]
        return np.stack([frames[rows if rows.any() else slice(-1, None)].mean(axis=0) for rows in inside])

    def classes(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, " 521"]:
        """Compute the probability of every class, averaged over the frames of the sound."""
        return self._frames(mono_at(waveform, sample_rate, SAMPLE_RATE))[1].mean(axis=0)

    def _frames(
        self, sound: Float32[np.ndarray, " samples"]
    ) -> tuple[Float32[np.ndarray, "frames 1024"], Float32[np.ndarray, "frames 521"]]:
        """Compute embedding and classes of every frame; the last frame is padded with zeros."""
        count = max(1, 1 + -(-(len(sound) - FRAME_LENGTH) // HOP_LENGTH))
        padded = np.pad(sound, (0, max(0, FRAME_LENGTH + (count - 1) * HOP_LENGTH - len(sound)))).astype(np.float32)
        outputs = [
            self._run(padded[first : first + FRAME_LENGTH]) for first in range(0, count * HOP_LENGTH, HOP_LENGTH)
        ]
        vectors, classes = zip(*outputs, strict=True)
        return np.stack(vectors), np.stack(classes)


def _runner(file: Path) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Make a function that maps a frame of sound to its embedding and classes."""
    model = open_model(file, YAMNET, inner_tensors=True)
    sound, classes = model.get_input_details()[0]["index"], model.get_output_details()[0]["index"]
    inner = [each["index"] for each in model.get_tensor_details() if each["name"].endswith(_EMBEDDING)]
    if len(inner) != 1:
        raise InputError("this TFLite model is not YAMNet", file, YAMNET.command)

    def run(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        model.set_tensor(sound, frame)
        model.invoke()
        return model.get_tensor(inner[0]).ravel(), model.get_tensor(classes).ravel()

    return run
