"""How alike the notes of two sounds are: chroma, melody and chords, moment by moment.

Notes are those of Basic Pitch where it is installed, else chroma and pitch are found by librosa; the judge of a score
names which.
"""

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Float64, Int, Shaped

from ..audio.waveforms import AnyWaveform
from ..embeddings.windows import mono_at
from ..models.adapters.basic_pitch import (
    BINS_PER_NOTE,
    FRAMES_PER_S,
    LOWEST_MIDI,
    PACKAGE,
    NoteProbabilities,
    transcribe_notes,
)
from .beats import require_mir_eval

STEP_S = 0.1
_RATE, _HOP = 22_050, 512
_LOW_MIDI, _HIGH_MIDI = 48, 96
"""The range of melodies, C3 to C7."""
_VOICED = 0.3
NO_CHORD = 24
ROOTS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
CHORD_NAMES = (*(f"{root}:{kind}" for kind in ("maj", "min") for root in ROOTS), "N")
"""Labels of chords, in the order of their numbers: 12 major triads, 12 minor ones, and none."""
_STAYS = 0.9
_SHARPNESS = 8.0


@dataclass(frozen=True)
class Notes:
    """Notes of a sound, ten moments a second.

    Attributes
    ----------
    chroma : ndarray of shape (moments, 12)
        Strength of each pitch class from C to B; 0 where nothing sounds.
    melody : ndarray of shape (moments,)
        MIDI pitch of the most salient line, with fractions; 0 where there is none.
    chords : ndarray of int of shape (moments,)
        Number of the chord in ``CHORD_NAMES``, by templates: 24 is none.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import Notes
    >>> Notes(np.zeros((2, 12)), np.array([0.0, 69.0]), np.array([24, 9])).melody
    array([ 0., 69.])
    """

    chroma: Float64[np.ndarray, "moments 12"]
    melody: Float64[np.ndarray, " moments"]
    chords: Int[np.ndarray, " moments"]


def note_judge() -> str:
    """Name what finds the notes here: "basic-pitch", or "librosa" where that is not installed."""
    installed = all(importlib.util.find_spec(name) for name in (PACKAGE, "ai_edge_litert"))
    return "basic-pitch" if installed else "librosa"


def find_notes(waveform: AnyWaveform, sample_rate: int) -> Notes:
    """Find chroma, melody and chords of a sound.

    Parameters
    ----------
    waveform : ndarray of shape (samples,), (channels, samples) or (samples, channels)
        The sound; channels are averaged.
    sample_rate : int
        Sample rate in Hz.

    Returns
    -------
    Notes
        By Basic Pitch [1]_ where it is installed, else by librosa's constant-Q chroma and probabilistic YIN. Chords are
        the most probable sequence of major and minor triads by their templates in the chroma: no packaged recogniser
        of chords can be installed beside current numpy and torch.

    References
    ----------
    .. [1] Bittner et al., ICASSP 2022, arXiv 2203.09893.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import find_notes
    >>> a4 = np.sin(2 * np.pi * 440 * np.arange(3 * 22_050) / 22_050)
    >>> notes = find_notes(a4, 22_050)
    >>> round(float(np.median(notes.melody))), int(notes.chroma.sum(axis=0).argmax())
    (69, 9)
    """
    if note_judge() == "basic-pitch":
        found = transcribe_notes(waveform, sample_rate)
        return notes_from(*_of_probabilities(found))
    return notes_from(*_by_librosa(waveform, sample_rate))


def notes_from(chroma: Float[np.ndarray, "moments 12"], melody: Float[np.ndarray, " moments"]) -> Notes:
    """Add chords to chroma and melody at the same moments."""
    moments = min(len(chroma), len(melody))
    chroma, melody = (each[:moments].astype(np.float64) for each in (chroma, melody))
    return Notes(chroma, melody, recognise_chords(chroma))


def recognise_chords(chroma: Float[np.ndarray, "moments 12"]) -> Int[np.ndarray, " moments"]:
    """Find the most probable sequence of triads in chroma, by templates and Viterbi's algorithm.

    Parameters
    ----------
    chroma : ndarray of shape (moments, 12)
        Strength of each pitch class, from C.

    Returns
    -------
    ndarray of int of shape (moments,)
        0 to 11: major triads from C; 12 to 23: minor ones; 24: none, where nothing sounds or no triad stands out.

    References
    ----------
    Fujishima, "Realtime chord recognition of musical sound", ICMC 1999; smoothed as in Sheh & Ellis, ISMIR 2003.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import recognise_chords
    >>> c_major, a_minor = np.zeros(12), np.zeros(12)
    >>> c_major[[0, 4, 7]] = a_minor[[9, 0, 4]] = 1
    >>> recognise_chords(np.stack([c_major] * 5 + [a_minor] * 5)).tolist()
    [0, 0, 0, 0, 0, 21, 21, 21, 21, 21]
    """
    import librosa

    templates = _templates()
    lengths = np.linalg.norm(chroma, axis=1, keepdims=True)
    alike = np.divide(chroma, lengths, out=np.zeros_like(chroma, dtype=np.float64), where=lengths > 1e-6) @ templates.T
    alike[(lengths <= 1e-6).ravel(), NO_CHORD] = 1.0
    odds = np.exp(_SHARPNESS * alike)
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    states: Int[np.ndarray, " moments"] = librosa.sequence.viterbi_discriminative(
        probabilities.T, librosa.sequence.transition_loop(len(templates), _STAYS)
    ).astype(np.int64)
    return states


