"""Lyra V2, Google's released SoundStream for speech: 16 kHz, 46 quantizers of 16 codes at 50 Hz.

The three TFLite files are those of the folder ``lyra/model_coeffs`` of github.com/google/lyra (Apache-2.0). They
keep state from frame to frame, so every sound needs new interpreters.
"""

import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from ..._utils.errors import InputError
from ...audio.limiter import limit
from ...audio.waveforms import AnyWaveform
from ..codec_parts.codes import Codes, prepare_waveform

HOP_LENGTH, N_QUANTIZERS, BITS_PER_CODE = 320, 46, 4
FILES = ("soundstream_encoder.tflite", "quantizer.tflite", "lyragan.tflite")


class Lyra:
    """Codec Lyra V2 at 9.2 kbps.

    Parameters
    ----------
    folder : Path, optional
        Folder of the three TFLite files; default ``$BRAIN2MUSIC_MODELS/lyra-v2``, then
        ``$BRAIN2MUSIC_REAL_DATA/lyra_v2``.

    Raises
    ------
    InputError
        A file or the package that runs them is missing.
    """

    name = "lyra-v2"
    sample_rate = 16_000
    channels = 1
    kbps = sample_rate / HOP_LENGTH * N_QUANTIZERS * BITS_PER_CODE / 1000

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = find_lyra() if folder is None else Path(folder)
        if missing := [name for name in FILES if not (self.folder / name).is_file()]:
            raise InputError(f"{missing[0]} is missing", self.folder, _HINT)
        if importlib.util.find_spec("ai_edge_litert") is None:
            raise InputError(
                "ai-edge-litert, which runs Lyra, is not installed", hint="pip install 'brain2music[score]'"
            )

    def encode(self, waveform: AnyWaveform, sample_rate: int) -> Codes:
        """Encode a waveform to codes (frames, 46), one frame per 20 ms; the last frame is padded with zeros."""
        wave, quantize = (
            prepare_waveform(waveform, sample_rate, self.sample_rate, self.channels)[0],
            self._runner(1, "encode"),
        )
        ids = [
            quantize(input_frames=latent[None, None], num_quantizers=np.int32(N_QUANTIZERS))["output_0"].ravel()
            for latent in self._frames(wave)
        ]
        return Codes(self.name, np.stack(ids).astype(np.int16), len(wave))

    def decode(self, codes: Codes) -> Float32[np.ndarray, "1 samples"]:
        """Decode codes to a waveform, which is aligned with the encoded one because the codec has no look-ahead."""
        look_up, synthesise = self._runner(1, "decode"), self._runner(2)
        latents = (
            look_up(encoding_indices=ids.reshape(N_QUANTIZERS, 1, 1))["output_0"]
            for ids in codes.values.astype(np.int32)
        )
        sound = np.concatenate([synthesise(input_audio=latent)["output_0"][0] for latent in latents])
        return limit(sound[None, : codes.samples], self.sample_rate)

    def latents(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, "frames 64"]:
        """Output of the encoder before quantisation: (frames, 64)."""
        return np.stack(self._frames(prepare_waveform(waveform, sample_rate, self.sample_rate, self.channels)[0]))

    def _frames(self, wave: Float32[np.ndarray, " samples"]) -> list[Float32[np.ndarray, "64"]]:
        encode = self._runner(0)
        padded = np.pad(wave, (0, -len(wave) % HOP_LENGTH)).reshape(-1, 1, HOP_LENGTH)
        return [encode(input_audio=frame)["output_0"].ravel() for frame in padded]

    def _runner(self, file: int, signature: str = "serving_default") -> Any:
        from ai_edge_litert.interpreter import Interpreter

        return Interpreter(str(self.folder / FILES[file]), num_threads=1).get_signature_runner(signature)


_HINT = (
    "copy lyra/model_coeffs/*.tflite of github.com/google/lyra into a folder lyra-v2, and set BRAIN2MUSIC_MODELS to "
    "the folder that holds it"
)


def find_lyra() -> Path:
    """Find the folder of the TFLite files; :class:`InputError` says how to get them."""
    locations = (("BRAIN2MUSIC_MODELS", "lyra-v2"), ("BRAIN2MUSIC_REAL_DATA", "lyra_v2"))
    folders = [Path(os.environ[variable]) / name for variable, name in locations if os.environ.get(variable)]
    for folder in folders:
        if (folder / FILES[0]).is_file():
            return folder
    raise InputError("Lyra V2 is not here", folders[0] if folders else None, _HINT)
