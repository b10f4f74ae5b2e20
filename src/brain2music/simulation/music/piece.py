"""A composed piece: its known properties (the ground truth of simulated studies) and its notes."""

from dataclasses import dataclass
from typing import NamedTuple


class Note(NamedTuple):
    """A note: start and end in seconds, MIDI pitch (for drums the General-MIDI key), velocity 1-127."""

    start: float
    end: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class PieceTrack:
    """The part of one instrument in a piece.

    Attributes
    ----------
    role : drums, bass, chords, texture, answer or lead. instrument, manner : plain words ("upright bass", "walking").
    program : General-MIDI program (of the drum kits where ``is_drum``). volume : mix level, 0-127 (controller 7).
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
    """Section of a piece: start and end in seconds, chords as Roman numerals, one per bar ("-" joins two)."""

    label: str
    start: float
    end: float
    chords: tuple[str, ...]


@dataclass(frozen=True)
class Piece:
    """A composed piece of ``seconds`` length.

    Attributes
    ----------
    tempo : in beats per minute. key : tonic and major or minor ("A minor"). mode : its scale ("dorian").
    beats : quarter notes per bar. swing : share of a beat (or of half a beat) that its first half takes: 0.5 is
        straight, 0.67 a triplet shuffle.
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
        """Names of the instruments from the foreground to the background, without repetition."""
        return tuple(dict.fromkeys(track.instrument for track in self.tracks))
