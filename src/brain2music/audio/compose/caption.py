"""Captions: English sentences that say of a piece only what is true of it."""

from collections.abc import Sequence

import numpy as np

from .piece import Piece, Track
from .plan import pick_one
from .theory import is_minor

GENRE_WORDS = {"hiphop": "hip-hop"}
_PLURAL = ("drums", "strings", "percussion")
_TEMPO_WORDS = (
    (70, ("very slow", "unhurried")),
    (88, ("slow", "laid-back")),
    (112, ("mid-tempo", "moderate", "steady")),
    (138, ("upbeat", "lively")),
    (999, ("fast", "up-tempo")),
)
_SCENES = {
    "aggressive": "a fight scene",
    "dark": "a crime film",
    "brooding": "a rainy night",
    "melancholic": "a sad farewell",
    "tense": "a chase",
    "dramatic": "the climax of a film",
    "soulful": "a late evening in a bar",
    "dreamy": "falling asleep",
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


def captions(piece: Piece, rng: np.random.Generator, n: int) -> tuple[str, ...]:
    """``n`` different captions of a piece: genre, mood and tempo in words, instruments and how they play, key, scene."""
    drawn: dict[str, None] = {}
    while len(drawn) < n:
        drawn[_caption(piece, rng)] = None
    return tuple(drawn)


def caption(piece: Piece, rng: np.random.Generator) -> str:
    """One caption."""
    return captions(piece, rng, 1)[0]


def _caption(piece: Piece, rng: np.random.Generator) -> str:
    opening = _OPENINGS[int(rng.integers(len(_OPENINGS)))](piece, rng)
    details = [detail(piece, rng) for detail in _DETAILS if rng.random() < 0.5]
    return " ".join(_sentence(text) for text in (opening, *details))


def _opening_led(piece: Piece, rng: np.random.Generator) -> str:
    return f"{_article(piece.mood)} {_genre(piece)} piece at a {_pace(piece, rng)} tempo, with {_band(piece, rng)}"


def _opening_tempo(piece: Piece, rng: np.random.Generator) -> str:
    return f"{_article(_pace(piece, rng))}, {piece.mood} {_genre(piece)} track featuring {_band(piece, rng)}"


def _opening_this(piece: Piece, rng: np.random.Generator) -> str:
    noun = pick_one(("tune", "track", "piece", "instrumental"), rng)
    return f"this is {_article(piece.mood)} {_genre(piece)} {noun}. {_sentence(f'we hear {_band(piece, rng)}')}".rstrip(
        "."
    )


def _opening_mood(piece: Piece, rng: np.random.Generator) -> str:
    return f"{_genre(piece)} with a {piece.mood} feel, {_pace(piece, rng)}, played by {_band(piece, rng)}"


def _opening_key(piece: Piece, rng: np.random.Generator) -> str:
    return f"{_article(_pace(piece, rng))} {_genre(piece)} song in {piece.key}. {_sentence(_feature(piece, rng))}".rstrip(
        "."
    )


def _opening_short(piece: Piece, rng: np.random.Generator) -> str:
    return f"{piece.mood} {_genre(piece)}, {_band(piece, rng)}"


def _tempo(piece: Piece, rng: np.random.Generator) -> str:
    number = round(piece.tempo)
    return pick_one(
        (f"the tempo is around {number} BPM", f"it moves at about {number} beats per minute"), rng
    )


def _key(piece: Piece, rng: np.random.Generator) -> str:
    mode = piece.mode if piece.mode not in ("major", "minor") else f"{piece.mode} scale"
    shade = "minor" if is_minor(piece.mode) else "major"
    return pick_one(
        (f"it is in {piece.key}", f"a {shade} key sets the tone", f"the melody draws on the {mode}"), rng
    )


def _rhythm(piece: Piece, rng: np.random.Generator) -> str:
    drums = next((track.instrument for track in piece.tracks if track.is_drum), None)
    if piece.beats == 3:
        return "it is a waltz in three"
    if drums is None:
        return "there are no drums"
    feel = "swing" if piece.swing >= 0.57 else "play a straight beat"
    return f"the {drums} {feel}" if drums.endswith("drums") else f"the {drums} keeps the beat"


def _feature(piece: Piece, rng: np.random.Generator) -> str:
    track = pick_one_track(piece.tracks, rng)
    verb = {"lead": "carries the melody", "bass": "moves below", "answer": "answers"}.get(
        track.role, "accompanies"
    )
    return f"{_article(_manner(track))} {verb}"


def _scene(piece: Piece, rng: np.random.Generator) -> str:
    scene = _SCENES[piece.mood]
    return pick_one((f"it would suit {scene}", f"it brings {scene} to mind"), rng)


_OPENINGS = (_opening_led, _opening_tempo, _opening_this, _opening_mood, _opening_key, _opening_short)
_DETAILS = (_tempo, _key, _rhythm, _feature, _scene)


def pick_one_track(tracks: Sequence[Track], rng: np.random.Generator) -> Track:
    """One of the pitched tracks."""
    pitched = [track for track in tracks if not track.is_drum]
    return pitched[int(rng.integers(len(pitched)))]


def _band(piece: Piece, rng: np.random.Generator) -> str:
    """Two to four of the instruments, in the order of their weight, some with how they play."""
    order = sorted(range(len(piece.tracks)), key=lambda i: (i > 0) * rng.random())
    names = [_manner(piece.tracks[i]) if rng.random() < 0.5 else piece.tracks[i].instrument for i in order]
    chosen = list(dict.fromkeys(names))[: int(rng.integers(2, 5))]
    chosen = [name if name.endswith(_PLURAL) else _article(name) for name in chosen]
    return f"{', '.join(chosen[:-1])} and {chosen[-1]}" if len(chosen) > 1 else chosen[0]


def _manner(track: Track) -> str:
    return f"{track.manner} {track.instrument}".strip()


def _pace(piece: Piece, rng: np.random.Generator) -> str:
    return pick_one(next(words for limit, words in _TEMPO_WORDS if piece.tempo < limit), rng)


def _genre(piece: Piece) -> str:
    return GENRE_WORDS.get(piece.genre, piece.genre)


def _article(words: str) -> str:
    return f"{'an' if words[0].lower() in 'aeiou' else 'a'} {words}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
