"""Genres as data: the fields that define one, read from the files in ``styles/``.

A rhythm is one bar of sixteenths (12 characters for 3/4; 32 for two bars that alternate): ``X`` accent, ``x`` hit,
``o`` ghost note, ``?`` optional hit, ``.`` rest. The style of a part is ``"kind rhythm"`` (kinds are in :mod:`.parts`);
melodic kinds (:mod:`.melody`) have the number of notes per bar instead: ``"line 3-6"``. Bass rhythms hold degrees
instead of hits: ``R`` root, ``r`` short root, ``3`` third, ``5`` fifth, ``6`` sixth, ``7`` seventh, ``8`` octave, ``a``
approach to the next root, ``w`` walking. The options of a drum voice are ``"drum rhythm"``, joined with `` + ``; an
empty one is silence. Chords are Roman numerals on the major scale of the tonic, one per bar; ``-`` joins two. Numbers
after names are weights.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources

from pydantic import TypeAdapter

MOODS = {  # valence (dark to bright), energy (calm to driving), both 0-1
    "aggressive": (0.1, 1.0),
    "dark": (0.05, 0.6),
    "brooding": (0.1, 0.3),
    "melancholic": (0.2, 0.15),
    "tense": (0.2, 0.8),
    "dramatic": (0.3, 0.7),
    "soulful": (0.4, 0.4),
    "dreamy": (0.6, 0.1),
    "calm": (0.7, 0.15),
    "tender": (0.5, 0.2),
    "relaxed": (0.75, 0.3),
    "groovy": (0.5, 0.65),
    "playful": (0.8, 0.6),
    "cheerful": (0.95, 0.6),
    "uplifting": (0.9, 0.8),
    "energetic": (0.6, 0.95),
    "triumphant": (0.8, 0.95),
}


@dataclass(frozen=True)
class Role:
    """Probability that a role is present, its instruments (name → weight) and styles (manner → style)."""

    presence: float
    instruments: Mapping[str, float]
    styles: Mapping[str, str]


@dataclass(frozen=True)
class Genre:
    """Ranges, probabilities and patterns from which pieces of one genre are drawn.

    Attributes
    ----------
    tempo : lowest and highest, in beats per minute. moods : possible moods (:data:`MOODS`). modes : mode → weight.
    major, minor : chord progressions for modes with a major and a minor third.
    kits : drum kit → weight. drums : options of each drum voice. roles : role → :class:`Role`.
    scale : options for the melody: "mode", or a pentatonic scale, "major", "minor" or "blue".
    swing : range of the share of ``swing_beats`` that its first half takes. swing_beats : length in beats.
    drumming : probability of drums. meters : beats per bar → weight.
    continuous : whether the progression continues across sections.
    looseness : spread of the players' timing in ms. loudness : of calm and of driving pieces, 0-1.
    fills : probability that a section ends with a drum fill.
    """

    tempo: tuple[float, float]
    moods: tuple[str, ...]
    modes: Mapping[str, float]
    major: tuple[str, ...]
    minor: tuple[str, ...]
    kits: Mapping[str, float]
    drums: Mapping[str, tuple[str, ...]]
    roles: Mapping[str, Role]
    scale: tuple[str, ...] = ("mode",)
    swing: tuple[float, float] = (0.5, 0.5)
    swing_beats: float = 1.0
    drumming: float = 1.0
    meters: Mapping[int, float] = field(default_factory=lambda: {4: 1.0})
    continuous: bool = False
    looseness: float = 8.0
    loudness: tuple[float, float] = (0.7, 1.0)
    fills: float = 0.7


def _read_genres() -> dict[str, Genre]:
    files = sorted(resources.files(__package__).joinpath("styles").iterdir(), key=lambda file: file.name)
    validator = TypeAdapter(Genre)
    return {
        file.name.removesuffix(".toml"): validator.validate_python(tomllib.loads(file.read_text(encoding="utf-8")))
        for file in files
    }


GENRES: dict[str, Genre] = _read_genres()
"""
The ten genres of GTZAN with the rules of their music, by name.

Examples
--------
>>> from brain2music.simulation.music import GENRES
>>> list(GENRES)
['blues', 'classical', 'country', 'disco', 'hiphop', 'jazz', 'metal', 'pop', 'reggae', 'rock']
"""
