"""Composition of a piece in a genre: draw a plan, choose instruments, write each part, perform it."""

from collections.abc import Iterable, Mapping, Set
from itertools import groupby

import numpy as np

from .genres import Role
from .instruments import INSTRUMENTS, KITS
from .melody import melody_part
from .parts import bass_part, chord_part
from .piece import Note, Piece, PieceSection, PieceTrack
from .plan import LOUDNESS, PRESENCE, PiecePlan, draw_plan, pick, pick_one
from .rhythm import NoteEvent, drum_part, patterns_for_meter, swing_beat
from .theory import key_name

MIX = {"lead": 104, "bass": 98, "chords": 84, "texture": 68, "answer": 82, "drums": 100}
"""Mean mix level of each role (controller 7); that of a track is drawn around it."""
_MELODIC = ("line", "loop", "bop", "reply")
_DOUBLING_WEIGHT = 0.15  # factor of the weight of an instrument that another role has


def compose_piece(genre: str, rng: np.random.Generator, seconds: float = 30.0) -> Piece:
    """Compose a piece of a genre.

    Tempo, key, mood, form and chords are drawn first, then instruments and their parts. The same state of ``rng`` gives
    the same notes.

    Parameters
    ----------
    genre : str
        One of the ten genres of GTZAN (:data:`GENRES`).
    rng : numpy.random.Generator
        Random numbers.
    seconds : float, default 30.0
        Duration in seconds.

    Returns
    -------
    Piece
        Properties and notes.

    Raises
    ------
    InputError
        There is no such genre.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.simulation.music import compose_piece
    >>> piece = compose_piece("reggae", np.random.default_rng(0))
    >>> sum(len(track.notes) for track in piece.tracks) > 100
    True
    """
    plan = draw_plan(genre, rng, seconds)
    sections = _sections_of_roles(plan, rng)
    tracks: list[PieceTrack] = []
    for role, active in sections.items():
        if role == "drums":
            tracks.append(_drums(plan, active, rng))
        else:
            tracks.append(_pitched_track(plan, role, active, [track.instrument for track in tracks], rng))
    return Piece(
        genre=genre,
        tempo=plan.tempo,
        key=key_name(plan.tonic, plan.mode),
        mode=plan.mode,
        mood=plan.mood,
        beats=plan.beats,
        swing=plan.swing,
        seconds=seconds,
        sections=_piece_sections(plan),
        tracks=tuple(track for track in tracks if track.notes),
    )


def _sections_of_roles(plan: PiecePlan, rng: np.random.Generator) -> Mapping[str, Set[str]]:
    """Sections in which each role of the piece plays; every section has at least two roles."""
    chances = {role: entry.presence for role, entry in plan.style.roles.items()} | {"drums": plan.style.drumming}
    roles = [role for role, chance in chances.items() if rng.random() < chance]
    roles = list(dict.fromkeys([*roles, "lead", "chords"])) if len(roles) < 3 else roles
    active: dict[str, set[str]] = {role: set() for role in roles}
    for section, presence in PRESENCE.items():
        playing = [role for role in roles if rng.random() < presence[role]]
        while len(playing) < 2:
            playing.append(pick_one([role for role in roles if role not in playing], rng))
        for role in playing:
            active[role].add(section)
    return active


def _pitched_track(
    plan: PiecePlan, role: str, active: Set[str], taken: Iterable[str], rng: np.random.Generator
) -> PieceTrack:
    entry = plan.style.roles[role]
    name = pick({i: w * (_DOUBLING_WEIGHT if i in taken else 1.0) for i, w in entry.instruments.items()}, rng)
    program, low, high = INSTRUMENTS[name]
    manner = _choose_manner(entry, plan.beats, rng)
    kind, rhythm = entry.styles[manner].split()
    if kind == "bass":
        events = bass_part(plan, active, rhythm, low, high, rng)
    elif kind in _MELODIC:
        events = melody_part(plan, active, kind, rhythm, low, high, rng)
    else:
        events = chord_part(plan, active, kind, rhythm, low, high, rng)
    return PieceTrack(role, name, manner, program, False, _volume(role, rng), _perform(plan, events, rng))


def _drums(plan: PiecePlan, active: Set[str], rng: np.random.Generator) -> PieceTrack:
    kit = pick(plan.style.kits, rng)
    notes = _perform(plan, drum_part(plan, active, rng), rng)
    return PieceTrack("drums", kit, "", KITS[kit], True, _volume("drums", rng), notes)


def _choose_manner(entry: Role, beats: int, rng: np.random.Generator) -> str:
    rhythms = patterns_for_meter(entry.styles.values(), beats)
    return pick_one([manner for manner, style in entry.styles.items() if style in rhythms], rng)


def _volume(role: str, rng: np.random.Generator) -> int:
    return int(np.clip(rng.normal(MIX[role], 8), 45, 120))


def _perform(plan: PiecePlan, events: Iterable[NoteEvent], rng: np.random.Generator) -> tuple[Note, ...]:
    """Convert beats to seconds, with swing, the timing of a player, and the dynamics of section and piece."""
    lag, spread = rng.normal(0, 0.4), rng.uniform(0.5, 1.2)
    quiet, loud = plan.style.loudness
    strength = quiet + (loud - quiet) * plan.energy
    notes: list[Note] = []
    for event in events:
        start, end = (
            60 / plan.tempo * swing_beat(b, plan.swing, plan.style.swing_beats)
            for b in (event.beat, event.beat + event.length)
        )
        shift = 1e-3 * plan.style.looseness * (lag + spread * rng.normal(0, 0.7))
        section = plan.bars[min(int(event.beat // plan.beats), len(plan.bars) - 1)].section
        velocity = 118 * strength * LOUDNESS[section] * event.loudness * (1 + rng.normal(0, 0.05))
        start, end = max(0.0, start + shift), min(plan.seconds, end + shift)
        if end - start > 0.01:
            notes.append(Note(round(start, 4), round(end, 4), event.pitch, int(np.clip(velocity, 12, 127))))
    return _cut_overlaps(sorted(notes))


def _cut_overlaps(notes: list[Note]) -> tuple[Note, ...]:
    """End notes where the same pitch begins again; on one MIDI channel an overlap would silence the second note."""
    following: dict[int, float] = {}
    kept: list[Note] = []
    for note in reversed(notes):
        end = min(note.end, following.get(note.pitch, note.end))
        if end > note.start:
            kept.append(note._replace(end=end))
            following[note.pitch] = note.start
    return tuple(reversed(kept))


def _piece_sections(plan: PiecePlan) -> tuple[PieceSection, ...]:
    beat = 60 / plan.tempo
    grouped = groupby(plan.bars, key=lambda bar: (bar.number - bar.place, bar.section))
    runs = [(label, list(bars)) for (_, label), bars in grouped]
    return tuple(
        PieceSection(
            label,
            bars[0].beat * beat,
            min(plan.seconds, (bars[-1].beat + plan.beats) * beat),
            tuple(bar.numerals for bar in bars),
        )
        for label, bars in runs
    )