def chroma_agreement(first: Notes, second: Notes) -> float:
    """Average the cosine similarity of the chroma of two sounds over moments, as far as both last.

    Moments at which neither sounds agree; those at which one does, do not.
    """
    a, b = _both(first.chroma, second.chroma)
    lengths = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    product = lengths[0] * lengths[1]
    silent = (lengths[0] <= 1e-6) & (lengths[1] <= 1e-6)
    cosines = np.divide(np.sum(a * b, axis=1), product, out=np.zeros(len(a)), where=product > 1e-12)
    return float(np.where(silent, 1.0, cosines).mean())


def key_agreement(first: Notes, second: Notes) -> float:
    """Correlate how much of each pitch class two sounds have, whenever it sounds; 0 where one has none."""
    a, b = (each.chroma.sum(axis=0) - each.chroma.sum(axis=0).mean() for each in (first, second))
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / length if length > 1e-12 else 0.0


def melody_agreement(made: Notes, reference: Notes) -> float:
    """Compute the share of the reference's melody that has the same pitch class within half a semitone.

    This is mir_eval's raw chroma accuracy; 0 where the reference has no melody.
    """
    from_mir_eval = require_mir_eval("melody")
    melody, true = _both(made.melody, reference.melody)
    if not (true > 0).any():
        return 0.0
    voiced = [(each > 0).astype(float) for each in (true, melody)]
    cents = [np.where(each > 0, 100 * each, 0.0) for each in (true, melody)]
    return float(from_mir_eval.raw_chroma_accuracy(voiced[0], cents[0], voiced[1], cents[1]))


def chord_agreement(made: Notes, reference: Notes) -> float:
    """Compute the share of time at which the chords agree (mir_eval's weighted accuracy of major and minor triads)."""
    chords, true = _both(made.chords, reference.chords)
    return float(_chord_table()[true, chords].mean())


def _both(first: Shaped[np.ndarray, "..."], second: Shaped[np.ndarray, "..."]) -> tuple[np.ndarray, np.ndarray]:
    moments = min(len(first), len(second))
    return first[:moments], second[:moments]


def _of_probabilities(
    found: NoteProbabilities,
) -> tuple[Float[np.ndarray, "moments 12"], Float[np.ndarray, " moments"]]:
    """Chroma and melody from how probable notes are."""
    notes = np.where(found.notes >= _VOICED, found.notes, 0.0)
    places = np.zeros((notes.shape[1], 12))
    places[np.arange(notes.shape[1]), (LOWEST_MIDI + np.arange(notes.shape[1])) % 12] = 1
    first = BINS_PER_NOTE * (_LOW_MIDI - LOWEST_MIDI)
    sung = found.contours[:, first : BINS_PER_NOTE * (_HIGH_MIDI - LOWEST_MIDI)]
    bins = _averaged(sung)
    pitch = LOWEST_MIDI + (first + bins.argmax(axis=1) - 1) / BINS_PER_NOTE
    return _averaged(notes @ places), np.where(bins.max(axis=1) >= _VOICED, pitch, 0.0)


def _averaged(frames: Float[np.ndarray, "frames values"]) -> Float64[np.ndarray, "moments values"]:
    """Means over the frames of each moment."""
    moments = max(1, round(len(frames) / FRAMES_PER_S / STEP_S))
    edges = np.linspace(0, len(frames), moments + 1).astype(int)
    return np.stack([frames[a : max(b, a + 1)].mean(axis=0, dtype=np.float64) for a, b in pairwise(edges.tolist())])


def _by_librosa(
    waveform: AnyWaveform, sample_rate: int
) -> tuple[Float[np.ndarray, "moments 12"], Float[np.ndarray, " moments"]]:
    import librosa

    sound = mono_at(waveform, sample_rate, _RATE)
    moments = max(1, int(len(sound) / _RATE / STEP_S))
    if not np.abs(sound).max() > 1e-6:
        return np.zeros((moments, 12)), np.zeros(moments)
    chroma = librosa.feature.chroma_cqt(y=sound, sr=_RATE, hop_length=_HOP).T
    hz, voiced, _ = librosa.pyin(sound, fmin=130.8, fmax=2093.0, sr=_RATE, hop_length=_HOP)
    melody = np.where(voiced, 69 + 12 * np.log2(np.nan_to_num(hz, nan=440.0) / 440.0), 0.0)
    frames = np.minimum(((np.arange(moments) + 0.5) * STEP_S * _RATE / _HOP).astype(int), len(melody) - 1)
    return chroma[np.minimum(frames, len(chroma) - 1)], melody[frames]


@lru_cache(maxsize=1)
def _templates() -> Float64[np.ndarray, "chords 12"]:
    """Unit vectors of 12 major and 12 minor triads, and of all pitch classes alike."""
    rows = np.zeros((NO_CHORD + 1, 12))
    for root in range(12):
        rows[root, [root, (root + 4) % 12, (root + 7) % 12]] = 1
        rows[12 + root, [root, (root + 3) % 12, (root + 7) % 12]] = 1
    rows[NO_CHORD] = 1
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@lru_cache(maxsize=1)
def _chord_table() -> Float64[np.ndarray, "chords chords"]:
    """Whether each chord (column) is right where another (row) is played, by mir_eval."""
    chord = require_mir_eval("chord")
    names = list(CHORD_NAMES)
    table = np.stack([chord.majmin([name] * len(names), names) for name in names])
    return np.maximum(table, 0.0).astype(np.float64)
