"""Latents that the diffusion model works on: of mel spectrograms (no phases), or of JEN-1's autoencoder (stereo).

Both are whitened (JEN-1, algorithm 1). A small model follows its condition better where latents hold no phases, which
are as good as random; the paper's are those of its autoencoder.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor

from ..._utils.errors import InputError
from ..._utils.files import read_json
from ...weights import find
from ..autoencoder.model import Autoencoder
from ..autoencoder.whitening import LatentWhitening
from ..codecs import codec_digest, get_token_codec
from ..mel_tokens.hifigan import HOP_LENGTH, N_MELS, hifigan_log_mel
from ..mel_tokens.model import MelTokenCodec

WHITENING = "whitening.safetensors"
QUIETEST, LOUDEST = -11.5129, 4.0
"""Range of log-mel values: the floor of the spectrogram, and more than any music at full scale has."""
_MEL_REACH = (384, 384)  # samples that a frame reads beyond its own, before and after
_PART = 512  # mel frames that are vocoded at once


class EncodedSound(NamedTuple):
    """Latents (dim, frames) of a sound, which frames they are known to be (frames,), and the sound's level."""

    latents: Float[Tensor, "dim frames"]
    known: Bool[Tensor, " frames"]
    level: float


@runtime_checkable
class LatentCodec(Protocol):
    """Sound to whitened latents and back.

    ``name`` and ``sha256`` are of the codec under it; ``samples`` of sound at ``sample_rate`` are
    ceil(samples / ``hop_length``) latent frames of ``dim`` channels.
    """

    name: str
    sha256: str
    sample_rate: int
    hop_length: int
    channels: int
    whitening: LatentWhitening

    @property
    def dim(self) -> int:
        """Channels of a whitened latent frame."""
        ...

    def raw(self, wave: Float32[np.ndarray, "channels samples"]) -> Float[Tensor, "raw_dim frames"]:
        """Latents as they are before whitening."""
        ...

    def whiten(self, raw: Float[Tensor, "batch raw_dim frames"]) -> Float[Tensor, "batch dim frames"]:
        """Whiten latents of whole items."""
        ...

    def encode(
        self, wave: Float32[np.ndarray, "channels samples"], known: Bool[np.ndarray, " samples"] | None = None
    ) -> EncodedSound:
        """Whitened latents of a sound, of which some samples may be unknown."""
        ...

    def decode(
        self, latents: Float[Tensor, "dim frames"], level: float | None = None
    ) -> Float32[np.ndarray, "channels samples"]:
        """Sound of whitened latents, at the level of a sound or a usual one."""
        ...


class MelLatents:
    """Latents of log-mel frames before the quantiser of a codec of mel tokens: whitened vectors of several frames.

    Parameters
    ----------
    codec : MelTokenCodec
        Its spectrogram and its vocoder.
    name, sha256 : str
        Name of the codec, and digest of its weights.
    whitening : LatentWhitening
        Of the vectors, whose size says how many mel frames make a latent frame, with as many channels as are kept.
    size_power : float, default 0
        Power of their deviation that whitened channels keep (:class:`.diffusion.DiffusionConfig`).
    """

    channels = 1

    def __init__(
        self, codec: MelTokenCodec, name: str, sha256: str, whitening: LatentWhitening, size_power: float = 0.0
    ) -> None:
        self.codec, self.name, self.sha256 = codec, name, sha256
        self.whitening, self.size_power = whitening, size_power
        self.mel_frames = whitening.dim // N_MELS
        self.sample_rate, self.hop_length = codec.sample_rate, self.mel_frames * HOP_LENGTH

    @property
    def dim(self) -> int:
        """Channels of a whitened latent frame."""
        return self.whitening.channels

    def raw(self, wave: Float32[np.ndarray, "channels samples"]) -> Float[Tensor, "raw_dim frames"]:
        """Log-mel frames of mono sound, as vectors of several frames."""
        mel, frames = hifigan_log_mel(wave[0]).T, self.mel_frames
        whole = torch.cat([mel, mel[-1:].expand(-len(mel) % frames, -1)])
        return whole.reshape(-1, frames * N_MELS).T

    def whiten(self, raw: Float[Tensor, "batch raw_dim frames"]) -> Float[Tensor, "batch dim frames"]:
        """Whiten latents of whole items."""
        return scale_channels(self.whitening(raw), self.whitening, self.size_power)

    def encode(
        self, wave: Float32[np.ndarray, "channels samples"], known: Bool[np.ndarray, " samples"] | None = None
    ) -> EncodedSound:
        """Whitened latents of mono sound; frames that read an unknown sample are unknown."""
        latents = self.whiten(self.raw(wave)[None])[0]
        return EncodedSound(latents, known_frames(known, latents.shape[1], self.hop_length, _MEL_REACH), 0.0)

    def spectrogram(self, latents: Float[Tensor, "dim frames"]) -> Float32[np.ndarray, "mel_frames 80"]:
        """Log-mel frames of whitened latents."""
        scaled = scale_channels(latents[None], self.whitening, self.size_power, back=True)
        vectors = self.whitening.inverse(scaled)[0].T
        return vectors.reshape(-1, N_MELS).clamp(QUIETEST, LOUDEST).cpu().numpy()

    def decode(
        self, latents: Float[Tensor, "dim frames"], level: float | None = None
    ) -> Float32[np.ndarray, "1 samples"]:
        """Mono sound of whitened latents, which hold its level; 10 s at a time, so that memory does not grow."""
        mel = self.spectrogram(latents)
        return np.concatenate(list(self.codec.vocoder.blocks(_parts(mel))), axis=1)


