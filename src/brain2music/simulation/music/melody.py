"""Rule-based melodies: motifs (rhythm and contour), varied over four-bar phrases and fitted to the chords."""

from collections.abc import Iterator, Set
from functools import partial
from typing import NamedTuple

import numpy as np

from .plan import Bar, PiecePlan, pick_one
from .rhythm import STEPS, NoteEvent
from .theory import PENTATONICS, SCALES, is_minor, nearest_pitch, scale_pitches

PHRASES = ("abac", "aabc", "aaba", "abab", "a.ac", "ab.c", "aaac", "a.b.")
"""Phrases of four bars: ``a`` and ``b`` are the motifs of the section, ``c`` a cadence, ``.`` a rest."""


class Motif(NamedTuple):
    """One bar of melody: the sixteenths where notes begin, and the scale steps of each note above the home pitch."""

    steps: tuple[int, ...]
    contour: tuple[int, ...]


class Voice(NamedTuple):
    """Range of a melody: rising pitches, the index of the home pitch, fewest and most notes per bar, and the kind."""

    pitches: tuple[int, ...]
    home: int
    density: tuple[int, int]
    kind: str


def melody_part(
    plan: PiecePlan, active: Set[str], kind: str, density: str, low: int, high: int, rng: np.random.Generator
) -> list[NoteEvent]:
    """Write a melody for the sections in ``active``.

    Parameters
    ----------
    kind : "line" (motifs in a phrase), "loop" (one motif, always the same), "bop" (a new motif every bar,
        with chromatic neighbours), "reply" (the second half of every other bar).
    density : fewest and most notes per bar, such as "3-6".
    low, high : lowest and highest pitch.
    """
    fewest, most = (int(number) for number in density.split("-"))
    pitches = scale_pitches(plan.tonic, _melody_scale(plan, rng), low, high)
    lift = 0.5 + 0.25 * (plan.energy - 0.5)
    voice = Voice(
        pitches,
        round(len(pitches) * float(np.clip(rng.normal(lift, 0.12), 0.25, 0.75))),
        (fewest, most),
        kind,
    )
    themes = {section: _Theme(plan, voice, rng) for section in ("verse", "chorus", "break", "intro")}
    events: list[NoteEvent] = []
    for bar in plan.bars:
        motif, drift = themes[bar.section].at(bar)
        if motif is not None and bar.section in active:
            events += _melody_events(plan, bar, motif, voice, drift, rng)
    return events


class _Theme:
    """Motifs of a section, their order in the phrase, and the shift of each bar from the home pitch in scale steps."""

    def __init__(self, plan: PiecePlan, voice: Voice, rng: np.random.Generator) -> None:
        self.motifs = {name: _motif(plan.beats, voice, rng) for name in "ab"}
        self.motifs["c"] = _cadence(self.motifs["a"])
        self.phrase = "aaaa" if voice.kind == "loop" else ".a.b" if voice.kind == "reply" else pick_one(PHRASES, rng)
        self.drifts = [0] * 4 if voice.kind == "loop" else [int(d) for d in rng.integers(-2, 3, 4)]
        self.draw = partial(_motif, plan.beats, voice, rng)
        self.always_new = voice.kind == "bop"

    def at(self, bar: Bar) -> tuple[Motif | None, int]:
        name = self.phrase[bar.place % 4]
        if name == ".":
            return None, 0
        return self.draw() if self.always_new and name != "c" else self.motifs[name], self.drifts[bar.place % 4]


def _motif(beats: int, voice: Voice, rng: np.random.Generator) -> Motif:
    """Draw a motif: onsets by metrical weight, and a mostly stepwise contour that returns to the home pitch."""
    steps = np.arange(beats * STEPS)
    if voice.kind == "reply":
        steps = steps[len(steps) // 2 - 2 :]
    count = min(int(rng.integers(voice.density[0], voice.density[1] + 1)), len(steps))
    weights = np.where(steps % 4 == 0, 1.0, np.where(steps % 2 == 0, 0.7, 0.12 if count < 8 else 0.5))
    onsets = np.sort(rng.choice(steps, count, replace=False, p=weights / weights.sum()))
    contour = [int(rng.integers(-2, 3))]
    while len(contour) < count:
        leap = int(rng.choice([1, 1, 1, 1, 2, 2, 3, 0]))
        up = rng.random() < 0.5 - 0.12 * contour[-1]
        contour.append(contour[-1] + (leap if up else -leap))
    return Motif(tuple(int(step) for step in onsets), tuple(contour))


def _cadence(motif: Motif) -> Motif:
    head = [step for step in motif.steps if step < 2 * STEPS][:2]
    return Motif((*head, 2 * STEPS), (*motif.contour[: len(head)], 0))


def _melody_events(
    plan: PiecePlan, bar: Bar, motif: Motif, voice: Voice, drift: int, rng: np.random.Generator
) -> Iterator[NoteEvent]:
    steps = plan.beats * STEPS
    ends = [*motif.steps[1:], steps]
    for step, end, degree in zip(motif.steps, ends, motif.contour, strict=True):
        beat, length = bar.beat + step / STEPS, (end - step) / STEPS
        wanted = voice.pitches[int(np.clip(voice.home + drift + degree, 0, len(voice.pitches) - 1))]
        if step % STEPS == 0 or length >= 1:
            chord = plan.chord_at(beat).pitch_classes
            wanted = nearest_pitch(wanted, chord, voice.pitches[0], voice.pitches[-1])
            if voice.kind == "bop" and length <= 0.5 and rng.random() < 0.3:
                wanted += 1 if rng.random() < 0.4 else -1
        loudness = 0.75 + 0.15 * (step % STEPS == 0) + 0.1 * (degree == max(motif.contour))
        yield NoteEvent(beat, length * (0.85 if voice.kind == "bop" else 0.93), wanted, loudness)


def _melody_scale(plan: PiecePlan, rng: np.random.Generator) -> tuple[int, ...]:
    name = pick_one(plan.style.scale, rng)
    minor = is_minor(plan.mode)
    if name == "mode":
        return SCALES[plan.mode]
    if name == "major" and minor:  # the major pentatonic would leave a minor key
        name = "minor"
    if name == "minor" and plan.mode in ("major", "lydian"):
        name = "major"
    return PENTATONICS[name]
