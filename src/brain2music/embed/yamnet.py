"""YAMNet, Google's tagger of AudioSet's 521 classes: an embedding of 1,024 dimensions, and the classes themselves.

Plakal & Ellis, "YAMNet" (2020, github.com/tensorflow/models, Apache-2.0), as a TFLite file. It was trained on neither
the music nor the features that ours learn from, so it judges what they retrieve and generate independently.
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from ..artifacts import digest_file
from ..errors import InputError
from ..weights import FOLDER_VARIABLE, own_folder
from .embeddings import Space
from .windows import mono_at, window_starts

MODEL, NAMES = "yamnet.tflite", "yamnet_class_map.csv"
COMMAND = (
    f"put {MODEL} (TensorFlow's model page of YAMNet, TFLite) and {NAMES} (github.com/tensorflow/models, research/"
    f"audioset/yamnet) into ${FOLDER_VARIABLE}/yamnet"
)
RATE, FRAME, HOP = 16000, 15600, 7800
_EMBEDDING = "global_average_pooling2d/Mean"


@dataclass(frozen=True)
class YamnetWeights:
    """YAMNet's two files, in ``$BRAIN2MUSIC_MODELS/yamnet``."""

    def folder(self) -> Path:
        """Where they lie; :class:`InputError` says how to get them."""
        folder = own_folder("yamnet")
        if folder is None or not all((folder / name).is_file() for name in (MODEL, NAMES)):
            raise InputError("the files of YAMNet are not here", folder, COMMAND)
        return folder

    def available(self) -> bool:
        """Whether they are here."""
        folder = own_folder("yamnet")
        return folder is not None and all((folder / name).is_file() for name in (MODEL, NAMES))

    def pull(self) -> None:
        """They are in no package and on no hub: :class:`InputError` unless they are here."""
        self.folder()

    def __str__(self) -> str:
        return f"Weights: {MODEL} and {NAMES}, in ${FOLDER_VARIABLE}/yamnet"


class YamnetEmbedder:
    """The mean over each window of YAMNet's 1,024 numbers a frame (0.975 s, one every 0.4875 s).

    Parameters
    ----------
    folder : holds the model and the names of its classes. window_s, step_s : seconds of a window and between them.

    Raises
    ------
    InputError : the package that runs it is not installed, or a file is not what it should be.
    """

    def __init__(self, folder: Path, window_s: float = 10.0, step_s: float = 1.5) -> None:
        self._file = folder / MODEL
        self._names = folder / NAMES
        self.space = Space("yamnet", "1", digest_file(self._file), 1024, window_s, step_s, RATE)
        self._run = _runner(self._file)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """AudioSet's display names, in the order of :meth:`classes`."""
        with self._names.open(encoding="utf-8", newline="") as file:
            return tuple(row["display_name"] for row in csv.DictReader(file))

    def embed(self, waveform: Float32[np.ndarray, " samples"], rate: int) -> Float32[np.ndarray, "windows 1024"]:
        """(windows, 1024) float32 of a mono waveform at any rate."""
        sound = mono_at(waveform, rate, RATE)
        frames, window = self._frames(sound)[0], round(self.space.window_s * RATE)
        starts = [round(start * RATE) for start in window_starts(len(sound) / RATE, *_size(self.space))]
        middles = np.arange(len(frames)) * HOP + FRAME / 2
        inside = [(middles >= start) & (middles < start + window) for start in starts]
        return np.stack([frames[rows if rows.any() else slice(-1, None)].mean(axis=0) for rows in inside])

    def classes(self, waveform: Float32[np.ndarray, " samples"], rate: int) -> Float32[np.ndarray, " 521"]:
        """The probability of every class, the mean over the sound's frames."""
        return self._frames(mono_at(waveform, rate, RATE))[1].mean(axis=0)

    def _frames(
        self, sound: Float32[np.ndarray, " samples"]
    ) -> tuple[Float32[np.ndarray, "frames 1024"], Float32[np.ndarray, "frames 521"]]:
        """Embedding and classes of every frame; the end is padded with zeros to a whole one."""
        count = max(1, 1 + -(-(len(sound) - FRAME) // HOP))
        padded = np.pad(sound, (0, max(0, FRAME + (count - 1) * HOP - len(sound)))).astype(np.float32)
        found = [self._run(padded[first : first + FRAME]) for first in range(0, count * HOP, HOP)]
        vectors, classes = zip(*found, strict=True)
        return np.stack(vectors), np.stack(classes)


def _size(space: Space) -> tuple[float, float]:
    return space.window_s, space.step_s


def _runner(file: Path) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """A frame of sound -> its embedding and classes."""
    try:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    except ImportError:
        raise InputError("YAMNet needs a TFLite interpreter", mend="pip install 'brain2music[score]'") from None
    try:  # the delegate that is used by default hides the tensors inside the network
        plain: Any = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        model = Interpreter(str(file), experimental_preserve_all_tensors=True, experimental_op_resolver_type=plain)
        model.allocate_tensors()
        given, classes = model.get_input_details()[0]["index"], model.get_output_details()[0]["index"]
        inner = [each["index"] for each in model.get_tensor_details() if each["name"].endswith(_EMBEDDING)]
    except (RuntimeError, ValueError) as error:
        raise InputError(f"this is no TFLite model ({error})", file, COMMAND) from None
    if len(inner) != 1:
        raise InputError("this TFLite model is not YAMNet", file, COMMAND)

    def run(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        model.set_tensor(given, frame)
        model.invoke()
        return model.get_tensor(inner[0]).ravel(), model.get_tensor(classes).ravel()

    return run
