"""EnCodec and DAC, public neural codecs, through transformers, from a local folder or the Hugging Face cache.

Défossez et al., "High fidelity neural audio compression" (2022, arXiv 2210.13438); Kumar et al., "High-fidelity audio
compression with improved RVQGAN" (2023, arXiv 2306.06546). Nothing is fetched here, and only safetensors are read.
"""

from abc import ABC, abstractmethod
from math import log2
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int

from ..._utils.errors import InputError
from ...audio.limiter import limit
from ...audio.waveforms import AnyWaveform
from ...weights import local_folder
from ..codec_parts.codes import Codes, prepare_waveform
from .hub_weights import require_transformers


class HubCodec(ABC):
    """Codec that wraps a model of transformers.

    Parameters
    ----------
    model : model of transformers. name : name of the codec.
    """

    def __init__(self, model: Any, name: str) -> None:
        self.model, self.name = model.eval(), name
        self.sample_rate = int(model.config.sampling_rate)

    @property
    def kbps(self) -> float:
        """Bitrate in kilobits per second."""
        return self.sample_rate / self.hop_length * self.n_quantizers * log2(self.model.config.codebook_size) / 1000

    @property
    @abstractmethod
    def hop_length(self) -> int:
        """Samples per frame."""

    @property
    @abstractmethod
    def n_quantizers(self) -> int:
        """Number of codebooks in use."""

    def _codes(self, ids: Int[torch.Tensor, "quantizers frames"], samples: int) -> Codes:
        return Codes(self.name, ids.T.numpy().astype(np.int16), samples)

    def _ids(self, codes: Codes) -> Int[torch.Tensor, "quantizers frames"]:
        return torch.from_numpy(codes.values.T.astype(np.int64))


class EnCodec(HubCodec):
    """EnCodec at 24 or 32 kHz, through transformers.

    The model of 32 kHz is that of MusicGen. Sound is encoded as a whole, without chunks. ``get_codec("encodec-24khz")``
    loads the public weights, which are not shipped.

    Parameters
    ----------
    model : EncodecModel
        Model of transformers.
    name : str, default "encodec-24khz"
        Name of the codec.
    bandwidth : float, default 6.0
        Bitrate in kbps, one of those of the checkpoint; ignored where it has only one.

    Raises
    ------
    InputError
        The checkpoint cuts sound into normalised chunks (the 48 kHz model), or has no such bandwidth.

    References
    ----------
    Défossez et al., "High fidelity neural audio compression" (2022, arXiv 2210.13438).

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.models.adapters import EnCodec
    >>> codec = EnCodec.random()  # random weights, without a download
    >>> codes = codec.encode(np.zeros(24000), 24000)
    >>> codes.values.shape, codec.kbps  # frames of 13.3 ms, quantizers
    ((75, 8), 6.0)
    """

    def __init__(self, model: Any, name: str = "encodec-24khz", bandwidth: float = 6.0) -> None:
        super().__init__(model, name)
        config = model.config
        if config.chunk_length_s is not None or config.normalize:
            raise InputError(f"{name} codes sound in normalised chunks", hint="take the 24 or 32 kHz model")
        widths = list(config.target_bandwidths)
        if len(widths) > 1 and bandwidth not in widths:
            raise InputError(f"{name} has no bandwidth of {bandwidth:g} kbps", hint=f"choose one of {widths}")
        self.bandwidth = bandwidth if len(widths) > 1 else widths[0]
        self.channels = int(config.audio_channels)

    @classmethod
    def from_pretrained(cls, folder: str | Path | None = None, bandwidth: float = 6.0) -> "EnCodec":
        """Load a checkpoint.

        Parameters
        ----------
        folder : str or Path, optional
            Folder of the checkpoint; default ``$BRAIN2MUSIC_MODELS/encodec-24khz``, then the Hugging Face cache.
        bandwidth : float, default 6.0
            Bitrate in kbps.

        Returns
        -------
        EnCodec
            The codec.

        Raises
        ------
        InputError
            Transformers or the weights are missing, or an error of the constructor.
        """
        return cls(_load_codec("EncodecModel", "encodec-24khz", "facebook/encodec_24khz", folder), bandwidth=bandwidth)

    @classmethod
    def random(cls, seed: int = 0) -> "EnCodec":
        """Make the 24 kHz model with random weights and codebooks, as a lower bound of scores."""
        require_transformers("encodec-random")
        from transformers import EncodecConfig, EncodecModel

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = EncodecModel(EncodecConfig())
            for name, codebook in model.named_buffers():
                if name.endswith("codebook.embed"):
                    codebook.normal_(std=0.1)
        return cls(model, "encodec-random")

    @property
    def hop_length(self) -> int:
        return int(np.prod(self.model.config.upsampling_ratios))

    @property
    def n_quantizers(self) -> int:
        asked = int(self.model.quantizer.get_num_quantizers_for_bandwidth(self.bandwidth))
        return min(asked, len(self.model.quantizer.layers))

    @torch.inference_mode()
    def encode(self, waveform: AnyWaveform, sample_rate: int) -> Codes:
        """Encode a waveform to codes (frames, n_quantizers)."""
        wave = prepare_waveform(waveform, sample_rate, self.sample_rate, self.channels)
        ids = self.model.encode(torch.from_numpy(wave)[None], bandwidth=self.bandwidth).audio_codes
        return self._codes(ids[0, 0], wave.shape[1])

    @torch.inference_mode()
    def decode(self, codes: Codes) -> Float32[np.ndarray, "channels samples"]:
        """Decode codes to a waveform of the encoded length."""
        wave = self.model.decode(self._ids(codes)[None, None], [None]).audio_values[0].numpy()
        return limit(fit_length(wave, codes.samples), self.sample_rate)

    @torch.inference_mode()
    def latents(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, "frames dims"]:
        """Output of the encoder before quantisation."""
        wave = torch.from_numpy(prepare_waveform(waveform, sample_rate, self.sample_rate, self.channels))
        return self.model.encoder(wave[None])[0].T.numpy()


