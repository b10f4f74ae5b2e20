"""Interface of codecs: codes, protocols, and preparation of waveforms."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, Shaped, UInt8
from torch import Tensor

from ..._utils.errors import InputError
from ...audio.channels import mix
from ...audio.io import resample
from ...audio.waveforms import AnyWaveform, as_channels


@dataclass(frozen=True)
class Codes:
    """Sound encoded by a codec.

    Attributes
    ----------
    codec : name of the codec that decodes the values.
    values : token ids (frames, n_quantizers), latents (frames, dim), or bytes (bytes, 1).
    samples : samples of sound per channel, at the sample rate of the codec.
    loudness : loudness of the sound in steps of 0.4 s (:mod:`.loudness`); None where it is not known.
    """

    codec: str
    values: Shaped[np.ndarray, "frames width"]
    samples: int
    loudness: UInt8[np.ndarray, " steps"] | None = None


@runtime_checkable
class Codec(Protocol):
    """Codec of sound.

    Attributes
    ----------
    name : name in the registry. sample_rate, channels : sample rate in Hz and channels of decoded sound.
    kbps : bitrate of the codes in kilobits per second.
    """

    @property
    def name(self) -> str: ...
    @property
    def sample_rate(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def kbps(self) -> float: ...

    def encode(self, waveform: AnyWaveform, sample_rate: int) -> Codes:
        """Encode a mono or stereo waveform at any sample rate."""
        ...

    def decode(self, codes: Codes) -> Float32[np.ndarray, "channels samples"]:
        """Decode codes to a waveform (channels, samples) at :attr:`sample_rate`."""
        ...


@runtime_checkable
class TokenCodec(Codec, Protocol):
    """Codec of mono sound whose values are ids (frames, n_quantizers), which language models predict.

    Attributes
    ----------
    hop_length : samples per frame. n_quantizers : ids per frame. codebook_size : codes per quantizer.
    codebooks : vectors of all codes of each quantizer; the decoder reads their sum over quantizers.
    """

    @property
    def hop_length(self) -> int: ...
    @property
    def n_quantizers(self) -> int: ...
    @property
    def codebook_size(self) -> int: ...
    @property
    def codebooks(self) -> Float[Tensor, "quantizers codes dims"]: ...


def check_n_quantizers(n_quantizers: int | None, available: int, name: str) -> int:
    """Number of quantizers to use, by default all; :class:`InputError` where fewer are available."""
    if n_quantizers is not None and not 1 <= n_quantizers <= available:
        raise InputError(f"{name} has {available} quantizers, not {n_quantizers}", hint="ask for 1 to all of them")
    return available if n_quantizers is None else n_quantizers


def check_ids(ids: Shaped[np.ndarray, "frames width"], n_quantizers: int, codebook_size: int, name: str) -> None:
    """Raise :class:`InputError` unless ``ids`` are codes of at most ``n_quantizers`` quantizers."""
    integers = 1 <= ids.shape[1] <= n_quantizers and np.issubdtype(ids.dtype, np.integer)
    if not integers or (ids.size and not 0 <= ids.min() <= ids.max() < codebook_size):
        raise InputError(f"these are not codes of {name}", hint="decode with the codec that encoded them")


def require_codec(codes: Codes, name: str) -> None:
    """Raise :class:`InputError` for codes of another codec; paths are not compared because folders move."""
    is_path = any("/" in each or not each for each in (codes.codec, name))
    if codes.codec != name and not is_path:
        raise InputError(f"these are codes of {codes.codec}, not of {name}", hint="decode with the codec of that name")


def prepare_waveform(
    waveform: AnyWaveform, sample_rate: int, target_rate: int, channels: int
) -> Float32[np.ndarray, "channels resampled"]:
    """Resample a waveform, and mix it to mono or repeat it to stereo.

    Raises
    ------
    InputError : errors of :func:`brain2music.audio.waveforms.as_channels`, or resampling leaves no sample.
    """
    sound, sample_rate = as_channels(waveform, sample_rate)
    resampled = resample(mix_to(sound, channels), sample_rate, target_rate)
    check_length(resampled.shape[1], target_rate)
    return resampled


def check_length(samples: int, sample_rate: int) -> None:
    """Raise :class:`InputError` for sound of which resampling leaves no sample."""
    if samples == 0:
        raise InputError(f"the sound is shorter than one sample at {sample_rate} Hz", hint="give a longer one")


def check_channels_and_rate(channels: int, sample_rate: int) -> None:
    """Raise :class:`InputError` for numbers of channels and sample rates that no codec reads."""
    if channels not in (1, 2):
        raise InputError(f"the sound has {channels} channels", hint="mix it down to mono or stereo")
    if not 1000 <= sample_rate <= 768_000:
        raise InputError(f"the sound has a sample rate of {sample_rate} Hz", hint="give one between 1 and 768 kHz")


def mix_to(waveform: Float32[np.ndarray, "any samples"], channels: int) -> Float32[np.ndarray, "channels samples"]:
    """Mix a waveform to mono (:func:`brain2music.audio.channels.mix`), or repeat it to stereo."""
    if waveform.shape[0] == channels:
        return waveform
    return mix(waveform)[None] if channels == 1 else np.repeat(waveform, channels, axis=0)
