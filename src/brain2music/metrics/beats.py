"""How alike the beat and the tempo of two sounds are."""

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from .._utils.errors import InputError
from ..audio.waveforms import AnyWaveform
from ..embeddings.windows import mono_at
from .rhythm import tempi_agree

_RATE, _HOP = 22_050, 512


@dataclass(frozen=True)
class Beats:
    """The beat of a sound.

    Attributes
    ----------
    times : ndarray of shape (beats,)
        Seconds at which beats are.
    tempo : float
        Beats per minute; 0 where there is no beat.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import Beats
    >>> Beats(np.array([0.5, 1.0]), 120.0).tempo
    120.0
    """

    times: Float64[np.ndarray, " beats"]
    tempo: float


def find_beats(waveform: AnyWaveform, sample_rate: int) -> Beats:
    """Find the beats of a sound by dynamic programming [1]_, as librosa does.

    Parameters
    ----------
    waveform : ndarray of shape (samples,), (channels, samples) or (samples, channels)
        The sound; channels are averaged.
    sample_rate : int
        Sample rate in Hz.

    Returns
    -------
    Beats
        Its beats and tempo; none for silence.

    References
    ----------
    .. [1] Ellis, "Beat tracking by dynamic programming", Journal of New Music Research 36, 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import find_beats
    >>> clicks = np.zeros(10 * 22_050, np.float32)
    >>> clicks[::11_025] = 1.0
    >>> round(find_beats(clicks, 22_050).tempo / 10)
    12
    """
    import librosa

    mono = mono_at(waveform, sample_rate, _RATE)
    if not np.abs(mono).max() > 0:
        return Beats(np.zeros(0), 0.0)
    strength = librosa.onset.onset_strength(y=mono, sr=_RATE, hop_length=_HOP)
    tempo, times = librosa.beat.beat_track(onset_envelope=strength, sr=_RATE, hop_length=_HOP, units="time")
    times = np.asarray(times, np.float64)
    return Beats(times, float(np.ravel(tempo)[0]) if len(times) else 0.0)


def beat_agreement(made: Beats, reference: Beats) -> float:
    """Compute the F-measure of beats within 70 ms of the reference's (mir_eval); 0 where either has none."""
    if not len(made.times) or not len(reference.times):
        return 0.0
    return float(require_mir_eval("beat").f_measure(reference.times, made.times))


def tempo_agreement(made: Beats, reference: Beats) -> float:
    """Tell whether tempi agree within 8 %, an octave higher or lower allowed: 1.0 or 0.0."""
    return float(tempi_agree(np.array([made.tempo]), np.array([reference.tempo]))[0])


def require_mir_eval(part: str) -> Any:
    """A module of mir_eval; :class:`InputError` says how to install it."""
    try:
        return importlib.import_module(f"mir_eval.{part}")
    except ImportError:
        raise InputError("mir_eval is not installed", hint="pip install 'brain2music[score]'") from None