class DAC(HubCodec):
    """The Descript audio codec with all its codebooks, mono."""

    channels = 1

    def __init__(self, model: Any, name: str = "dac-44khz") -> None:
        super().__init__(model, name)

    @classmethod
    def from_pretrained(cls, folder: str | Path | None = None) -> "DAC":
        """Load a checkpoint from a folder; default ``$BRAIN2MUSIC_MODELS/dac-44khz``, then the Hugging Face cache.

        Raises
        ------
        InputError : transformers or the weights are missing.
        """
        return cls(_load_codec("DacModel", "dac-44khz", "descript/dac_44khz", folder))

    @property
    def hop_length(self) -> int:
        return int(np.prod(self.model.config.downsampling_ratios))

    @property
    def n_quantizers(self) -> int:
        return int(self.model.config.n_codebooks)

    @torch.inference_mode()
    def encode(self, waveform: AnyWaveform, sample_rate: int) -> Codes:
        """Encode a waveform to codes (frames, n_quantizers); the last frame is padded with zeros."""
        wave = self._padded(waveform, sample_rate)
        samples = prepare_waveform(waveform, sample_rate, self.sample_rate, 1).shape[1]
        return self._codes(self.model.encode(wave).audio_codes[0], samples)

    @torch.inference_mode()
    def decode(self, codes: Codes) -> Float32[np.ndarray, "1 samples"]:
        """Decode codes to a waveform of the encoded length."""
        wave = self.model.decode(audio_codes=self._ids(codes)[None]).audio_values
        return limit(fit_length(wave.reshape(1, -1).numpy(), codes.samples), self.sample_rate)

    @torch.inference_mode()
    def latents(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, "frames dims"]:
        """Output of the encoder before quantisation."""
        return self.model.encoder(self._padded(waveform, sample_rate))[0].T.numpy()

    def _padded(self, waveform: AnyWaveform, sample_rate: int) -> Float32[torch.Tensor, "1 1 n"]:
        wave = prepare_waveform(waveform, sample_rate, self.sample_rate, 1)
        return torch.from_numpy(np.pad(wave, ((0, 0), (0, -wave.shape[1] % self.hop_length))))[None]


def fit_length(
    waveform: Float32[np.ndarray, "channels decoded"], samples: int
) -> Float32[np.ndarray, "channels samples"]:
    """Cut a waveform to ``samples``, or pad it with zeros."""
    return np.pad(waveform[:, :samples], ((0, 0), (0, max(0, samples - waveform.shape[1]))))


def _load_codec(model_class: str, name: str, repo: str, folder: str | Path | None) -> Any:
    require_transformers(name)
    import transformers

    local = local_folder(name)
    source = str(folder or (local if local is not None and (local / "config.json").is_file() else repo))
    try:
        return getattr(transformers, model_class).from_pretrained(source, local_files_only=True, use_safetensors=True)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{name} cannot be loaded from {source} ({reason})",
            hint=f"run `hf download {repo}`, or save it as $BRAIN2MUSIC_MODELS/{name}",
        ) from None
