"""Accompaniment: bass lines and chordal parts, as note events for the bars of their sections.

Kinds of chordal parts: ``hold`` sounds until the next hit or chord; ``stab`` is short, ``skank`` shorter and higher;
``strum`` spreads the chord, alternately down and up; ``pick`` and ``alberti`` play one tone per hit; ``power`` plays
root, fifth and octave on accents and a muted fifth on hits; ``shuffle`` alternates between fifth and sixth; ``riff``
repeats one low figure on the roots.
"""

from collections.abc import Callable, Iterator, Set

import numpy as np

from .plan import Bar, PiecePlan, Span, pick_one
from .rhythm import Hit, NoteEvent, hits, level
from .theory import SCALES, Chord, nearest_pitch, scale_pitches, voicing

_SHAPES = {
    "up": (0, 1, 2, 3),
    "down": (3, 2, 1, 0),
    "arch": (0, 1, 2, 3, 2, 1),
    "alternating": (0, 2, 1, 3, 0, 3, 1, 2),
}
_Player = Callable[[Hit, Chord, int], Iterator[NoteEvent]]


def bass_part(
    plan: PiecePlan, active: Set[str], pattern: str, low: int, high: int, rng: np.random.Generator
) -> list[NoteEvent]:
    """Write a bass line: the degrees of the pattern over the chords; walking lines step towards the next root."""
    center = int(np.clip(rng.integers(35, 44), low + 4, high - 8))
    events: list[NoteEvent] = []
    previous = center
    for bar, hit, chord in _hits_with_chords(plan, active, pattern, rng, restarts=False):
        root = nearest_pitch(center, (chord.root,), low, high)
        if hit.mark == "w":
            begins = any(span.beat == hit.beat for span in bar.spans)
            pitch = root if begins else _step(previous, plan, chord, low, high, rng)
        elif hit.mark == "a":
            target = nearest_pitch(previous, (plan.chord_at(hit.beat + hit.gap).root,), low + 1, high - 1)
            pitch = target + (1 if previous > target else -1)
        else:
            pitch = root + _interval(hit.mark, chord)
        pitch = pitch - 12 if pitch > high else pitch
        length = min(hit.gap, plan.beats) * (0.5 if hit.mark == "r" else 0.9)
        events.append(NoteEvent(hit.beat, length, pitch, 0.95 if hit.beat == bar.beat else 0.82))
        previous = pitch
    return events


def chord_part(
    plan: PiecePlan, active: Set[str], kind: str, pattern: str, low: int, high: int, rng: np.random.Generator
) -> list[NoteEvent]:
    """Write a chordal part of a kind (see the module), its register drawn between ``low`` and ``high``."""
    player = _player(plan, kind, low, high, rng)
    restarts = kind in ("hold", "strum", "power")
    return [
        event
        for _, hit, chord in _hits_with_chords(plan, active, pattern, rng, restarts)
        for event in player(hit, chord, low)
    ]


def _hits_with_chords(
    plan: PiecePlan, active: Set[str], pattern: str, rng: np.random.Generator, restarts: bool
) -> Iterator[tuple[Bar, Hit, Chord]]:
    """Yield every hit with its bar and chord; parts with ``restarts`` begin again where the chord changes."""
    for bar in plan.bars:
        if bar.section not in active:
            continue
        for hit in hits(pattern, bar, plan.beats, rng):
            for piece, span in _split_at_chords(hit, bar.spans) if restarts else [(hit, None)]:
                yield bar, piece, plan.chord_at(piece.beat) if span is None else span.chord


def _split_at_chords(hit: Hit, spans: tuple[Span, ...]) -> Iterator[tuple[Hit, Span]]:
    for span in spans:
        start, end = max(hit.beat, span.beat), min(hit.beat + hit.gap, span.end)
        if end > start:
            yield Hit(start, end - start, hit.mark), span


def _interval(degree: str, chord: Chord) -> int:
    return {"3": chord.third, "5": chord.fifth, "6": 9, "7": 10, "8": 12}.get(degree, 0)


