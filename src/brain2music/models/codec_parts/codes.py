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
    codec : str
        Name of the codec that decodes the values.
    values : ndarray of shape (frames, width)
        Token ids (frames, n_quantizers), latents (frames, dim), or the bytes of a file (bytes, 1).
    samples : int
        Samples of sound per channel, at the sample rate of the codec.
    loudness : ndarray of uint8, of shape (steps,), or None
        Loudness of the sound in steps of 0.4 s, which decoding restores; None where it is not known.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> codec = b2m.get_codec("soundstream-small")
    >>> codes = codec.encode(np.sin(2 * np.pi * 440 * np.arange(48000) / 48000), 48000)
    >>> codes.values.shape, codes.samples
    ((50, 12), 24000)
    """

    codec: str
    values: Shaped[np.ndarray, "frames width"]
    samples: int
    loudness: UInt8[np.ndarray, " steps"] | None = None


@runtime_checkable
class Codec(Protocol):
    """Codec of sound.

    This is the protocol of what :func:`brain2music.get_codec` returns.

    Attributes
    ----------
    name : str
        Name in the registry.
    sample_rate : int
        Sample rate of decoded sound in Hz.
    channels : int
        Channels of decoded sound.
    kbps : float
        Bitrate of the codes in kilobits per second.

    Examples
    --------
    >>> import brain2music as b2m
    >>> from brain2music.models.codec_parts import Codec
    >>> codec = b2m.get_codec("opus-12k")
    >>> isinstance(codec, Codec), codec.sample_rate, codec.channels, codec.kbps
    (True, 48000, 1, 12.0)
    """

    @property
    def name(self) -> str:
        """Name in the registry."""
        ...

    @property
    def sample_rate(self) -> int:
        """Sample rate of decoded sound in Hz."""
        ...

    @property
    def channels(self) -> int:
        """Channels of decoded sound."""
        ...

    @property
    def kbps(self) -> float:
        """Bitrate of the codes in kilobits per second."""
        ...

    def encode(self, waveform: AnyWaveform, sample_rate: int) -> Codes:
        """Encode a waveform.

        Parameters
        ----------
        waveform : ndarray of shape (samples,), (channels, samples) or (samples, channels)
            Mono or stereo samples, as for :func:`brain2music.audio.as_waveform`.
        sample_rate : int
            Sample rate of the waveform in Hz.

        Returns
        -------
        Codes
            The codes, for :meth:`decode`.
        """
        ...

    def decode(self, codes: Codes) -> Float32[np.ndarray, "channels samples"]:
        """Decode codes to a waveform.

        Parameters
        ----------
        codes : Codes
            Output of :meth:`encode`.

        Returns
        -------
        ndarray of float32, of shape (channels, samples)
            Samples within ±1, at :attr:`sample_rate`.
        """
        ...


@runtime_checkable
class TokenCodec(Codec, Protocol):
    """Codec of mono sound whose values are ids, which language models predict.

    Attributes
    ----------
    hop_length : int
        Samples per frame.
    n_quantizers : int
        Ids per frame.
    codebook_size : int
        Codes per quantizer.
    codebooks : Tensor of shape (quantizers, codes, dims)
        Vectors of all codes of each quantizer; the decoder reads their sum over quantizers.

    Examples
    --------
    >>> import brain2music as b2m
    >>> from brain2music.models.codec_parts import TokenCodec
    >>> isinstance(b2m.get_codec("soundstream-small"), TokenCodec)
    True
    >>> isinstance(b2m.get_codec("jen1-autoencoder-small"), TokenCodec)  # has continuous latents
    False
    """

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        ...

    @property
    def n_quantizers(self) -> int:
        """Ids per frame."""
        ...

    @property
    def codebook_size(self) -> int:
        """Codes per quantizer."""
        ...

    @property
    def codebooks(self) -> Float[Tensor, "quantizers codes dims"]:
        """Vectors of all codes of each quantizer, (quantizers, codes, dims)."""
        ...


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
