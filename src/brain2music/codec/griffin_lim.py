"""Sound from the vocoder's mel spectrograms without a vocoder: phases found by iteration, nothing to install.

Perraudin, Balazs & Søndergaard 2013, "A fast Griffin-Lim algorithm" (librosa's), from the magnitudes that
:class:`~brain2music.codec.mel_inverse.MelInverse` finds. Faster than HiFi-GAN by more than ten times on a processor.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Float32

from .codes import Codes
from .hifigan import HOP, N_FFT, RATE
from .mel_inverse import MelInverse

ITERATIONS = 32
INVERSE = "mel-inverse"
"""The model of magnitudes that ships."""


class GriffinLim:
    """80 log-mel bands at 86 Hz to sound; the same spectrogram always gives the same sound."""

    name = "mel-griffin-lim"
    rate = RATE

    def decode(self, codes: Codes) -> Float32[np.ndarray, "1 samples"]:
        """The sound of log-mel frames, aligned with what they were taken from."""
        import librosa

        mel = np.pad(codes.values.astype(np.float32), ((1, 1), (0, 0)), mode="edge")  # frames for the sound's ends
        sound = librosa.griffinlim(
            _inverse().magnitudes(mel), n_iter=ITERATIONS, hop_length=HOP, win_length=N_FFT, n_fft=N_FFT, random_state=0
        )
        first = HOP // 2  # librosa's frames lie around samples 256 i, the vocoder's half a hop later
        return sound[None, first : first + codes.samples].astype(np.float32)


@lru_cache(maxsize=1)
def _inverse() -> MelInverse:
    return MelInverse.from_pretrained(INVERSE)
