"""Sound from the vocoder's mel spectrograms without a vocoder: phases found by iteration, nothing to install.

Perraudin, Balazs & Søndergaard 2013, "A fast Griffin-Lim algorithm" (librosa's), from the magnitudes that
:class:`~brain2music.models.mel_tokens.mel_inverse.MelInverse` finds. Faster than HiFi-GAN by more than ten times on a
processor.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np
from jaxtyping import Float32

from ..codec_parts.codes import Codes
from .hifigan import HOP, MELS, N_FFT, SAMPLE_RATE
from .mel_inverse import MelInverse

ITERATIONS = 32
_MOMENTUM = 0.99
_STRETCH, _CONTEXT = 860, 64  # frames: 10 s, and 0.74 s to either side
_JOIN = 1024  # samples over which a stretch fades into the next
INVERSE = "mel-inverse"
"""The model of magnitudes that ships."""


class GriffinLim:
    """80 log-mel bands at 86 Hz to sound; the same spectrogram always gives the same sound."""

    name = "mel-griffin-lim"
    sample_rate = SAMPLE_RATE

    def decode(self, codes: Codes) -> Float32[np.ndarray, "1 samples"]:
        """The sound of log-mel frames, aligned with what they were taken from."""
        import librosa

        mel = np.pad(codes.values.astype(np.float32), ((1, 1), (0, 0)), mode="edge")  # frames for the sound's ends
        sound = librosa.griffinlim(
            _inverse().magnitudes(mel), n_iter=ITERATIONS, hop_length=HOP, win_length=N_FFT, n_fft=N_FFT, random_state=0
        )
        first = HOP // 2  # librosa's frames lie around samples 256 i, the vocoder's half a hop later
        return sound[None, first : first + codes.samples].astype(np.float32)

    def blocks(self, mels: Iterable[Float32[np.ndarray, "_ 80"]]) -> Iterator[Float32[np.ndarray, "1 samples"]]:
        """The same of frames that come in pieces, of which some ten seconds are held at once; 256 samples a frame.

        What is one stretch is sung as a whole. Longer sound goes on stretch by stretch: phases are sought under the
        condition that the last 0.7 s stay as they were sung, with 0.7 s to come in sight, so that nothing jumps.
        """
        stretch = _Stretch()
        held, begins = np.zeros((0, MELS), np.float32), 0  # frames, and how many of them were sung before
        for mel in mels:
            held = np.concatenate([held, mel.astype(np.float32)])
            while len(held) - begins >= _STRETCH + _CONTEXT:
                ends = begins + _STRETCH
                yield stretch.sing(held[: ends + _CONTEXT], begins, ends)
                drop = max(0, ends - _CONTEXT)
                held, begins = held[drop:], ends - drop
        if begins == 0 and len(held):
            yield self.decode(Codes(self.name, held, len(held) * HOP))
        elif len(held) > begins:
            yield stretch.sing(held, begins, len(held))


class _Stretch:
    """Sings a stretch after another, each in agreement with the one before."""

    def __init__(self) -> None:
        self._sung, self._ahead = np.zeros(0, np.float32), np.zeros(0, np.float32)

    def sing(self, mel: Float32[np.ndarray, "frames 80"], begins: int, ends: int) -> Float32[np.ndarray, "1 samples"]:
        """The samples of the frames from ``begins`` to ``ends``; those before were sung, those after are to come."""
        sung = self._sung[len(self._sung) - begins * HOP :]
        sound = _sing_on(mel, np.concatenate([sung, self._ahead[:_JOIN]])[: len(mel) * HOP])
        new = sound[begins * HOP : ends * HOP].copy()
        joined = min(len(self._ahead), len(new), _JOIN)
        fade = (np.arange(joined) + 0.5) / max(1, joined)
        new[:joined] = fade * new[:joined] + (1 - fade) * self._ahead[:joined]
        self._sung = np.concatenate([self._sung, new])[-_CONTEXT * HOP :]
        self._ahead = sound[ends * HOP :]
        return new[None]


def _sing_on(
    mel: Float32[np.ndarray, "frames 80"], sung: Float32[np.ndarray, " known"]
) -> Float32[np.ndarray, " samples"]:
    """Samples of log-mel frames, the first of which are known (Griffin-Lim as librosa iterates it)."""
    import librosa

    size = _inverse().magnitudes(np.pad(mel, ((1, 1), (0, 0)), mode="edge"))
    first, last = HOP // 2, HOP // 2 + len(sung)
    phases = np.exp(2j * np.pi * np.random.default_rng(0).random(size.shape)).astype(np.complex64)
    before: np.ndarray | float = 0.0
    for _ in range(ITERATIONS):
        sound = librosa.istft(size * phases, hop_length=HOP, win_length=N_FFT, n_fft=N_FFT)
        sound[first:last] = sung
        found = librosa.stft(sound, hop_length=HOP, win_length=N_FFT, n_fft=N_FFT, pad_mode="constant")
        phases = found - _MOMENTUM / (1 + _MOMENTUM) * before
        phases /= np.abs(phases) + np.finfo(np.float32).tiny
        before = found
    sound = librosa.istft(size * phases, hop_length=HOP, win_length=N_FFT, n_fft=N_FFT)
    return sound[first : first + len(mel) * HOP].astype(np.float32)


@lru_cache(maxsize=1)
def _inverse() -> MelInverse:
    return MelInverse.from_pretrained(INVERSE)