def _step(previous: int, plan: PiecePlan, chord: Chord, low: int, high: int, rng: np.random.Generator) -> int:
    """Draw the next note of a walking bass: another chord or scale tone within a fourth of the previous one."""
    classes = {*chord.pitch_classes[:4], *((plan.tonic + step) % 12 for step in SCALES[plan.mode])}
    near = [
        p for p in range(max(low, previous - 5), min(high, previous + 5) + 1) if p != previous and p % 12 in classes
    ]
    weights = np.array([2.0 if p % 12 in chord.pitch_classes else 1.0 for p in near])
    return near[int(rng.choice(len(near), p=weights / weights.sum()))]


def _player(plan: PiecePlan, kind: str, low: int, high: int, rng: np.random.Generator) -> _Player:
    center = int(np.clip(rng.integers(56, 68) + (5 if kind == "skank" else 0), low + 7, high - 7))
    if kind in ("pick", "alberti"):
        shape = (0, 2, 1, 2) if kind == "alberti" else _SHAPES[pick_one(_SHAPES, rng)]
        return _pick_player(shape, center)
    if kind == "riff":
        return _riff_player(plan, low, high, rng)
    if kind in ("power", "shuffle"):
        bottom = min(low + int(rng.integers(0, 6)), high - 24)
        return _power_chords if kind == "power" else _shuffle_player(bottom)
    length = {
        "hold": None,
        "stab": float(rng.uniform(0.2, 0.45)),
        "skank": float(rng.uniform(0.12, 0.28)),
        "strum": None,
    }[kind]
    return _chord_player(center, length, float(rng.uniform(0.015, 0.04)) if kind == "strum" else 0.0)


def _chord_player(center: int, length: float | None, spread: float) -> _Player:
    strokes = iter(range(1 << 30))

    def play(hit: Hit, chord: Chord, low: int) -> Iterator[NoteEvent]:
        tones = voicing(chord, center)
        upwards = next(strokes) % 2 and spread
        for place, pitch in enumerate(reversed(tones) if upwards else tones):
            sounding = 0.95 * hit.gap if length is None else min(length, hit.gap)
            yield NoteEvent(hit.beat + place * spread, sounding, pitch, level(hit.mark) * (0.85 if upwards else 1.0))

    return play


def _pick_player(shape: tuple[int, ...], center: int) -> _Player:
    count = iter(range(1 << 30))

    def play(hit: Hit, chord: Chord, low: int) -> Iterator[NoteEvent]:
        tones = voicing(chord, center)
        tones = (*tones, *(tone + 12 for tone in tones))
        yield NoteEvent(hit.beat, hit.gap * 1.4, tones[shape[next(count) % len(shape)]], level(hit.mark))

    return play


def _power_chords(hit: Hit, chord: Chord, low: int) -> Iterator[NoteEvent]:
    root = low + (chord.root - low) % 12
    if hit.mark == "X":
        for interval in (0, 7, 12):
            yield NoteEvent(hit.beat, hit.gap * 0.95, root + interval, 1.0)
    else:
        yield NoteEvent(hit.beat, min(hit.gap, 0.25) * 0.7, root, 0.85)
        yield NoteEvent(hit.beat, min(hit.gap, 0.25) * 0.7, root + 7, 0.75)


def _shuffle_player(bottom: int) -> _Player:
    def play(hit: Hit, chord: Chord, low: int) -> Iterator[NoteEvent]:
        root = bottom + (chord.root - bottom) % 12
        for interval in (0, 9 if int(hit.beat) % 2 else 7):
            yield NoteEvent(hit.beat, hit.gap * 0.75, root + interval, level(hit.mark))

    return play


def _riff_player(plan: PiecePlan, low: int, high: int, rng: np.random.Generator) -> _Player:
    """Player of a figure of eight scale steps that repeats in every bar, from the root of the chord."""
    figure = [0, *(int(step) for step in rng.choice([0, 0, 0, 1, 2, -1, 3, 4, 7], 7))]
    pitches = scale_pitches(plan.tonic, SCALES[plan.mode], low, high)
    home = int(np.clip(low + rng.integers(5, 16), low + 2, high - 14))

    def play(hit: Hit, chord: Chord, low: int) -> Iterator[NoteEvent]:
        start = min(range(len(pitches)), key=lambda i: abs(pitches[i] - nearest_pitch(home, (chord.root,))))
        place = round((hit.beat % plan.beats) * 2) % len(figure)
        pitch = pitches[int(np.clip(start + figure[place], 0, len(pitches) - 1))]
        yield NoteEvent(hit.beat, hit.gap * 0.85, pitch, level(hit.mark))

    return play
