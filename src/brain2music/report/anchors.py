"""Tracks that generated pieces were made from, and how near to them they are, so that a copy is called a copy."""

from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from brain2music._utils.files import read_json
from brain2music._utils.words import counted

_DONE = {"vary": "A variation of", "inpaint": "Filled between the ends of", "continue": "What follows"}


class Nearness(NamedTuple):
    """The track that a piece was made from, what was done with it, and how near the piece is to it.

    ``similarity`` is the cosine in the generator's embedding, ``correlation`` the largest of the waveforms at any lag.
    """

    how: str
    track: str
    after: str
    similarity: float
    correlation: float


def nearness_of(piece: Path) -> Nearness | None:
    """Read it from the JSON beside a piece; None where the piece was made of the embedding alone."""
    file = piece.with_suffix(".json")
    origin = read_json(file) if file.is_file() else {}
    if not isinstance(origin, dict) or "anchor" not in origin:
        return None
    numbers = (float(origin[f"anchor_{name}"]) for name in ("similarity", "correlation"))
    return Nearness(str(origin["anchored"]), str(origin["anchor"]), str(origin.get("anchor_after", "")), *numbers)


def anchor_line(piece: Path) -> str:
    """What a piece was made from and how near it is to that; "" where it was made of the embedding alone."""
    if (near := nearness_of(piece)) is None:
        return ""
    tracks = near.track if near.after in ("", near.track) else f"{near.track} and {near.after}"
    numbers = f"cosine {near.similarity:.2f} with it, waveforms correlate by {near.correlation:.2f}"
    return f"{_DONE.get(near.how, near.how)} {tracks}: {numbers}"


def anchors_sentence(pieces: Iterable[Path]) -> str:
    """How near pieces are on average to the tracks they were made from; "" where they were made of embeddings alone."""
    found = [near for piece in pieces if (near := nearness_of(piece)) is not None]
    if not found:
        return ""
    similarity, correlation = fmean(near.similarity for near in found), fmean(near.correlation for near in found)
    return (
        f"These pieces were made from retrieved tracks ({found[0].how}), with which they have a cosine of "
        f"{similarity:.2f} in the generator's embedding; the waveforms correlate by {correlation:.2f} (means over "
        f"{counted(len(found), 'piece')}; 1 is a copy)."
    )
