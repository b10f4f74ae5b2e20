"""Opus (RFC 6716) at a given bitrate, the reference for neural codecs."""

import io
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from ...audio.limiter import limit
from ...audio.waveforms import AnyWaveform
from ..codec_parts.codes import Codes, prepare_waveform


@dataclass(frozen=True)
class Opus:
    """Opus at a given bitrate, the reference for neural codecs.

    It is mono, with the settings of libsndfile: variable bitrate, frames of 20 ms, full complexity.

    Parameters
    ----------
    kbps : float, default 6.0
        Target bitrate in kilobits per second, 6 to 256. At 6, music takes some per cent less (:meth:`bits` gives the
        true size).

    Raises
    ------
    ValueError
        The bitrate is out of range.

    References
    ----------
    RFC 6716, "Definition of the Opus audio codec" (2012).

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.models.adapters import Opus
    >>> codec = Opus(12.0)
    >>> codes = codec.encode(np.sin(2 * np.pi * 440 * np.arange(48000) / 48000), 48000)
    >>> codec.decode(codes).shape
    (1, 48000)
    >>> 6000 < Opus.bits(codes) < 18000
    True
    """

    kbps: float = 6.0
    sample_rate = 48_000
    channels = 1

    def __post_init__(self) -> None:
        if not 6 <= self.kbps <= 256:
            raise ValueError(f"Opus encodes a channel at 6 to 256 kbps, not {self.kbps:g}")

    @property
    def name(self) -> str:
        """Name of the codec, such as "opus-6k"."""
        return f"opus-{self.kbps:g}k"

    def encode(self, waveform: AnyWaveform, sample_rate: int) -> Codes:
        """Encode a waveform to the bytes of an Ogg Opus file, (bytes, 1)."""
        import soundfile

        wave, file = prepare_waveform(waveform, sample_rate, self.sample_rate, self.channels), io.BytesIO()
        level = 1 - (self.kbps - 6) / 250  # libsndfile: from 256 kbps (0) to 6 kbps (1)
        with soundfile.SoundFile(
            file, "w", self.sample_rate, self.channels, format="OGG", subtype="OPUS", compression_level=level
        ) as writer:
            writer.write(wave.T)
        return Codes(self.name, np.frombuffer(file.getvalue(), dtype=np.uint8)[:, None], wave.shape[1])

    def decode(self, codes: Codes) -> Float32[np.ndarray, "1 samples"]:
        """Decode to a waveform, aligned with the encoded one (the container says how much to skip)."""
        import soundfile

        frames, _ = soundfile.read(io.BytesIO(codes.values.tobytes()), dtype="float32", always_2d=True)
        return limit(np.ascontiguousarray(frames.T[:, : codes.samples]), self.sample_rate)

    @staticmethod
    def bits(codes: Codes) -> int:
        """Size of the audio packets in bits, without container and headers.

        Parameters
        ----------
        codes : Codes
            Output of :meth:`encode`.

        Returns
        -------
        int
            Number of bits.
        """
        _head, _tags, *audio = ogg_packets(codes.values.tobytes())
        return 8 * sum(audio)


def ogg_packets(data: bytes) -> list[int]:
    """Sizes in bytes of the packets of an Ogg stream (RFC 3533), in order; the first two of Opus are headers."""
    sizes, at, size = [], 0, 0
    while at < len(data):
        if data[at : at + 4] != b"OggS":
            raise ValueError(f"no Ogg page begins at byte {at}")
        lacing = data[at + 27 : at + 27 + data[at + 26]]
        for length in lacing:
            size += length
            if length < 255:
                sizes.append(size)
                size = 0
        at += 27 + len(lacing) + sum(lacing)
    return sizes
