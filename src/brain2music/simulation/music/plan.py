"""Plan of a piece before its notes: tempo, key, mood, form, and the chords of every bar."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil, hypot
from typing import NamedTuple, TypeVar

import numpy as np

from ..._utils.errors import InputError
from .genres import GENRES, MOODS, Genre
from .theory import Chord, chord_of, is_minor

Name = TypeVar("Name", str, int)

FORMS = (
    "intro verse chorus verse chorus",
    "intro verse verse chorus break chorus",
    "verse chorus verse chorus break",
    "verse chorus break chorus",
    "verse verse chorus verse",
    "chorus verse break verse",
)
LOUDNESS = {"intro": 0.8, "verse": 0.88, "chorus": 1.0, "break": 0.78}
PRESENCE = {  # probability that a role plays in a section
    "intro": {"drums": 0.5, "bass": 0.5, "chords": 0.85, "texture": 0.6, "answer": 0.15, "lead": 0.25},
    "verse": {"drums": 1.0, "bass": 1.0, "chords": 1.0, "texture": 0.55, "answer": 0.35, "lead": 0.9},
    "chorus": {"drums": 1.0, "bass": 1.0, "chords": 1.0, "texture": 1.0, "answer": 1.0, "lead": 1.0},
    "break": {"drums": 0.6, "bass": 0.6, "chords": 0.7, "texture": 0.8, "answer": 0.3, "lead": 0.4},
}


class Span(NamedTuple):
    """A chord with its first and last beat, counted from the beginning of the piece."""

    beat: float
    end: float
    chord: Chord


class Bar(NamedTuple):
    """A bar: its number, first beat, section, index in the section (and whether it is the last), and chords."""

    number: int
    beat: float
    section: str
    place: int
    is_last: bool
    numerals: str
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class PiecePlan:
    """Properties that all parts of a piece share; ``energy`` (0-1) sets the loudness and shifted the tempo."""

    genre: str
    style: Genre
    tempo: float
    tonic: int
    mode: str
    mood: str
    energy: float
    swing: float
    beats: int
    seconds: float
    bars: tuple[Bar, ...]

    def chord_at(self, beat: float) -> Chord:
        """Chord at a beat (after the end, the last chord)."""
        bar = self.bars[min(int(beat // self.beats), len(self.bars) - 1)]
        return next((span.chord for span in reversed(bar.spans) if span.beat <= beat), bar.spans[0].chord)


def draw_plan(genre: str, rng: np.random.Generator, seconds: float) -> PiecePlan:
    """Draw the plan of a piece: first valence and energy, which shift tempo, mode and loudness and give the mood.

    Raises
    ------
    InputError : the genre is not in the table.
    """
    if genre not in GENRES:
        raise InputError(f"there is no genre {genre!r}", hint=f"choose one of {', '.join(GENRES)}")
    style = GENRES[genre]
    valence, energy = float(rng.random()), float(rng.random())
    slow, fast = style.tempo
    tempo = round(slow + (fast - slow) * float(np.clip(energy + rng.normal(0, 0.2), 0, 1)), 1)
    mode = pick({m: w * (0.3 + (1 - valence if is_minor(m) else valence)) for m, w in style.modes.items()}, rng)
    mood = _mood((valence + (not is_minor(mode))) / 2, energy, style.moods)
    tonic, beats = int(rng.integers(12)), pick(style.meters, rng)
    swing = round(float(rng.uniform(*style.swing)), 3)
    bars = _bars(style, tonic, mode, beats, ceil(seconds * tempo / 60 / beats), rng)
    return PiecePlan(genre, style, tempo, tonic, mode, mood, energy, swing, beats, seconds, bars)


def pick(weights: Mapping[Name, float], rng: np.random.Generator) -> Name:
    """Draw a key of ``weights`` in proportion to its weight."""
    shares = np.array(list(weights.values()), dtype=float)
    return list(weights)[int(rng.choice(len(shares), p=shares / shares.sum()))]


def pick_one(options: Iterable[Name], rng: np.random.Generator) -> Name:
    """Draw one of several options with equal probability."""
    return pick(dict.fromkeys(options, 1.0), rng)


def _mood(valence: float, energy: float, moods: Iterable[str]) -> str:
    return min(moods, key=lambda mood: hypot(MOODS[mood][0] - valence, MOODS[mood][1] - energy))


def _bars(style: Genre, tonic: int, mode: str, beats: int, count: int, rng: np.random.Generator) -> tuple[Bar, ...]:
    progressions = [line.split() for line in (style.minor if is_minor(mode) else style.major)]
    order = rng.permutation(len(progressions))
    verse, chorus = progressions[order[0]], progressions[order[0 if style.continuous else -1]]
    bars: list[Bar] = []
    for label, length in _section_lengths(count, rng):
        chords = chorus if label == "chorus" else verse
        for place in range(length):
            number = len(bars)
            numerals = chords[(number if style.continuous else place) % len(chords)]
            spans = _spans(numerals, tonic, number * beats, beats)
            bars.append(Bar(number, float(number * beats), label, place, place == length - 1, numerals, spans))
    return tuple(bars)


def _section_lengths(count: int, rng: np.random.Generator) -> Iterable[tuple[str, int]]:
    """Yield the sections of a random form with their lengths in bars, repeated until ``count`` bars are full."""
    unit = 4 if count >= 10 else 2
    labels = pick_one(FORMS, rng).split()
    left = count
    while left > 0:
        for label in labels:
            length = min(left, unit // 2 if label in ("intro", "break") else unit)
            if length > 0:
                yield label, length
            left -= length
        labels = [label for label in labels if label != "intro"]


def _spans(numerals: str, tonic: int, beat: int, beats: int) -> tuple[Span, ...]:
    chords = [chord_of(numeral, tonic) for numeral in numerals.split("-")]
    starts = [0] if len(chords) == 1 else [0, (beats + 1) // 2]
    ends = [*starts[1:], beats]
    return tuple(
        Span(float(beat + a), float(beat + b), chord) for a, b, chord in zip(starts, ends, chords, strict=True)
    )
