"""Codecs as embedders: the mean over each window of a codec's latents ("SoundStream-avg").

Any codec that gives one vector per frame can be used (:class:`FrameCodec`): SoundStream of ours and Lyra V2 are here,
those of transformers in :mod:`.adapters.codec_embedding`. In Brain2Music, codecs are decoded worse than models of
music.
"""

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float32

from .._utils.files import digest_file
from ..audio.waveforms import AnyWaveform
from ..embeddings.embeddings import EmbeddingSpace
from .adapters.hub_windows import best_device, each_window
from .yamnet.tflite import LYRA, open_model

_VERSION = "1"
_SHORTEST_S = 0.2


@runtime_checkable
class FrameCodec(Protocol):
    """A codec that gives one vector per frame.

    Attributes
    ----------
    sample_rate : Hz of the mono sound it reads. dims : of a vector. sha256 : of its weights.
    """

    sample_rate: int
    dims: int
    sha256: str

    def frames(self, sound: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, "frames dims"]:
        """The de-quantised vectors of a sound at :attr:`rate`, from a state of rest."""
        ...


class CodecAverage:
    """Embedder: mean of a codec's vectors over each window; each window is encoded by itself."""

    def __init__(self, name: str, codec: FrameCodec, window_s: float = 10.0, step_s: float = 1.5) -> None:
        self.codec = codec
        self.space = EmbeddingSpace(name, _VERSION, codec.sha256, codec.dims, window_s, step_s, codec.sample_rate)

    def embed(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, "windows dims"]:
        """(windows, dims) float32 of a waveform at any sample rate, mono or stereo."""
        windows = each_window(waveform, sample_rate, self.space, _SHORTEST_S)
        return np.stack([self.codec.frames(window).mean(axis=0, dtype=np.float32) for window in windows])


class SoundStreamFrames:
    """SoundStream of ours: the sum of the codes of all quantizers.

    Raises
    ------
    InputError : the folder holds no SoundStream.
    """

    def __init__(self, folder: Path) -> None:
        from .soundstream.model import SoundStream

        self._model = SoundStream.from_pretrained(folder).to(best_device())
        self.sample_rate, self.sha256 = self._model.config.sample_rate, digest_file(folder / "model.safetensors")
        self.dims = self._model.config.dim

    @torch.inference_mode()
    def frames(self, sound: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, "frames dims"]:
        """(frames, dims)."""
        wave = torch.from_numpy(sound)[None, None].to(best_device())
        return self._model.dequantize(self._model.encode(wave))[0].T.cpu().numpy()


class LyraFrames:
    """Lyra V2, Google's SoundStream for speech (Apache-2.0), by TFLite: 64 values every 20 ms at 16 kHz.

    The encoder's output, before its quantiser of 46 quantizers. It keeps a state that its reset does not clear, so
    every sound gets an interpreter of its own.

    Raises
    ------
    InputError : the interpreter is not installed, or the file is no model of Lyra's.
    """

    sample_rate, dims, hop_length = 16000, 64, 320

    def __init__(self, folder: Path) -> None:
        self._file = folder / LYRA.files[0]
        self.sha256 = digest_file(self._file)
        self._interpreter()

    def frames(self, sound: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, "frames 64"]:
        """(frames, 64); the end is padded with zeros to a whole frame."""
        interpreter = self._interpreter()
        given, taken = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
        padded = np.pad(sound, (0, -len(sound) % self.hop_length)).astype(np.float32)
        vectors = []
        for frame in padded.reshape(-1, 1, self.hop_length):
            interpreter.set_tensor(given, frame)
            interpreter.invoke()
            vectors.append(interpreter.get_tensor(taken).reshape(self.dims))
        return np.stack(vectors)

    def _interpreter(self) -> Any:
        return open_model(self._file, LYRA)