class AutoencoderLatents:
    """Whitened latents of JEN-1's autoencoder; an item's level (RMS) is set aside and put back.

    Parameters
    ----------
    model : Autoencoder
        With the whitening of its latents, unless another is passed.
    name, sha256 : str
        Name of the codec, and digest of its weights.
    whitening : LatentWhitening, optional
        Of the latents; default the autoencoder's own.
    size_power : float, default 0
        As for :class:`MelLatents`.

    Raises
    ------
    InputError
        There is no whitening.
    """

    usual_level = 1.0
    """Level of sound that has none of its own; a trained model sets it to the median of its music."""

    def __init__(
        self,
        model: Autoencoder,
        name: str,
        sha256: str,
        whitening: LatentWhitening | None = None,
        size_power: float = 0.0,
    ) -> None:
        found = whitening or model.whitening
        if found is None:
            raise InputError(f"{name} comes without the whitening of its latents", hint="train the autoencoder again")
        self.model, self.name, self.sha256, self.whitening = model.eval(), name, sha256, found
        self.size_power, config = size_power, model.config
        self.sample_rate, self.hop_length, self.channels = config.sample_rate, config.hop_length, config.channels

    @property
    def dim(self) -> int:
        """Channels of a whitened latent frame."""
        return self.whitening.channels

    def raw(self, wave: Float32[np.ndarray, "channels samples"]) -> Float[Tensor, "raw_dim frames"]:
        """Latents of sound with the autoencoder's channels."""
        return self.model.encode(torch.from_numpy(wave)[None])[0]

    def whiten(self, raw: Float[Tensor, "batch raw_dim frames"]) -> Float[Tensor, "batch dim frames"]:
        """Whiten latents of whole items, each at its own level."""
        return scale_channels(self.whitening(raw), self.whitening, self.size_power)

    def encode(
        self, wave: Float32[np.ndarray, "channels samples"], known: Bool[np.ndarray, " samples"] | None = None
    ) -> EncodedSound:
        """Whitened latents of sound; the level is that of the known frames."""
        raw = self.raw(wave)
        reach = 8 * self.hop_length  # of the encoder's convolutions, to either side
        frames = known_frames(known, raw.shape[1], self.hop_length, (reach, reach + self.hop_length))
        level = self.whitening.rms(raw[None][:, :, frames]) if frames.any() else raw.new_ones(1)
        whitened = scale_channels(self.whitening(raw[None], level), self.whitening, self.size_power)
        return EncodedSound(whitened[0], frames, float(level))

    def decode(
        self, latents: Float[Tensor, "dim frames"], level: float | None = None
    ) -> Float32[np.ndarray, "channels samples"]:
        """Sound of whitened latents, at a level."""
        rms = torch.tensor([self.usual_level if level is None else level])
        scaled = scale_channels(latents[None], self.whitening, self.size_power, back=True)
        return self.model.decode(self.whitening.inverse(scaled, rms))[0].numpy()


