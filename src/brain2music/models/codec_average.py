"""Codecs as embedders: the mean over each window of the latents of a codec ("SoundStream-avg").

Any codec with one vector per frame can be used (:class:`FrameCodec`): our SoundStream and Lyra V2 are defined here, and
those of transformers in :mod:`.adapters.codec_embedding`. Brain2Music decodes codecs worse than models of music.
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
    """Codec with one vector per frame.

    Attributes
    ----------
    sample_rate : int
        Sample rate of its mono sound in Hz.
    dims : int
        Dimensions of a vector.
    sha256 : str
        Digest of the weights.
    """

    sample_rate: int
    dims: int
    sha256: str

    def frames(self, sound: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, "frames dims"]:
        """Encode a sound at :attr:`sample_rate` to vectors; recurrent codecs begin from their initial state."""
        ...


class CodecAverage:
    """Embedder of the mean vector of a codec over each window; each window is encoded by itself."""

    def __init__(self, name: str, codec: FrameCodec, window_s: float = 10.0, step_s: float = 1.5) -> None:
        self.codec = codec
        self.space = EmbeddingSpace(name, _VERSION, codec.sha256, codec.dims, window_s, step_s, codec.sample_rate)

    def embed(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, "windows dims"]:
        """Embed a waveform at any sample rate, mono or stereo: (windows, dims)."""
        windows = each_window(waveform, sample_rate, self.space, _SHORTEST_S)
        return np.stack([self.codec.frames(window).mean(axis=0, dtype=np.float32) for window in windows])


class SoundStreamFrames:
    """Vectors of our SoundStream: the sum of the codes of all quantizers.

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
        """Encode a sound to (frames, dims)."""
        wave = torch.from_numpy(sound)[None, None].to(best_device())
        return self._model.dequantize(self._model.encode(wave))[0].T.cpu().numpy()


class LyraFrames:
    """Vectors of Lyra V2, Google's SoundStream for speech (Apache-2.0): 64 values every 20 ms at 16 kHz.

    They are outputs of the encoder before the 46 quantizers. The encoder keeps a state that its reset does not clear,
    so every sound needs a new interpreter.

    Raises
    ------
    InputError : the interpreter is not installed, or the file is not a TFLite model.
    """

    sample_rate, dims, hop_length = 16000, 64, 320

    def __init__(self, folder: Path) -> None:
        self._file = folder / LYRA.files[0]
        self.sha256 = digest_file(self._file)
        self._interpreter()

    def frames(self, sound: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, "frames 64"]:
        """Encode a sound to (frames, 64); the last frame is padded with zeros."""
        interpreter = self._interpreter()
        inputs, outputs = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
        padded = np.pad(sound, (0, -len(sound) % self.hop_length)).astype(np.float32)
        vectors = []
        for frame in padded.reshape(-1, 1, self.hop_length):
            interpreter.set_tensor(inputs, frame)
            interpreter.invoke()
            vectors.append(interpreter.get_tensor(outputs).reshape(self.dims))
        return np.stack(vectors)

    def _interpreter(self) -> Any:
        return open_model(self._file, LYRA)
