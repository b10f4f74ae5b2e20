"""The listening cards: what was heard in every test clip, and what its decoded embedding retrieved and generated."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from brain2music.pipeline.outputs import Outputs
from brain2music.report.data import Decoded, Subject
from brain2music.report.spectrogram import thumbnail

MOST_NEXT = 5
MOST_TAKES = 3
"""Generated pieces of a clip and condition that the page plays; the others are in the folder."""


@dataclass(frozen=True)
class Player:
    """A sound on the page: its address from the page and its picture as data URI; None without a file."""

    source: str | None
    picture: str | None


@dataclass(frozen=True)
class Track:
    """A retrieved gallery track and its player; ``start`` in seconds, ``cosine`` to the query."""

    title: str
    artist: str
    licence: str
    genre: str
    start: float
    cosine: float
    player: Player


@dataclass(frozen=True)
class Found:
    """What one embedding retrieved for a clip: the best by brain, by oracle and by caption, and the brain's next.

    ``words`` : the caption, "" where the run had none.
    ``made`` : what was generated from the prediction as generators are given it, from the prediction as it is, and
    from the true embedding, by condition ("brain", ...), each a few takes in the order in which they were made.
    """

    embedding: str
    retrieves: bool
    brain: Track | None
    oracle: Track | None
    following: tuple[str, ...]
    made: dict[str, tuple[Player, ...]]
    caption: Track | None = None
    words: str = ""


@dataclass(frozen=True)
class Card:
    """One test clip and its rank among ``candidates`` in the first embedding (None without similarities)."""

    clip: str
    genre: str
    rank: int | None
    candidates: int
    heard: Player
    found: tuple[Found, ...]


class Shelf:
    """The sounds of a run's folder; pictures are drawn once a file."""

    def __init__(self, outputs: Outputs) -> None:
        self.outputs = outputs
        self._players: dict[Path, Player] = {}

    def player(self, path: Path) -> Player:
        """The player of a file below the run's folder."""
        if path not in self._players:
            here = path.is_file() and path.is_relative_to(self.outputs.root) and ".." not in path.parts
            source = quote(os.fsencode(path.relative_to(self.outputs.root).as_posix())) if here else None
            self._players[path] = Player(source, thumbnail(path) if here else None)
        return self._players[path]


def cards_of(subject: Subject, shelf: Shelf) -> list[Card]:
    """The cards of a subject's scored clips, in the order of the first embedding's tables."""
    if not subject.decoded:
        return []
    first = subject.decoded[0]
    ranks = first.ranks
    cards = []
    for index, (clip, genre) in enumerate(zip(first.clips, first.genres, strict=True)):
        shown = [each for each in subject.decoded if each.retrieval is not None or each.generated is not None]
        found = tuple(_found(decoded, clip, shelf) for decoded in shown)
        rank = None if ranks is None else int(ranks[index])
        heard = shelf.player(shelf.outputs.stimulus(clip))
        cards.append(Card(clip, genre, rank, len(first.clips), heard, found))
    return cards


def _found(decoded: Decoded, clip: str, shelf: Shelf) -> Found:
    name, table, made = decoded.embedding.name, decoded.retrieval, _made(decoded, clip, shelf)
    if table is None:
        return Found(name, False, None, None, (), made)
    mine = table[table["clip"] == clip].sort_values("rank")
    brain = mine[mine["source"] == "brain"]
    later = brain[brain["rank"] > 1].head(MOST_NEXT)
    following = tuple(_line(row) for row in later[["title", "track", "artist"]].itertuples())
    best = {source: _first(mine, source, shelf) for source in ("brain", "oracle", "caption")}
    said = mine[mine["source"] == "caption"].get("caption", pd.Series(dtype=str))  # runs before captions have none
    words = str(said.iloc[0]) if len(said) else ""
    return Found(name, True, best["brain"], best["oracle"], following, made, best["caption"], words)


def _made(decoded: Decoded, clip: str, shelf: Shelf) -> dict[str, tuple[Player, ...]]:
    if decoded.generated is None:
        return {}
    mine = decoded.generated[decoded.generated["clip"] == clip].sort_values("take")
    first = mine.groupby("condition", sort=False).head(MOST_TAKES)
    return {
        str(condition): tuple(shelf.player(shelf.outputs.root / file) for file in rows["file"])
        for condition, rows in first.groupby("condition", sort=False)
    }


def _first(rows: pd.DataFrame, source: str, shelf: Shelf) -> Track | None:
    best = rows[(rows["source"] == source) & (rows["rank"] == 1)]
    if best.empty:
        return None
    row = best.iloc[0]
    return Track(
        title=row["title"] or row["track"],
        artist=row["artist"],
        licence=row["licence"],
        genre=row["track_genre"],
        start=float(row["start_s"]),
        cosine=float(row["cosine"]),
        player=shelf.player(shelf.outputs.retrieved(row["track"])),
    )


def _line(row: Any) -> str:
    return ", ".join(part for part in (row.title or row.track, row.artist) if part)
