"""English captions of composed pieces that say only what is true of them."""

from itertools import chain

import numpy as np

from .piece import Piece, PieceTrack
from .plan import pick_one
from .theory import is_minor

_PACES = (  # upper limit in beats per minute
    (70, ("very slow", "unhurried")),
    (88, ("slow", "laid-back")),
    (112, ("mid-tempo", "moderately paced", "steady")),
    (138, ("upbeat", "lively")),
    (999, ("fast", "brisk")),
)
_SCENES = {
    "aggressive": "a fight scene",
    "dark": "a crime film",
    "brooding": "a rainy night",
    "melancholic": "a sad farewell",
    "tense": "a chase",
    "dramatic": "the climax of a film",
    "soulful": "a late evening in a bar",
    "dreamy": "a half-remembered dream",
    "calm": "a quiet morning",
    "tender": "a love scene",
    "relaxed": "a lazy afternoon",
    "groovy": "a dance floor",
    "playful": "a light comedy",
    "cheerful": "a sunny day out",
    "uplifting": "a happy ending",
    "energetic": "a workout",
    "triumphant": "a victory",
}
_VERBS = {
    "lead": ("carries the melody", "plays the melody", "takes the lead"),
    "bass": ("holds the low end", "moves below"),
    "chords": ("plays the chords", "accompanies"),
    "texture": ("fills the background", "is heard behind"),
    "answer": ("answers", "responds"),
}
_PLURAL = ("drums", "strings", "percussion")
_PLURAL_VERBS = {"carries": "carry", "plays": "play", "takes": "take", "fills": "fill", "is": "are"}
_SWINGS = 0.57  # share of the beat from which swing is audible


def make_caption(piece: Piece, rng: np.random.Generator) -> str:
    """Write an English caption of a composed piece.

    It has an opening with genre, mood or pace and instruments, and then some details; all of it is true of the piece.

    Parameters
    ----------
    piece : Piece
        Composed piece.
    rng : numpy.random.Generator
        Random numbers, with which words and details are chosen.

    Returns
    -------
    str
        One or more sentences.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.simulation.music import compose_piece, make_caption
    >>> rng = np.random.default_rng(0)
    >>> caption = make_caption(compose_piece("disco", rng), rng)
    >>> "disco" in caption.lower()
    True
    """
    opening = _OPENINGS[int(rng.integers(len(_OPENINGS)))](piece, rng)
    details = [detail(piece, rng) for detail in _DETAILS if rng.random() < 0.45]
    sentences = dict.fromkeys(chain(opening, details))
    return " ".join(f"{text[0].upper()}{text[1:]}." for text in sentences)


def make_captions(piece: Piece, rng: np.random.Generator, n: int) -> tuple[str, ...]:
    """Write several different captions of a composed piece.

    Parameters
    ----------
    piece : Piece
        Composed piece.
    rng : numpy.random.Generator
        Random numbers, with which words and details are chosen.
    n : int
        Number of captions.

    Returns
    -------
    tuple of str
        Captions, no two of which are equal.
    """
    unique: dict[str, None] = {}
    while len(unique) < n:
        unique[make_caption(piece, rng)] = None
    return tuple(unique)


def pace_words(tempo: float) -> tuple[str, ...]:
    """Words for a tempo in beats per minute."""
    return next(words for limit, words in _PACES if tempo < limit)


def _open_with_mood(piece: Piece, rng: np.random.Generator) -> list[str]:
    return [f"{_with_a(piece.mood)}, {_pace(piece, rng)} {_genre(piece)} piece with {_band(piece, rng)}"]


def _open_with_pace(piece: Piece, rng: np.random.Generator) -> list[str]:
    return [f"{_with_a(_pace(piece, rng))}, {piece.mood} {_genre(piece)} track featuring {_band(piece, rng)}"]


