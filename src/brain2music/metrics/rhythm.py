"""Does music have a pulse? Strength of the beat, tempo, and how often notes begin."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from .._utils.errors import InputError
from ..audio.beats import HOP, RATE, onset_strength, pulse_of
from ..audio.waveforms import AnyWaveform
from ..embeddings.windows import mono_at

_SKIPPED = 20  # frames at the beginning, whose onset is that of the excerpt
_SHORTEST_S = 3.0


class Rhythm(NamedTuple):
    """The rhythm of a piece.

    Attributes
    ----------
    pulse : float
        Highest autocorrelation of onset strength at periods of 0.25 to 2 s: about 0.1 for noise, 0.6 to 0.9 for music
        with a beat.
    tempo : float
        Beats per minute; 0 where there is no onset.
    onsets_per_s : float
        Notes that begin per second.
    onset_strength : float
        Mean strength of these onsets, in dB per frame averaged over mel bands.

    Examples
    --------
    >>> from brain2music.metrics import Rhythm
    >>> Rhythm(pulse=0.7, tempo=120.0, onsets_per_s=3.5, onset_strength=4.0).tempo
    120.0
    """

    pulse: float
    tempo: float
    onsets_per_s: float
    onset_strength: float


def rhythm(waveform: AnyWaveform, sample_rate: int) -> Rhythm:
    """Measure pulse, tempo and onsets of a piece.

    Parameters
    ----------
    waveform : ndarray of shape (samples,), (channels, samples) or (samples, channels)
        At least 3 s of sound; channels are averaged.
    sample_rate : int
        Sample rate in Hz.

    Returns
    -------
    Rhythm
        The measures; all zero for silence.

    Raises
    ------
    InputError
        The sound is shorter than 3 s.

    References
    ----------
    Onset strength is the spectral flux of Böck & Widmer 2013 (DAFx), as librosa computes it.

    Examples
    --------
    Clicks at 120 beats per minute:

    >>> import numpy as np
    >>> from brain2music.metrics import rhythm
    >>> clicks = np.zeros(8 * 22050, np.float32)
    >>> clicks[::11025] = 1.0
    >>> found = rhythm(clicks, 22050)
    >>> found.pulse > 0.9, round(found.onsets_per_s)
    (True, 2)
    """
    import librosa

    mono = mono_at(waveform, sample_rate, RATE)
    if len(mono) < _SHORTEST_S * RATE:
        raise InputError(
            f"{len(mono) / RATE:.1f} s of sound have no measurable pulse", hint=f"give at least {_SHORTEST_S:g} s"
        )
    if not np.abs(mono).max() > 0:
        return Rhythm(0.0, 0.0, 0.0, 0.0)
    strength = onset_strength(mono)
    onsets = librosa.onset.onset_detect(onset_envelope=strength, sr=RATE, hop_length=HOP)
    tempo = librosa.feature.tempo(onset_envelope=strength, sr=RATE, hop_length=HOP)
    mean = float(strength[onsets].mean()) if len(onsets) else 0.0
    seconds = len(mono) / RATE
    return Rhythm(pulse_of(strength[_SKIPPED:]), float(tempo[0]) if len(onsets) else 0.0, len(onsets) / seconds, mean)


def tempi_agree(
    tempo: Float[np.ndarray, " pieces"], reference: Float[np.ndarray, " pieces"], tolerance: float = 0.08
) -> np.ndarray:
    """Say which tempi agree, an octave higher or lower allowed.

    Parameters
    ----------
    tempo, reference : ndarray of shape (pieces,)
        Beats per minute.
    tolerance : float, default 0.08
        Largest relative difference (8 %, as in the evaluation of tempo estimation).

    Returns
    -------
    ndarray of bool, of shape (pieces,)
        Whether the tempo is the reference, its double or its half; never where either is 0.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import tempi_agree
    >>> tempi_agree(np.array([120.0, 61.0, 90.0]), np.array([125.0, 120.0, 120.0])).tolist()
    [True, True, False]
    """
    known = (tempo > 0) & (reference > 0)
    ratio = np.where(known, tempo / np.where(reference > 0, reference, 1.0), np.inf)
    return np.any([np.abs(ratio / octave - 1) <= tolerance for octave in (0.5, 1.0, 2.0)], axis=0)