def open_latents(
    codec: str | Path,
    whitening: LatentWhitening | None,
    vocoder: str = "griffin-lim",
    size_power: float = 0.0,
    mel_frames: int = 4,
) -> LatentCodec:
    """Make latents from a codec of ours, by shipped name or folder.

    Parameters
    ----------
    codec : str or Path
        A codec of mel tokens, or an autoencoder.
    whitening : LatentWhitening, optional
        Of its latents; needed for mel tokens, which come without.
    vocoder : {"griffin-lim", "hifigan"}
        Of mel spectrograms.
    size_power : float, default 0
        Power of their deviation that whitened channels keep.
    mel_frames : int, default 4
        Mel frames (11.6 ms) per latent frame, where no whitening says it.

    Returns
    -------
    LatentCodec
        The latents.

    Raises
    ------
    InputError
        The codec is of another kind.
    """
    folder = find(codec)
    kind, sha256 = read_json(folder / "config.json").get("model"), codec_digest(folder)
    if kind == "Autoencoder":
        return AutoencoderLatents(Autoencoder.from_pretrained(folder), folder.name, sha256, whitening, size_power)
    if kind == "MelTokens":
        tokens = get_token_codec(str(codec), None, "cpu", vocoder)
        assert isinstance(tokens, MelTokenCodec)
        empty = LatentWhitening(mel_frames * N_MELS)
        return MelLatents(tokens, folder.name, sha256, whitening or empty, size_power)
    raise InputError(f"a {kind} has no latents for diffusion", folder, "name mel-tokens-6k or an autoencoder")


def scale_channels(
    latents: Float[Tensor, "batch dim frames"], whitening: LatentWhitening, size_power: float, back: bool = False
) -> Float[Tensor, "batch dim frames"]:
    """Give whitened channels a power of the sizes that they had before; ``back`` takes it away.

    Parameters
    ----------
    latents : (batch, dim, frames)
        Whitened latents, or scaled ones to bring back.
    whitening : LatentWhitening
        With which they were whitened.
    size_power : float
        Of their deviations: 0 changes nothing, 1 makes it one scale for all channels.
    back : bool
        Which way.

    Returns
    -------
    (batch, dim, frames)
        Latents, of unit variance on average over channels.
    """
    if size_power == 0.0:
        return latents
    sizes = channel_sizes(whitening, size_power).to(latents)[:, None]
    return latents / sizes if back else latents * sizes


def channel_sizes(whitening: LatentWhitening, size_power: float) -> Float[Tensor, " dim"]:
    """Standard deviations of whitened channels that keep a power of their sizes.

    Parameters
    ----------
    whitening : LatentWhitening
        With which they were whitened.
    size_power : float
        Of their deviations.

    Returns
    -------
    (dim,)
        Of unit root mean square.
    """
    sizes = whitening.deviations**size_power
    return torch.from_numpy(sizes / np.sqrt(np.mean(sizes**2))).float()


def known_frames(
    known: Bool[np.ndarray, " samples"] | None, frames: int, hop_length: int, reach: tuple[int, int]
) -> Bool[Tensor, " frames"]:
    """Which latent frames read known samples only.

    Parameters
    ----------
    known : (samples,), optional
        Which samples are known; default all.
    frames, hop_length : int
        Of the latents.
    reach : tuple of int
        Samples that a frame reads before its first, and after its last.

    Returns
    -------
    (frames,)
        Whether each is known; what is beyond the ends of the sound counts as known.

    Examples
    --------
    >>> known = np.array([True] * 8 + [False] * 4 + [True] * 8)
    >>> known_frames(known, 5, 4, (1, 1)).tolist()
    [True, False, False, False, True]
    """
    if known is None or known.all():
        return torch.ones(frames, dtype=torch.bool)
    unknown = np.concatenate([[0], np.cumsum(~known)])
    starts = np.arange(frames) * hop_length
    first = (starts - reach[0]).clip(0, len(known))
    last = (starts + hop_length + reach[1]).clip(0, len(known))
    return torch.from_numpy(unknown[last] == unknown[first])


def describe_latents(latents: LatentCodec) -> dict[str, Any]:
    """What a model or its data says of its latents, as JSON types.

    Parameters
    ----------
    latents : LatentCodec
        The latents.

    Returns
    -------
    dict
        Codec, its digest, its frames per second, and whether items are brought to one level.
    """
    return {
        "codec": latents.name,
        "codec_sha256": latents.sha256,
        "frame_rate": latents.sample_rate / latents.hop_length,
        "normalise_rms": isinstance(latents, AutoencoderLatents),
    }


def _parts(mel: Float32[np.ndarray, "frames 80"]) -> Iterator[Float32[np.ndarray, "part 80"]]:
    """A spectrogram in pieces that the vocoder takes one after the other."""
    for first in range(0, len(mel), _PART):
        yield mel[first : first + _PART]
