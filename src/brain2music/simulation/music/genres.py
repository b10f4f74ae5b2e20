"""What makes a genre: its fields, read from a file of data in ``styles/``. The engine knows nothing else.

Rhythms are one bar of sixteenths (12 characters: a bar of 3/4; 32: two bars in turn): ``X`` accent, ``x``
hit, ``o`` ghost, ``?`` perhaps, ``.`` rest. A part's style is ``"kind rhythm"`` (the kinds are in
:mod:`.parts`); melodic kinds (:mod:`.melody`) give the notes in a bar instead: ``"line 3-6"``. A bass writes
degrees for hits: ``R`` root, ``r`` short root, ``3`` third, ``5`` fifth, ``6`` sixth, ``7`` seventh, ``8``
octave, ``a`` approach to the next root, ``w`` walking. A drum voice's options are ``"drum rhythm"``, joined
by `` + ``; an empty one is silence. Chords are Roman numerals on the tonic's major scale, one a bar; ``-``
joins two. Numbers behind names are weights.
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
    """How often a role is there, what plays it (instrument → weight), and how (manner → style)."""

    presence: float
    instruments: Mapping[str, float]
    styles: Mapping[str, str]


@dataclass(frozen=True)
class Genre:
    """One genre.

    ``tempo`` in beats a minute; ``major`` and ``minor`` the progressions for modes with such a third;
    ``drums`` the options of each voice; ``scale`` the lead's ("mode", or a pentatonic: "major", "minor",
    "blue"); ``swing`` how much of each ``swing_beats`` its first half takes; ``drumming`` how often there are
    drums; ``continuous`` whether the progression runs on across sections; ``looseness`` the players' timing
    spread in ms; ``loudness`` from calm to driving; ``fills`` how often a section ends on a drum fill.
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
"""The ten genres of GTZAN, in its order (the alphabet's)."""
