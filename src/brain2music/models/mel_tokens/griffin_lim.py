"""Vocoder that estimates phases iteratively (Griffin-Lim), without weights to install.

Perraudin, Balazs & Søndergaard 2013, "A fast Griffin-Lim algorithm" (as in librosa), from the magnitudes of
:class:`~brain2music.models.mel_tokens.mel_inverse.MelInverse`. On a CPU it is more than ten times faster than HiFi-GAN.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float32, Int

from ..codec_parts.codes import Codes
from .hifigan import HOP_LENGTH, N_FFT, N_MELS, SAMPLE_RATE
from .mel_inverse import MelInverse

ITERATIONS = 32
_MOMENTUM = 0.99
_SEGMENT, _CONTEXT = 860, 64  # frames: 10 s, and 0.74 s to either side
_JOIN = 1024  # samples of the cross-fade between segments
INVERSE = "mel-inverse"
"""Name of the shipped :class:`.mel_inverse.MelInverse`."""


class GriffinLim:
    """Vocoder of mel spectrograms with the fast Griffin-Lim algorithm.

    It reads 80 log-mel bands at 86 Hz, estimates magnitudes at all frequencies with the shipped model ``mel-inverse``,
    and finds phases by iteration. It needs no further weights, and its result is deterministic.

    References
    ----------
    Perraudin, Balazs and Søndergaard, "A fast Griffin-Lim algorithm" (2013).

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> from brain2music.models.codec_parts import Codes
    >>> from brain2music.models.mel_tokens import GriffinLim
    >>> codec = b2m.get_codec("mel-tokens-6k")
    >>> codes = codec.encode(np.sin(2 * np.pi * 440 * np.arange(5632) / 22050), 22050)
    >>> mel = codec.spectrogram(codes)
    >>> GriffinLim().decode(Codes("mel", mel, codes.samples)).shape
    (1, 5632)
    """

    name = "mel-griffin-lim"
    sample_rate = SAMPLE_RATE

    def decode(self, codes: Codes) -> Float32[np.ndarray, "1 samples"]:
        """Vocode log-mel frames.

        Parameters
        ----------
        codes : Codes
            Log-mel frames (frames, 80) as values, and the number of samples.

        Returns
        -------
        ndarray of float32, of shape (1, samples)
            Sound at 22.05 kHz, aligned with that from which the frames were computed.
        """
        import librosa

        mel = np.pad(codes.values.astype(np.float32), ((1, 1), (0, 0)), mode="edge")  # frames for the ends of the sound
        sound = librosa.griffinlim(
            _inverse().magnitudes(mel),
            n_iter=ITERATIONS,
            hop_length=HOP_LENGTH,
            win_length=N_FFT,
            n_fft=N_FFT,
            random_state=0,
        )
        first = HOP_LENGTH // 2  # frames of librosa are centred on samples 256 i, those of the vocoder half a hop later
        return sound[None, first : first + codes.samples].astype(np.float32)

    def blocks(self, mels: Iterable[Float32[np.ndarray, "_ 80"]]) -> Iterator[Float32[np.ndarray, "1 samples"]]:
        """Vocode log-mel frames that come in pieces, 256 samples per frame, with about ten seconds in memory.

        Up to 10 s are vocoded as a whole. Longer sound is vocoded in segments: phases are estimated with the last 0.7 s
        of the previous segment fixed, and with 0.7 s of look-ahead, so that there are no jumps.
        """
        segment = _Segment()
        pending, begins = np.zeros((0, N_MELS), np.float32), 0  # frames, and how many of them were vocoded before
        for mel in mels:
            pending = np.concatenate([pending, mel.astype(np.float32)])
            while len(pending) - begins >= _SEGMENT + _CONTEXT:
                ends = begins + _SEGMENT
                yield segment.vocode(pending[: ends + _CONTEXT], begins, ends)
                drop = max(0, ends - _CONTEXT)
                pending, begins = pending[drop:], ends - drop
        if begins == 0 and len(pending):
            yield self.decode(Codes(self.name, pending, len(pending) * HOP_LENGTH))
        elif len(pending) > begins:
            yield segment.vocode(pending, begins, len(pending))

    def fill(
        self,
        mel: Float32[np.ndarray, "frames 80"],
        sound: Float32[np.ndarray, " samples"],
        known: Bool[np.ndarray, " samples"],
    ) -> Float32[np.ndarray, " samples"]:
        """Vocode log-mel frames of a sound that is known in part, with phases that fit what is known.

        Every iteration puts the known samples back, so that waves run through the ends of a gap. Outside the gap the
        result is near the sound, not equal to it.
        """
        count = min(len(sound), len(mel) * HOP_LENGTH)
        return _vocode_known(mel, np.flatnonzero(known[:count]), sound[:count][known[:count]])[:count]


class _Segment:
    """Vocoder of consecutive segments, each consistent with the one before."""

    def __init__(self) -> None:
        self._vocoded, self._ahead = np.zeros(0, np.float32), np.zeros(0, np.float32)

    def vocode(self, mel: Float32[np.ndarray, "frames 80"], begins: int, ends: int) -> Float32[np.ndarray, "1 samples"]:
        """Vocode the frames from ``begins`` to ``ends``; earlier frames are done, and later ones are look-ahead."""
        known = self._vocoded[len(self._vocoded) - begins * HOP_LENGTH :]
        sound = _vocode_after(mel, np.concatenate([known, self._ahead[:_JOIN]])[: len(mel) * HOP_LENGTH])
        new = sound[begins * HOP_LENGTH : ends * HOP_LENGTH].copy()
        joined = min(len(self._ahead), len(new), _JOIN)
        fade = (np.arange(joined) + 0.5) / max(1, joined)
        new[:joined] = fade * new[:joined] + (1 - fade) * self._ahead[:joined]
        self._vocoded = np.concatenate([self._vocoded, new])[-_CONTEXT * HOP_LENGTH :]
        self._ahead = sound[ends * HOP_LENGTH :]
        return new[None]


def _vocode_after(
    mel: Float32[np.ndarray, "frames 80"], known: Float32[np.ndarray, " known"]
) -> Float32[np.ndarray, " samples"]:
    """Vocode log-mel frames whose first samples are known."""
    return _vocode_known(mel, slice(0, len(known)), known)


def _vocode_known(
    mel: Float32[np.ndarray, "frames 80"],
    places: slice | Int[np.ndarray, " known"],
    known: Float32[np.ndarray, " known"],
) -> Float32[np.ndarray, " samples"]:
    """Vocode log-mel frames of which the samples at some places are known (the iteration is that of librosa)."""
    import librosa

    magnitudes = _inverse().magnitudes(np.pad(mel, ((1, 1), (0, 0)), mode="edge"))
    first = HOP_LENGTH // 2  # frames of librosa are centred on samples 256 i, those of the vocoder half a hop later
    phases = np.exp(2j * np.pi * np.random.default_rng(0).random(magnitudes.shape)).astype(np.complex64)
    before: np.ndarray | float = 0.0
    for _ in range(ITERATIONS):
        sound = librosa.istft(magnitudes * phases, hop_length=HOP_LENGTH, win_length=N_FFT, n_fft=N_FFT)
        sound[first:][places] = known
        spectrum = librosa.stft(sound, hop_length=HOP_LENGTH, win_length=N_FFT, n_fft=N_FFT, pad_mode="constant")
        phases = spectrum - _MOMENTUM / (1 + _MOMENTUM) * before
        phases /= np.abs(phases) + np.finfo(np.float32).tiny
        before = spectrum
    sound = librosa.istft(magnitudes * phases, hop_length=HOP_LENGTH, win_length=N_FFT, n_fft=N_FFT)
    return sound[first : first + len(mel) * HOP_LENGTH].astype(np.float32)


@lru_cache(maxsize=1)
def _inverse() -> MelInverse:
    return MelInverse.from_pretrained(INVERSE)
