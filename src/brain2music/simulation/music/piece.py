"""A composed piece: what it is (the truth a study is built on) and its notes."""

from dataclasses import dataclass
from typing import NamedTuple


class Note(NamedTuple):
    """One note: start and end in seconds, MIDI pitch (drums: the General-MIDI key), velocity 1-127."""

    start: float
    end: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class PieceTrack:
    """One instrument's part.

    ``role`` is drums, bass, chords, texture, answer or lead; ``instrument`` and ``manner`` are plain words
    ("upright bass", "walking"); ``program`` is the General-MIDI program (of the drum kits where ``is_drum``);
    ``volume`` is the mix level, 0-127 (controller 7).
    """

    role: str
    instrument: str
    manner: str
    program: int
    is_drum: bool
    volume: int
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class PieceSection:
    """A stretch of the piece, in seconds, with its chords as Roman numerals, a bar each ("-" joins two)."""

    label: str
    start: float
    end: float
    chords: tuple[str, ...]


@dataclass(frozen=True)
class Piece:
    """A piece of ``seconds`` length.

    ``tempo`` is in beats a minute, ``key`` a tonic and major or minor ("A minor"), ``mode`` the scale it is
    drawn from ("dorian"), ``beats`` the number of quarter notes in a bar, ``swing`` the share of a beat (or
    of half of it) that its first half takes: 0.5 is straight, 0.67 a triplet shuffle.
    """

    genre: str
    tempo: float
    key: str
    mode: str
    mood: str
    beats: int
    swing: float
    seconds: float
    sections: tuple[PieceSection, ...]
    tracks: tuple[PieceTrack, ...]

    @property
    def meter(self) -> str:
        """The time signature, "4/4" or "3/4"."""
        return f"{self.beats}/4"

    @property
    def progression(self) -> tuple[str, ...]:
        """The chords of the longest section."""
        return max(self.sections, key=lambda section: section.end - section.start).chords

    @property
    def instruments(self) -> tuple[str, ...]:
        """What plays, in plain words, from the foreground to the background, each once."""
        return tuple(dict.fromkeys(track.instrument for track in self.tracks))
