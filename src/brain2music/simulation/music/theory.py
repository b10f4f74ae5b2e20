"""Scales, keys and chords, and pitches of Roman numerals. Pitches are MIDI numbers, intervals semitones."""

import re
from dataclasses import dataclass
from functools import cache

TONICS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "blues": (0, 2, 3, 4, 5, 7, 9, 10),  # mixolydian with both thirds
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
}
"""Modes as semitones above the tonic."""

PENTATONICS = {"major": (0, 2, 4, 7, 9), "minor": (0, 3, 5, 7, 10), "blue": (0, 3, 5, 6, 7, 10)}

_DEGREES = {"I": 0, "II": 2, "III": 4, "IV": 5, "V": 7, "VI": 9, "VII": 11}
_NUMERAL = re.compile(r"([b#]?)([IViv]+)(.*)")
_QUALITIES = {
    "": (0, 4, 7),
    "5": (0, 7),
    "6": (0, 4, 7, 9),
    "7": (0, 4, 7, 10),
    "9": (0, 4, 7, 10, 14),
    "13": (0, 4, 10, 14, 21),
    "7b9": (0, 4, 7, 10, 13),
    "maj7": (0, 4, 7, 11),
    "add9": (0, 4, 7, 14),
    "sus4": (0, 5, 7),
    "m": (0, 3, 7),
    "m6": (0, 3, 7, 9),
    "m7": (0, 3, 7, 10),
    "m9": (0, 3, 7, 10, 14),
    "mdim": (0, 3, 6),
    "mdim7": (0, 3, 6, 9),
    "m7b5": (0, 3, 6, 10),
}


@dataclass(frozen=True)
class Chord:
    """A chord: its root as a pitch class (0 for C), and the intervals of its tones above the root."""

    root: int
    intervals: tuple[int, ...]

    @property
    def pitch_classes(self) -> tuple[int, ...]:
        """Pitch classes of the tones, root first."""
        return tuple((self.root + interval) % 12 for interval in self.intervals)

    @property
    def third(self) -> int:
        """Semitones from the root to the third (or fourth; the octave where only root and fifth exist)."""
        return next((interval for interval in self.intervals if interval in (3, 4, 5)), 12)

    @property
    def fifth(self) -> int:
        """Semitones from the root to the fifth."""
        return next((interval for interval in self.intervals if interval in (6, 7)), 7)


@cache
def chord_of(numeral: str, tonic: int) -> Chord:
    """Chord of a Roman numeral whose degrees are those of the tonic's **major** scale: "bVII", "ii7b5".

    Lower case has a minor third: "ii7" is a minor seventh chord. Suffixes: see the table of qualities.
    """
    match = _NUMERAL.fullmatch(numeral)
    if match is None or match[2].upper() not in _DEGREES:
        raise ValueError(f"{numeral!r} is not a Roman numeral")
    quality = match[3] if match[2].isupper() else f"m{match[3]}"
    if quality not in _QUALITIES:
        raise ValueError(f"{numeral!r} has the unknown quality {match[3]!r}")
    shift = {"": 0, "b": -1, "#": 1}[match[1]]
    return Chord((tonic + _DEGREES[match[2].upper()] + shift) % 12, _QUALITIES[quality])


def is_minor(mode: str) -> bool:
    """Whether the third of a mode is minor (the blues counts as major, like its chords)."""
    return 4 not in SCALES[mode]


def key_name(tonic: int, mode: str) -> str:
    """Name of a key, such as "A minor" or "F# major"."""
    return f"{TONICS[tonic]} {'minor' if is_minor(mode) else 'major'}"


def scale_pitches(tonic: int, steps: tuple[int, ...], low: int, high: int) -> tuple[int, ...]:
    """All pitches of a scale from ``low`` to ``high``, rising."""
    return tuple(pitch for pitch in range(low, high + 1) if (pitch - tonic) % 12 in steps)


def nearest_pitch(pitch: int, pitch_classes: tuple[int, ...], low: int = 0, high: int = 127) -> int:
    """Nearest pitch of one of the pitch classes between ``low`` and ``high`` (the lower one of two)."""
    candidates = [p for p in range(low, high + 1) if p % 12 in pitch_classes]
    return min(candidates, key=lambda candidate: (abs(candidate - pitch), candidate))


def voicing(chord: Chord, center: int) -> tuple[int, ...]:
    """Tones of a chord, rising, each in the octave nearest to ``center``, so that chords move in small steps."""
    return tuple(sorted({center - 6 + (pitch_class - center + 6) % 12 for pitch_class in chord.pitch_classes}))
