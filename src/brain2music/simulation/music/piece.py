"""A composed piece: its known properties (the ground truth of simulated studies) and its notes."""

from dataclasses import dataclass
from typing import NamedTuple


class Note(NamedTuple):
    """Note of a composed piece.

    Attributes
    ----------
    start : float
        Beginning in seconds.
    end : float
        End in seconds.
    pitch : int
        MIDI pitch, for drums the General-MIDI key.
    velocity : int
        Loudness, 1 to 127.

    Examples
    --------
    >>> from brain2music.simulation.music import Note
    >>> Note(start=0.0, end=0.5, pitch=69, velocity=80).pitch  # A4
    69
    """

    start: float
    end: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class PieceTrack:
    """Part of one instrument in a piece.

    Attributes
    ----------
    role : str
        "drums", "bass", "chords", "texture", "answer" or "lead".
    instrument : str
        Name of the instrument in plain words ("upright bass").
    manner : str
        Manner of playing in plain words ("walking").
    program : int
        General-MIDI program (of the drum kits where ``is_drum``).
    is_drum : bool
        Whether the instrument is a drum kit.
    volume : int
        Mix level, 0 to 127 (controller 7).
    notes : tuple of Note
        Notes in order.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.simulation.music import compose_piece
    >>> piece = compose_piece("jazz", np.random.default_rng(0))
    >>> all(note.end <= piece.seconds for track in piece.tracks for note in track.notes)
    True
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
    """Section of a piece.

    Attributes
    ----------
    label : str
        "intro", "verse", "chorus" or "break".
    start : float
        Beginning in seconds.
    end : float
        End in seconds.
    chords : tuple of str
        Chords as Roman numerals, one per bar ("-" joins two).

    Examples
    --------
    >>> from brain2music.simulation.music import PieceSection
    >>> PieceSection("verse", 0.0, 8.0, ("I", "vi", "IV", "V")).chords[0]
    'I'
    """

    label: str
    start: float
    end: float
    chords: tuple[str, ...]


@dataclass(frozen=True)
class Piece:
    """Composed piece: its known properties and its notes.

    Attributes
    ----------
    genre : str
        Genre.
    tempo : float
        Tempo in beats per minute.
    key : str
        Tonic and major or minor ("A minor").
    mode : str
        Scale ("dorian").
    mood : str
        Mood.
    beats : int
        Quarter notes per bar.
    swing : float
        Share of a beat (or of half a beat) that its first half takes: 0.5 is straight, 0.67 a triplet shuffle.
    seconds : float
        Duration in seconds.
    sections : tuple of PieceSection
        Sections in order.
    tracks : tuple of PieceTrack
        Parts of the instruments, from the foreground to the background.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.simulation.music import compose_piece
    >>> piece = compose_piece("blues", np.random.default_rng(0), seconds=20.0)
    >>> piece.genre, piece.seconds, piece.meter
    ('blues', 20.0, '4/4')
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
