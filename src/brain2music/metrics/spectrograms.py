"""How alike the spectrograms of two sounds are, frame by frame: correlation, and structural similarity."""

import numpy as np
from jaxtyping import Float, Float32

from ..audio.mel import mel_spectrogram
from ..audio.waveforms import AnyWaveform
from ..embeddings.windows import mono_at

RATE, N_FFT, HOP, MELS = 16_000, 1024, 512, 64
RANGE_DB = 80.0
WINDOW = 7
_C1, _C2 = 0.01**2, 0.03**2


def log_mel_picture(waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, "mels frames"]:
    """Compute a log-mel spectrogram as a picture: 64 bands, 32 ms a frame, from 80 dB below the peak (0) to it (1).

    Parameters
    ----------
    waveform : ndarray of shape (samples,), (channels, samples) or (samples, channels)
        The sound; channels are averaged, and it is resampled to 16 kHz.
    sample_rate : int
        Sample rate in Hz.

    Returns
    -------
    ndarray of shape (64, frames)
        Levels from 0 to 1; all 0 for silence.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import log_mel_picture
    >>> picture = log_mel_picture(np.sin(np.arange(16_000)), 16_000)
    >>> picture.shape, float(picture.max())
    ((64, 32), 1.0)
    """
    power = mel_spectrogram(mono_at(waveform, sample_rate, RATE), RATE, N_FFT, HOP, MELS).numpy().T
    peak = float(power.max())
    if not peak > 0:
        return np.zeros(power.shape, np.float32)
    decibels = 10 * np.log10(np.maximum(power / peak, 10 ** (-RANGE_DB / 10)))
    return (1 + decibels / RANGE_DB).astype(np.float32)


def spectrogram_correlation(first: Float[np.ndarray, "mels a"], second: Float[np.ndarray, "mels b"]) -> float:
    """Correlate two pictures over bands and frames, as far as both last.

    Parameters
    ----------
    first, second : ndarray of shape (mels, frames)
        Pictures of :func:`log_mel_picture`.

    Returns
    -------
    float
        Pearson's r; 0 where a picture is constant.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import spectrogram_correlation
    >>> picture = np.random.default_rng(0).random((8, 20))
    >>> round(spectrogram_correlation(picture, 2 * picture + 1), 6)
    1.0
    """
    frames = min(first.shape[1], second.shape[1])
    a, b = (each[:, :frames].astype(np.float64).ravel() for each in (first, second))
    a, b = a - a.mean(), b - b.mean()
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / length if length > 0 else 0.0


def structural_similarity(first: Float[np.ndarray, "mels a"], second: Float[np.ndarray, "mels b"]) -> float:
    """Compute the structural similarity (SSIM) of two pictures [1]_, as far as both last.

    Means, variances and covariances are of squares of 7 × 7 values, and the constants those of a range of 1.

    Parameters
    ----------
    first, second : ndarray of shape (mels, frames)
        Pictures with values from 0 to 1, of :func:`log_mel_picture`.

    Returns
    -------
    float
        1 for equal pictures, about 0 for unrelated ones.

    Raises
    ------
    ValueError
        A picture is smaller than a square.

    References
    ----------
    .. [1] Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE Transactions
           on Image Processing 13:4, 2004, Eq. 13.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import structural_similarity
    >>> picture = np.random.default_rng(0).random((16, 20))
    >>> round(structural_similarity(picture, picture), 6), structural_similarity(picture, picture[::-1]) < 0.5
    (1.0, True)
    """
    frames = min(first.shape[1], second.shape[1])
    if frames < WINDOW or min(len(first), len(second)) < WINDOW:
        raise ValueError(f"pictures of shapes {first.shape} and {second.shape} are smaller than {WINDOW} × {WINDOW}")
    a, b = (each[:, :frames].astype(np.float64) for each in (first, second))
    means = [_local_mean(each) for each in (a, b, a * a, b * b, a * b)]
    mean_a, mean_b = means[:2]
    unbiased = WINDOW**2 / (WINDOW**2 - 1)
    variance_a, variance_b = unbiased * (means[2] - mean_a**2), unbiased * (means[3] - mean_b**2)
    covariance = unbiased * (means[4] - mean_a * mean_b)
    alike = (2 * mean_a * mean_b + _C1) * (2 * covariance + _C2)
    return float((alike / ((mean_a**2 + mean_b**2 + _C1) * (variance_a + variance_b + _C2))).mean())


def _local_mean(values: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "a b"]:
    """Means over all squares that lie inside, by sums from the corner."""
    corner = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    np.cumsum(np.cumsum(values, axis=0), axis=1, out=corner[1:, 1:])
    k = WINDOW
    sums = corner[k:, k:] - corner[:-k, k:] - corner[k:, :-k] + corner[:-k, :-k]
    means: np.ndarray = sums / k**2
    return means
