"""Clip panels: every test clip, with the music that its decoded embedding retrieved and generated."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from brain2music.pipeline.outputs import Outputs
from brain2music.report.anchors import anchor_line
from brain2music.report.data import EmbeddingOutputs, Subject
from brain2music.report.embedded import sound_uri
from brain2music.report.levels import playback_gain
from brain2music.report.spectrogram import thumbnail

MOST_NEXT = 5
MOST_SAMPLES = 3
"""Generated pieces per clip and condition that the page plays; the others are in the folder."""
QUERIES = ("decoded", "true", "caption")
"""Conditions of retrieval, in the order in which the page shows them."""


@dataclass(frozen=True)
class Player:
    """A sound on the page: its address, from the page or with the sound in it, and its picture; None without a file.

    ``gain`` is the volume, up to 1, at which it is as loud as the others; ``anchor`` tells what track it was made
    from, if from one.
    """

    source: str | None
    picture: str | None
    gain: float = 1.0
    anchor: str = ""


@dataclass(frozen=True)
class RetrievedTrack:
    """A retrieved gallery track and its player; ``start`` in seconds, ``cosine`` to the query."""

    title: str
    artist: str
    licence: str
    genre: str
    start: float
    cosine: float
    player: Player


@dataclass(frozen=True)
class ClipMusic:
    """Music that one embedding retrieved and generated for a clip.

    Attributes
    ----------
    best : dict
        First hit by condition.
    following : str
        Next hits of the decoded embedding, as text.
    caption : str
        Caption of the clip; "" where the run had none.
    generated : dict
        Samples by condition, in the order in which they were generated.
    """

    embedding: str
    retrieves: bool
    best: dict[str, RetrievedTrack]
    following: tuple[str, ...]
    caption: str
    generated: dict[str, tuple[Player, ...]]


@dataclass(frozen=True)
class ClipPanel:
    """One test clip and its rank among ``candidates`` in the first embedding (None without similarities)."""

    clip: str
    genre: str
    rank: int | None
    candidates: int
    presented: Player
    music: tuple[ClipMusic, ...]


class PagePlayers:
    """The sounds of a run's folder, as files beside the page or within it; each file is looked at once."""

    def __init__(self, outputs: Outputs, embed: bool = False) -> None:
        self.outputs, self.embed = outputs, embed
        self._players: dict[Path, Player] = {}

    def player(self, path: Path) -> Player:
        """The player of a file below the run's folder."""
        if path not in self._players:
            here = path.is_file() and path.is_relative_to(self.outputs.root) and ".." not in path.parts
            source = self._address(path) if here else None
            picture, gain = (thumbnail(path), playback_gain(path)) if here else (None, 1.0)
            self._players[path] = Player(source, picture, gain, anchor_line(path) if here else "")
        return self._players[path]

    def _address(self, path: Path) -> str:
        if self.embed:
            return sound_uri(path)
        return quote(os.fsencode(path.relative_to(self.outputs.root).as_posix()))


def panels_of(subject: Subject, players: PagePlayers) -> list[ClipPanel]:
    """The panels of a subject's scored clips, in the order of the first embedding's tables."""
    if not subject.decoded:
        return []
    first = subject.decoded[0]
    ranks = first.ranks
    shown = [each for each in subject.decoded if each.retrieval is not None or each.generated is not None]
    panels = []
    for index, (clip, genre) in enumerate(zip(first.clips, first.genres, strict=True)):
        music = tuple(_music(decoded, clip, players) for decoded in shown)
        rank = None if ranks is None else int(ranks[index])
        presented = players.player(players.outputs.stimulus(clip))
        panels.append(ClipPanel(clip, genre, rank, len(first.clips), presented, music))
    return panels


def _music(decoded: EmbeddingOutputs, clip: str, players: PagePlayers) -> ClipMusic:
    name, table, generated = decoded.embedding.name, decoded.retrieval, _generated(decoded, clip, players)
    if table is None:
        return ClipMusic(name, False, {}, (), "", generated)
    rows = table[table["clip"] == clip].sort_values("rank")
    later = rows[(rows["condition"] == "decoded") & (rows["rank"] > 1)].head(MOST_NEXT)
    following = tuple(_line(row) for row in later[["title", "track", "artist"]].itertuples())
    first = rows[(rows["rank"] == 1) & rows["condition"].isin(QUERIES)].drop_duplicates("condition")
    best = {str(row["condition"]): _track(row, players) for row in first.to_dict("records")}
    captions = rows.loc[rows["condition"] == "caption", "caption"]
    return ClipMusic(name, True, best, following, str(captions.iloc[0]) if len(captions) else "", generated)


def _generated(decoded: EmbeddingOutputs, clip: str, players: PagePlayers) -> dict[str, tuple[Player, ...]]:
    if decoded.generated is None:
        return {}
    rows = decoded.generated[decoded.generated["clip"] == clip].sort_values("sample")
    first = rows.groupby("condition", sort=False).head(MOST_SAMPLES)
    return {
        str(condition): tuple(players.player(players.outputs.root / file) for file in each["file"])
        for condition, each in first.groupby("condition", sort=False)
    }


def _track(row: dict[Any, Any], players: PagePlayers) -> RetrievedTrack:
    return RetrievedTrack(
        title=row["title"] or row["track"],
        artist=row["artist"],
        licence=row["licence"],
        genre=row["track_genre"],
        start=float(row["start_s"]),
        cosine=float(row["cosine"]),
        player=players.player(players.outputs.retrieved(row["track"])),
    )


def _line(row: Any) -> str:
    return ", ".join(part for part in (row.title or row.track, row.artist) if part)
