"""Embedder of musicnn, music taggers pretrained on MagnaTagATune and the Million Song Dataset, in torch.

Pons & Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging" (2019, arXiv 1909.06654). The
weights are read from the ``musicnn`` wheel, which is never imported (it requires TensorFlow 1).

The network reads patches of 187 frames (3 s). The embedding of a window is the mean over its patches, which begin every
1.5 s; overlapping windows share patches, and each is computed once. Sound shorter than 3 s is repeated from its start
to 3 s because silence would change the features and make all short sounds similar.

The published extractor rounds the mel spectrogram to half precision, where loud frames overflow; here it stays in
single precision.
"""

import ast
import importlib.util
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from jaxtyping import Float32

from ..._utils.errors import InputError
from ..._utils.files import digest_file
from ...audio.mel import mel_spectrogram
from ...audio.waveforms import AnyWaveform
from ...embeddings.embeddings import EmbeddingSpace
from ...embeddings.windows import mono_at, window_starts
from .network import PATCH_FRAMES, MusicnnNetwork
from .tf_checkpoint import read_checkpoint
from .vgg import VggNetwork

Model = Literal["mtt", "msd"]
Tagger = Literal["mtt", "msd", "mtt-vgg", "msd-vgg"]
Kind = Literal["mean_pool", "max_pool", "penultimate", "tags"]
Network = TypeVar("Network", MusicnnNetwork, VggNetwork)

SAMPLE_RATE, N_FFT, HOP_LENGTH, N_MELS = 16000, 512, 256, 96
PATCH_SAMPLES = PATCH_FRAMES * HOP_LENGTH
PATCH_HOP_S = 1.5
_VERSION = "1"


class MusicnnEmbedder:
    """Embedder of the mean-pooled features of a musicnn model (753) or a VGG (128), averaged over each window.

    Parameters
    ----------
    model : {"mtt", "msd", "mtt-vgg", "msd-vgg"}
        Model: trained on MagnaTagATune or on the Million Song Dataset; musicnn, or the VGG that was trained beside it.
    window_s : float, default 10.0
        Seconds of sound per vector.
    step_s : float, default 1.5
        Seconds between vectors.
    folder : Path, optional
        Folder of the ``musicnn`` package; default where it is installed.

    Raises
    ------
    InputError
        The weights are not installed or damaged, or a window is shorter than 3 s.

    References
    ----------
    Pons and Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging" (2019, arXiv
    1909.06654).
    """

    def __init__(self, model: Tagger, window_s: float = 10.0, step_s: float = 1.5, folder: Path | None = None) -> None:
        if window_s < 3.0 or step_s <= 0:
            raise InputError(
                f"musicnn reads windows of 3 s or more, not {window_s:g} s every {step_s:g} s",
                hint="choose a longer window, and a positive step",
            )
        folder = folder or package_folder()
        data, _, architecture = model.partition("-")
        self.network: Any
        self.network, digest = load_vgg(data, folder) if architecture else load_network(data, folder)
        self.tag_names = read_tag_names(data, folder)
        dims = self.network.dims
        self.space = EmbeddingSpace(f"musicnn-{model}", _VERSION, digest, dims, window_s, step_s, SAMPLE_RATE)

    def embed(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, "windows dims"]:
        """Embed a waveform at any sample rate, mono or stereo: (windows, 753)."""
        return self.features(waveform, sample_rate, "mean_pool")

    def tags(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, "windows 50"]:
        """Probabilities of :attr:`tag_names` per window, (windows, 50)."""
        return self.features(waveform, sample_rate, "tags")

    def features(self, waveform: AnyWaveform, sample_rate: int, kind: Kind) -> Float32[np.ndarray, "windows features"]:
        """Compute one kind of :class:`.network.Features`, averaged over the patches of each window."""
        frames, windows = self.prepare(waveform, sample_rate)
        starts = sorted({start for window in windows for start in window})
        patches = getattr(self.network(frames, starts), kind).numpy()
        rows = {start: row for row, start in enumerate(starts)}
        return np.stack([patches[[rows[start] for start in window]].mean(axis=0) for window in windows])

    def prepare(
        self, waveform: AnyWaveform, sample_rate: int
    ) -> tuple[Float32[torch.Tensor, "frames 96"], list[list[int]]]:
        """Compute the log-mel spectrogram, and for each window the frames at which its patches begin."""
        sound = mono_at(waveform, sample_rate, SAMPLE_RATE)
        duration = len(sound) / SAMPLE_RATE
        if len(sound) < PATCH_SAMPLES:
            sound = np.resize(sound, PATCH_SAMPLES)
        frames = musicnn_log_mel(sound)
        window_s = max(3.0, min(self.space.window_s, duration))
        inside = window_starts(window_s, 3.0, PATCH_HOP_S)
        last = len(frames) - PATCH_FRAMES
        return frames, [
            [min(last, round((start + offset) * SAMPLE_RATE / HOP_LENGTH)) for offset in inside]
            for start in window_starts(duration, self.space.window_s, self.space.step_s)
        ]


def musicnn_log_mel(waveform: Float32[np.ndarray, " samples"]) -> Float32[torch.Tensor, "frames 96"]:
    """Log-mel spectrogram log10(10000 mel + 1) of a waveform at 16 kHz, the input of the network."""
    return torch.log10(10000.0 * mel_spectrogram(waveform, SAMPLE_RATE, N_FFT, HOP_LENGTH, N_MELS) + 1.0)


def package_folder() -> Path:
    """Find the folder of the ``musicnn`` package without importing it; :class:`InputError` when it is missing."""
    spec = importlib.util.find_spec("musicnn")
    if spec is None or not spec.submodule_search_locations:
        raise InputError("the weights of musicnn are not installed", hint="run `brain2music models pull musicnn`")
    return Path(spec.submodule_search_locations[0])


def read_tag_names(model: str, folder: Path) -> tuple[str, ...]:
    """Read the 50 tags of a model from the source of the package, without running it."""
    file = folder / "configuration.py"
    try:
        statements = ast.parse(file.read_text(encoding="utf-8")).body
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"the tag names cannot be read ({error})", file, _HINT) from None
    for statement in statements:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == f"{model.upper()}_LABELS":
            return tuple(ast.literal_eval(statement.value))
    raise InputError(f"there are no tag names for {model!r}", file, _HINT)


def load_network(model: str, folder: Path) -> tuple[MusicnnNetwork, str]:
    """Load the network and the digest (sha256) of its weights, once per process and state of the files."""
    return _read_network(MusicnnNetwork, folder / f"{model.upper()}_musicnn")


def load_vgg(model: str, folder: Path) -> tuple[VggNetwork, str]:
    """Load the VGG of the package as :func:`load_network` loads musicnn."""
    return _read_network(VggNetwork, folder / f"{model.upper()}_vgg")


def _read_network(kind: Callable[..., Network], folder: Path) -> tuple[Network, str]:
    index, data = folder / ".index", folder / ".data-00000-of-00001"
    for file in (index, data):
        if not file.is_file():
            raise InputError("a file of musicnn's weights is missing", file, _HINT)
    return _cached_network(kind, index, data, data.stat().st_mtime_ns, index.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _cached_network(kind: Any, index: Path, data: Path, *modified: int) -> tuple[Any, str]:
    variables = read_checkpoint(index, data, skip=("Adam", "Adam_1"))
    try:
        return kind(variables), digest_file(data)
    except ValueError as error:
        raise InputError(f"these are not the weights of musicnn: {error}", data, _HINT) from None


_HINT = "install the weights again with `brain2music models pull musicnn`"
