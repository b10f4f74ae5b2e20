"""EnCodec and DAC through transformers, as vectors per frame for :mod:`brain2music.models.codec_average`."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch.nn import functional

from ..._utils.errors import InputError
from .hub_weights import HubWeights, load_pretrained, require_transformers
from .hub_windows import best_device

_KBPS = 6.0


class EncodecFrames:
    """Vectors of EnCodec at 24 kHz mono (Défossez et al. 2022, arXiv 2210.13438), at 6 kbps or the next lower bitrate.

    Raises
    ------
    InputError : the weights are missing, damaged, or of the stereo model, which cuts and normalises its input.
    """

    def __init__(self, weights: HubWeights) -> None:
        require_transformers(weights.name)
        from transformers import EncodecModel

        self._model = load_pretrained(EncodecModel, weights.folder()).to(best_device())
        config = self._model.config
        if config.audio_channels != 1 or config.normalize or config.chunk_length_s:
            raise InputError(
                "this EnCodec is not the mono one of 24 kHz", weights.folder(), "take facebook/encodec_24khz"
            )
        bitrates = config.target_bandwidths
        self._kbps = max((kbps for kbps in bitrates if kbps <= _KBPS), default=min(bitrates))
        self.sample_rate, self.dims, self.sha256 = config.sampling_rate, config.hidden_size, weights.digest()

    @torch.inference_mode()
    def frames(self, sound: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, "frames dims"]:
        """Sum of the code vectors of all quantizers per frame: (frames, dims)."""
        codes = self._model.encode(_as_batch(sound), bandwidth=self._kbps).audio_codes[0]
        return self._model.quantizer.decode(codes.transpose(0, 1))[0].T.cpu().numpy()


class DacFrames:
    """Vectors of the Descript audio codec at 44.1 kHz (Kumar et al. 2023, arXiv 2306.06546), from all quantizers.

    Raises
    ------
    InputError : the weights are missing or damaged.
    """

    def __init__(self, weights: HubWeights) -> None:
        require_transformers(weights.name)
        from transformers import DacModel

        self._model = load_pretrained(DacModel, weights.folder()).to(best_device())
        config = self._model.config
        self._hop_length = int(np.prod(config.downsampling_ratios))
        self.sample_rate, self.dims, self.sha256 = config.sampling_rate, config.hidden_size, weights.digest()

    @torch.inference_mode()
    def frames(self, sound: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, "frames dims"]:
        """Sum of the code vectors of all quantizers per frame: (frames, dims); the last frame is padded with zeros."""
        wave = functional.pad(_as_batch(sound), (0, -len(sound) % self._hop_length))
        return self._model.encode(wave).quantized_representation[0].T.cpu().numpy()


def _as_batch(sound: Float32[np.ndarray, " samples"]) -> Any:
    return torch.from_numpy(sound)[None, None].to(best_device())
