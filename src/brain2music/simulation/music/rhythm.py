"""Rhythm: hits from pattern strings, drum parts with fills, and swing."""

from collections.abc import Iterable, Iterator, Set
from typing import NamedTuple

import numpy as np

from .instruments import DRUMS
from .plan import Bar, PiecePlan, pick_one

STEPS = 4  # sixteenths per beat
_PERHAPS = 0.45  # probability that a "?" sounds
_LEVELS = {"X": 1.0, "x": 0.8, "?": 0.55, "o": 0.4}
_CRASHING = 0.6  # genres with more fills than this also have a crash cymbal at each chorus


class NoteEvent(NamedTuple):
    """A note before the performance: onset and length in beats, MIDI pitch, loudness 0-1."""

    beat: float
    length: float
    pitch: int
    loudness: float


class Hit(NamedTuple):
    """A hit of a pattern: its beat, the beats until the next hit, and its character."""

    beat: float
    gap: float
    mark: str


def hits(pattern: str, bar: Bar, beats: int, rng: np.random.Generator) -> list[Hit]:
    """Hits of a pattern in one bar; patterns of two bars alternate with the index of the bar in its section."""
    steps = beats * STEPS
    offset = steps * (bar.place % 2) if len(pattern) >= 2 * steps else 0
    marks = pattern[offset : offset + steps]
    sounding = [i for i, mark in enumerate(marks) if mark != "." and (mark != "?" or rng.random() < _PERHAPS)]
    ends = [*sounding[1:], steps]
    return [Hit(bar.beat + a / STEPS, (b - a) / STEPS, marks[a]) for a, b in zip(sounding, ends, strict=False)]


def level(mark: str) -> float:
    """Loudness of a character of a pattern, 0-1."""
    return _LEVELS.get(mark, 0.85)


def patterns_for_meter(rhythms: Iterable[str], beats: int) -> list[str]:
    """Patterns for a meter; all of them where none is for 3/4 (their first three beats are used)."""
    rhythms = list(rhythms)
    waltzes = [rhythm for rhythm in rhythms if _is_waltz(rhythm)]
    return (waltzes or rhythms) if beats == 3 else [rhythm for rhythm in rhythms if not _is_waltz(rhythm)]


def drum_part(plan: PiecePlan, active: Set[str], rng: np.random.Generator) -> list[NoteEvent]:
    """Write a drum part: one option per voice (often another cymbal in choruses), with fills and crash cymbals."""
    options = {voice: patterns_for_meter(patterns, plan.beats) for voice, patterns in plan.style.drums.items()}
    verse = {voice: pick_one(patterns, rng) for voice, patterns in options.items()}
    accompaniment = list(options)[-1]
    chorus = verse | {accompaniment: pick_one(options[accompaniment], rng)} if rng.random() < 0.6 else verse
    silent = pick_one(["kick", "snare"], rng)
    sparse = {voice: pattern for voice, pattern in verse.items() if voice != silent}
    events: list[NoteEvent] = []
    for bar in plan.bars:
        if bar.section not in active:
            continue
        voices = {"chorus": chorus, "break": sparse, "intro": sparse}.get(bar.section, verse)
        events += _drum_bar(plan, bar, voices.values(), rng)
    return events


def swing_beat(beat: float, swing: float, unit: float) -> float:
    """Map a straight beat to a swung one: the first half of each ``unit`` of beats takes the share ``swing`` of it.

    The map is continuous and rising, so the order is kept; swing 0.5 changes nothing.
    """
    whole, share = divmod(beat / unit, 1.0)
    bent = 2 * share * swing if share < 0.5 else swing + (2 * share - 1) * (1 - swing)
    return (whole + bent) * unit


def _drum_bar(plan: PiecePlan, bar: Bar, voices: Iterable[str], rng: np.random.Generator) -> Iterator[NoteEvent]:
    fills = bar.is_last and rng.random() < plan.style.fills
    fill_from = bar.beat + plan.beats - (pick_one([1, 1, 2], rng) if fills else 0)
    for voice in filter(None, voices):
        for layer in voice.split(" + "):
            drum, pattern = layer.split()
            for hit in hits(pattern, bar, plan.beats, rng):
                if hit.beat < fill_from:
                    yield NoteEvent(hit.beat, 0.2, DRUMS[drum], level(hit.mark))
    if fills:
        yield from _fill(fill_from, bar.beat + plan.beats, rng)
    if bar.section == "chorus" and bar.place == 0 and plan.style.fills > _CRASHING:
        yield NoteEvent(bar.beat, 0.5, DRUMS["crash"], 0.9)


def _fill(beat: float, end: float, rng: np.random.Generator) -> Iterator[NoteEvent]:
    """Drum fill down the toms in eighths or sixteenths with random gaps, getting louder."""
    step = float(rng.choice([0.25, 0.5]))
    drums = ("snare", "tom1", "tom2", "tom3")
    places = np.arange(beat, end, step)
    for place in places:
        done = float((place - beat) / (end - beat))
        if rng.random() < 0.85:
            yield NoteEvent(float(place), 0.2, DRUMS[drums[int(done * len(drums))]], 0.7 + 0.3 * done)


def _is_waltz(rhythm: str) -> bool:
    pattern = rhythm.split()[-1] if rhythm else ""
    return len(pattern) == 3 * STEPS
