"""A modulation postfilter of generated spectrograms, fitted to those of music."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32
from scipy.fft import dct, idct
from scipy.ndimage import gaussian_filter
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann

from ..._utils.errors import InputError
from ..._utils.files import read_arrays, write_arrays
from ..mel_tokens.hifigan import N_MELS

FILE = "postfilter.safetensors"
FRAMES = 256  # of 11.6 ms: 3 s, a resolution of 0.34 Hz
_RANGE = (0.2, 4.0)
_BLUR = (1.0, 1.5)  # quefrencies, modulation frequencies


@dataclass(frozen=True)
class Postfilter:
    """A gain per quefrency and modulation frequency of a log-mel spectrogram, one filter for all music.

    Samples of a language model flicker: each code is likely where it stands, and its randomness has little to do with
    that of the next. Spectra change too much at 5 to 30 Hz and too little below 2, most in their fine structure,
    in the same way for all conditions. Takamichi et al. 2016 (doi:10.1109/TASLP.2016.2522655) bring the modulation
    spectra of synthesised speech to those of natural speech; here the gain is the ratio of their medians over pieces.

    Attributes
    ----------
    gains : (80, FRAMES / 2 + 1), quefrency x modulation frequency; the mean of a piece is left as it is.
    """

    gains: Float32[np.ndarray, "quefrencies modulations"]

    @classmethod
    def fit(
        cls,
        sampled: Sequence[Float32[np.ndarray, "_ bands"]],
        real: Sequence[Float32[np.ndarray, "_ bands"]],
    ) -> "Postfilter":
        """Fit gains to sampled and real spectrograms of similar length, which need not be paired."""
        generated, music = (np.median([_modulation_power(mel) for mel in side], axis=0) for side in (sampled, real))
        ratio = gaussian_filter((music - generated) / 2, _BLUR)
        return cls(np.exp(ratio).clip(*_RANGE).astype(np.float32))

    def __call__(self, mel: Float32[np.ndarray, "frames bands"]) -> Float32[np.ndarray, "frames bands"]:
        """Filter a spectrogram; its length is kept."""
        mean = mel.mean(axis=0)
        padded = np.pad(_cepstra(mel - mean), ((FRAMES, FRAMES), (0, 0)), mode="edge")
        spectrum = _STFT.stft(padded, axis=0) * self.gains.T[:, :, None]  # (modulations, quefrencies, slices)
        cepstra = _STFT.istft(spectrum, k1=len(padded), f_axis=0)[FRAMES:-FRAMES]
        return (idct(cepstra, axis=1, norm="ortho") + mean).astype(np.float32)

    def save(self, folder: Path) -> None:
        """Save the postfilter in a model's folder."""
        write_arrays(folder / FILE, vars(self), {"kind": "modulation postfilter"})

    @classmethod
    def load(cls, folder: Path) -> "Postfilter":
        """Load the postfilter that :meth:`save` wrote; :class:`InputError` where it is none."""
        arrays, metadata = read_arrays(folder / FILE)
        gains = arrays.get("gains", np.empty(0))
        right = metadata.get("kind") == "modulation postfilter" and gains.shape == (N_MELS, FRAMES // 2 + 1)
        if not right or not np.isfinite(gains).all():
            raise InputError("this is not a postfilter of spectrograms", folder / FILE, "copy the folder again")
        return cls(gains)


_STFT = ShortTimeFFT(np.sqrt(hann(FRAMES, sym=False)), FRAMES // 2, fs=1.0)


def _cepstra(mel: Float32[np.ndarray, "frames bands"]) -> Float[np.ndarray, "frames quefrencies"]:
    return dct(mel.astype(np.float64), axis=1, norm="ortho")


def _modulation_power(mel: Float32[np.ndarray, "frames bands"]) -> Float[np.ndarray, "quefrencies modulations"]:
    """Log power of a piece's modulations, over the slices inside it."""
    inside = slice(_STFT.lower_border_end[1], _STFT.upper_border_begin(len(mel))[1])
    spectrum = _STFT.stft(_cepstra(mel - mel.mean(axis=0)), axis=0)[..., inside]
    return np.log((np.abs(spectrum) ** 2).mean(axis=-1).T + 1e-9)
