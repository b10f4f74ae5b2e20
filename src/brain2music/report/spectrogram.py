"""A sound file as a small picture: its mel spectrogram as a WebP data URI."""

from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from brain2music._utils.errors import InputError
from brain2music.report.pictures import data_uri

WIDTH, HEIGHT = 360, 100
WINDOW_S = 0.09
RANGE_DB = 70.0
SHADES = ("#10141f", "#1c3350", "#1f6480", "#3f9c94", "#a3cf9d", "#fbf6d9")


def thumbnail(path: Path) -> str:
    """Draw a sound file's mel spectrogram, 360 × 100 pixels, time to the right and frequency upwards.

    Levels run over 70 dB below the loudest bin; every bin of silence is the darkest shade.

    Returns
    -------
    str
        A ``data:image/webp`` URI.

    Raises
    ------
    InputError
        If the file cannot be read as sound, or holds none.
    """
    from PIL import Image

    waveform, rate = _read_mono(path)
    return data_uri(Image.fromarray(_shade(_mel_db(waveform, rate))), quality=55)


def _read_mono(path: Path) -> tuple[Float[np.ndarray, " samples"], int]:
    import soundfile

    try:
        sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise InputError(f"this is not a readable sound file ({error})", path, "run the study again") from None
    if len(sound) == 0:
        raise InputError("the sound file is empty", path, "run the study again")
    return sound.mean(axis=1), int(rate)


def _mel_db(waveform: Float[np.ndarray, " samples"], rate: int) -> Float[np.ndarray, "mels frames"]:
    """Mel power in dB below the loudest bin, with one mel band per pixel row and one frame per pixel column."""
    import librosa

    frames = np.linspace(0, len(waveform), WIDTH, endpoint=False).astype(int)
    n_fft = 2 ** int(np.ceil(np.log2(WINDOW_S * rate)))
    padded = np.pad(waveform, n_fft // 2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[frames] * np.hanning(n_fft)
    power = np.abs(np.fft.rfft(windows, axis=1)) ** 2
    weights = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=HEIGHT, fmin=40.0, fmax=min(rate / 2, 11025.0))
    mel = weights @ power.T
    loudest = max(float(mel.max()), 1e-10)
    return 10 * np.log10(np.maximum(mel / loudest, 10 ** (-RANGE_DB / 10)))


def _shade(decibels: Float[np.ndarray, "mels frames"]) -> UInt8[np.ndarray, "mels frames 3"]:
    """Levels as colours, low frequencies at the bottom."""
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("spectrogram", SHADES)
    return shades(1 + decibels[::-1] / RANGE_DB, bytes=True)[..., :3]