def _open_with_this_is(piece: Piece, rng: np.random.Generator) -> list[str]:
    noun = pick_one(("tune", "track", "piece", "instrumental"), rng)
    return [f"this is {_with_a(piece.mood)} {_genre(piece)} {noun}", f"we hear {_band(piece, rng)}"]


def _open_with_genre(piece: Piece, rng: np.random.Generator) -> list[str]:
    return [f"{_genre(piece)} with {_with_a(piece.mood)} feel, {_pace(piece, rng)}, played by {_band(piece, rng)}"]


def _open_with_key(piece: Piece, rng: np.random.Generator) -> list[str]:
    return [f"{_with_a(_pace(piece, rng))} {_genre(piece)} song in {piece.key}", _feature(piece, rng)]


def _open_tersely(piece: Piece, rng: np.random.Generator) -> list[str]:
    return [f"{piece.mood} {_genre(piece)}, {_band(piece, rng)}"]


def _tempo(piece: Piece, rng: np.random.Generator) -> str:
    number = round(piece.tempo)
    return pick_one((f"the tempo is around {number} BPM", f"it moves at about {number} beats per minute"), rng)


def _key_sentence(piece: Piece, rng: np.random.Generator) -> str:
    shade = "minor" if is_minor(piece.mode) else "major"
    return pick_one(
        (f"it is in {piece.key}", f"a {shade} key sets the tone", f"it draws on the {piece.mode} scale"), rng
    )


def _rhythm(piece: Piece, rng: np.random.Generator) -> str:
    drums = next((track.instrument for track in piece.tracks if track.is_drum), None)
    if piece.beats == 3:
        return "it is in three, like a waltz"
    if drums is None:
        return "there are no drums"
    if drums.endswith("drums"):
        return f"the {drums} {'swing' if piece.swing >= _SWINGS else 'play a straight beat'}"
    return f"the {drums} keeps the beat"


def _feature(piece: Piece, rng: np.random.Generator) -> str:
    pitched = [track for track in piece.tracks if not track.is_drum]
    track = pitched[int(rng.integers(len(pitched)))]
    verb = pick_one(_VERBS[track.role], rng)
    if track.instrument.endswith(_PLURAL):
        first, *rest = verb.split()
        verb = " ".join([_PLURAL_VERBS.get(first, first.removesuffix("s")), *rest])
    return f"{_with_article(_with_manner(track))} {verb}"


def _scene(piece: Piece, rng: np.random.Generator) -> str:
    return pick_one((f"it would suit {_SCENES[piece.mood]}", f"it brings {_SCENES[piece.mood]} to mind"), rng)


_OPENINGS = (_open_with_mood, _open_with_pace, _open_with_this_is, _open_with_genre, _open_with_key, _open_tersely)
_DETAILS = (_tempo, _key_sentence, _rhythm, _feature, _scene)


def _band(piece: Piece, rng: np.random.Generator) -> str:
    """Two to four of the instruments, the foremost first, some with their manner of playing."""
    first, *others = piece.tracks
    order = [first, *(others[i] for i in rng.permutation(len(others)))]
    by_name = {track.instrument: _with_manner(track) if rng.random() < 0.5 else track.instrument for track in order}
    *names, last = [_with_article(name) for name in by_name.values()][: int(rng.integers(2, 5))]
    return f"{', '.join(names)} and {last}" if names else last


def _with_manner(track: PieceTrack) -> str:
    return f"{track.manner} {track.instrument}".strip()


def _with_article(instrument: str) -> str:
    return instrument if instrument.endswith(_PLURAL) else _with_a(instrument)


def _with_a(words: str) -> str:
    an = words[0].lower() in "aeiou" and not words.startswith("unison")
    return f"{'an' if an else 'a'} {words}"


def _pace(piece: Piece, rng: np.random.Generator) -> str:
    return pick_one(pace_words(piece.tempo), rng)


def _genre(piece: Piece) -> str:
    return "hip-hop" if piece.genre == "hiphop" else piece.genre
