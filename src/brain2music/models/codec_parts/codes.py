"""The interface of codecs: codes, the protocols, and the preparation of sound."""

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
    """Sound as a codec stores it.

    Attributes
    ----------
    codec : the name of the codec that reads them.
    values : (frames, width): token ids (frames, n_quantizers), latents (frames, dim), or packets of bytes.
    samples : of sound in each channel, at the codec's sample rate.
    loudness : of the sound in steps of 0.4 s, as :mod:`.loudness` measures it; None where that is not known.
    """

    codec: str
    values: Shaped[np.ndarray, "frames width"]
    samples: int
    loudness: UInt8[np.ndarray, " steps"] | None = None


@runtime_checkable
class Codec(Protocol):
    """A codec: sound to codes and back.

    Attributes
    ----------
    name : as in the registry. sample_rate : Hz of what ``decode`` gives. channels : of what ``decode`` gives.
    kbps : kilobits per second of the codes.
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
        """Codes of a waveform in mono or stereo at any sample rate."""
        ...

    def decode(self, codes: Codes) -> Float32[np.ndarray, "channels samples"]:
        """The waveform (channels, samples) at the codec's own sample rate and number of channels."""
        ...


@runtime_checkable
class TokenCodec(Codec, Protocol):
    """A codec of mono sound whose values are ids (frames, n_quantizers), as language models take them.

    Attributes
    ----------
    hop_length : samples per frame. n_quantizers : ids of a frame. codebook_size : ids of each quantizer.
    codebooks : vectors of the ids of each quantizer; the decoder takes their sum.
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
    """Number of quantizers to use, all by default; :class:`InputError` where there are fewer than asked for."""
    if n_quantizers is not None and not 1 <= n_quantizers <= available:
        raise InputError(f"{name} has {available} quantizers, not {n_quantizers}", hint="ask for 1 to all of them")
    return available if n_quantizers is None else n_quantizers


def check_ids(ids: Shaped[np.ndarray, "frames width"], n_quantizers: int, codebook_size: int, name: str) -> None:
    """Raise :class:`InputError` unless these are ids of at most ``n_quantizers`` quantizers."""
    integers = 1 <= ids.shape[1] <= n_quantizers and np.issubdtype(ids.dtype, np.integer)
    if not integers or (ids.size and not 0 <= ids.min() <= ids.max() < codebook_size):
        raise InputError(f"these are not codes of {name}", hint="decode with the codec that encoded them")


def require_codes(codes: Codes, name: str) -> None:
    """Refuse codes of another codec, whose ids may look like ours; names that are paths say nothing: folders move."""
    is_path = any("/" in each or not each for each in (codes.codec, name))
    if codes.codec != name and not is_path:
        raise InputError(f"these are codes of {codes.codec}, not of {name}", hint="decode with the codec of that name")


def prepare_waveform(
    waveform: AnyWaveform, sample_rate: int, target_rate: int, channels: int
) -> Float32[np.ndarray, "channels resampled"]:
    """A waveform at another sample rate, mixed to mono or spread to stereo.

    Raises
    ------
    InputError : as :func:`brain2music.audio.waveforms.as_channels`, or it is shorter than a sample at that sample rate.
    """
    sound, sample_rate = as_channels(waveform, sample_rate)
    resampled = resample(mixed(sound, channels), sample_rate, target_rate)
    check_length(resampled.shape[1], target_rate)
    return resampled


def check_length(samples: int, sample_rate: int) -> None:
    """Refuse sound of which resampling leaves nothing."""
    if samples == 0:
        raise InputError(f"the sound is shorter than one sample at {sample_rate} Hz", hint="give a longer one")


def check_channels_and_rate(channels: int, sample_rate: int) -> None:
    """Refuse by name what no codec here can take."""
    if channels not in (1, 2):
        raise InputError(f"the sound has {channels} channels", hint="mix it down to mono or stereo")
    if not 1000 <= sample_rate <= 768_000:
        raise InputError(f"the sound has a sample rate of {sample_rate} Hz", hint="give one between 1 and 768 kHz")


def mixed(waveform: Float32[np.ndarray, "any samples"], channels: int) -> Float32[np.ndarray, "channels samples"]:
    """Mono using :func:`brain2music.audio.channels.mix`, stereo by doubling."""
    if waveform.shape[0] == channels:
        return waveform
    return mix(waveform)[None] if channels == 1 else np.repeat(waveform, channels, axis=0)
