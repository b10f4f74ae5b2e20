"""Leakage: what training and test data must not share, checked before anything is fitted.

Clips scored in folds are split as often as there are folds: the same holds of each, as it is dealt.

The official split of ds003720 shares no clip and no track, but by Sturm's index 6 of its 60 test clips are
from a song that is also trained on, and 50 of the 58 he identified share the artist with a training clip. So
the same clip, overlapping excerpts, the same track and unmarked carry-ins are errors; the same song or artist
are warnings that belong into the results. So is another block of a piece that is too long and alone to be left
out whole; but what is nearer to a training clip than a response lasts (20 s) is an error.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from .._utils.errors import InputError, LeakageError
from ..config import RESPONSE_S
from ..study.runs import mark_carry_ins
from ..study.study import Clip, Run
from ..study.track_index import plain_column, plain_name, songs_of
from ..study.track_index import read_gtzan_index as read_gtzan_index

HeldTogether = Literal["recording", "song", "artist"]
LeakKind = Literal["clip", "overlap", "gap", "track", "carry-in", "piece", "song", "artist", "gallery"]
ERRORS: tuple[LeakKind, ...] = ("clip", "overlap", "gap", "track", "carry-in")
"""Kinds that stop a run unless they are allowed by name."""


@dataclass(frozen=True)
class Leak:
    """A test clip, and what it shares with training data.

    Attributes
    ----------
    kind : {"clip", "overlap", "gap", "track", "carry-in", "piece", "song", "artist", "gallery"}
        What is shared.
    clip : Clip
        The test clip.
    others : tuple of str
        Names of the training clips, runs or tracks of a gallery that share it.
    severity : {"error", "warning"}
        "error" unless the kind is a warning by nature, or was allowed.

    See Also
    --------
    check_split : Finds leaks.

    Examples
    --------
    >>> from brain2music.metrics import Leak
    >>> from brain2music.study import Clip
    >>> print(Leak("artist", Clip("blues.00017", 0.0, 15.0), ("blues.00018_0-15",), "warning"))
    blues.00017_0-15: is by the same artist as blues.00018_0-15
    """

    kind: LeakKind
    clip: Clip
    others: tuple[str, ...]
    severity: Literal["error", "warning"]

    def __str__(self) -> str:
        more = f" and {len(self.others) - 3} more" if len(self.others) > 3 else ""
        return f"{self.clip.name}: {_SAYS[self.kind]} {', '.join(self.others[:3])}{more}"

    def as_row(self) -> dict[str, Any]:
        """Convert the leak to one flat record.

        Returns
        -------
        dict
            Kind, name of the clip, names of the others, and severity.
        """
        return {
            "kind": self.kind,
            "clip": self.clip.name,
            "others": list(self.others),
            "severity": self.severity,
        }


def check_split(
    train_clips: Iterable[Clip],
    test_clips: Iterable[Clip],
    index: pd.DataFrame | None = None,
    allow: Collection[str] = (),
    runs: Sequence[Run] = (),
) -> list[Leak]:
    """Find everything that test clips share with training clips.

    The official split of ds003720 shares no clip and no track, but 6 of its 60 test clips are from a song that is also
    trained on, and 50 share their artist with a training clip, by Sturm's index.

    Parameters
    ----------
    train_clips : iterable of Clip
        Training clips.
    test_clips : iterable of Clip
        Test clips.
    index : DataFrame, optional
        Columns ``track``, ``artist`` and ``title``; without it, songs and artists are not compared.
    allow : collection of str
        Kinds of leaks that are intended. They are still returned, as warnings.
    runs : sequence of Run
        Runs that the clips come from, whose carry-ins must be marked as such.

    Returns
    -------
    list of Leak
        Errors first, one per test clip and kind. Of "clip", "overlap" (excerpts of one track) and "track", only the
        first that applies to a pair is given; "song" and "artist" are of different tracks, also both for one pair.
        Between blocks of a piece, "gap" stands for "track" where they are nearer than 20 s, else "piece", once per
        recording.

    Raises
    ------
    InputError
        ``allow`` names an unknown kind.

    Examples
    --------
    >>> from brain2music.metrics import check_split
    >>> from brain2music.study import Clip
    >>> train, test = [Clip("pop.00001", 0.0, 15.0)], [Clip("pop.00001", 10.0, 25.0), Clip("pop.00002", 0.0, 15.0)]
    >>> for leak in check_split(train, test):
    ...     print(leak.severity, leak.kind, leak.clip.name)
    error overlap pop.00001_10-25
    """
    train, test = tuple(dict.fromkeys(train_clips)), tuple(dict.fromkeys(test_clips))
    found: dict[tuple[LeakKind, Clip], list[str]] = defaultdict(list)
    by_track = _grouped(train, lambda clip: clip.recording)
    pieces: dict[str, Clip] = {}
    for clip in test:
        for other in by_track.get(clip.recording, ()):
            kind = _kind_on_one_track(clip, other)
            of = pieces.setdefault(clip.recording, clip) if kind == "piece" else clip
            if of == clip:
                found[kind, of].append(other.name)
    if index is not None:
        _find_shared("song", train, test, songs_of(index), found)
    _find_shared("artist", train, test, _artists(index, (*train, *test)), found)
    for run, marked in zip(runs, mark_carry_ins(runs), strict=True):
        if run != marked:
            found["carry-in", run.presentations[0].clip].append(run.name)
    return _as_leaks(found, allow)


def require_no_leak(
    train_clips: Iterable[Clip],
    test_clips: Iterable[Clip],
    index: pd.DataFrame | None = None,
    allow: Collection[str] = (),
    runs: Sequence[Run] = (),
) -> list[Leak]:
    """Check a split as :func:`check_split` does, raise :class:`LeakageError` on an error, and return the warnings."""
    return _refused(check_split(train_clips, test_clips, index, allow, runs))


def check_folds(
    clips: Sequence[Clip],
    folds: Iterable[Int[np.ndarray, " _"]],
    index: pd.DataFrame | None = None,
    allow: Collection[str] = (),
) -> list[Leak]:
    """Check every fold as :func:`check_split` does, given the clips that each holds out."""
    found: dict[tuple[LeakKind, Clip], list[str]] = defaultdict(list)
    for fold in folds:
        held_out = np.isin(np.arange(len(clips)), fold)
        train, test = ([clip for clip, here in zip(clips, held_out, strict=True) if here == side] for side in (0, 1))
        for leak in check_split(train, test, index):
            found[leak.kind, leak.clip] += leak.others
    return _as_leaks(found, allow)


def require_no_leak_in_folds(
    clips: Sequence[Clip],
    folds: Iterable[Int[np.ndarray, " _"]],
    index: pd.DataFrame | None = None,
    allow: Collection[str] = (),
) -> list[Leak]:
    """Check folds as :func:`check_folds` does, raise :class:`LeakageError` on an error, and return the warnings."""
    return _refused(check_folds(clips, folds, index, allow))


def shared_labels(clips: Sequence[Clip], index: pd.DataFrame | None, by: HeldTogether) -> list[list[str]]:
    """List the labels besides recordings that keep clips together: none, songs, or songs and artists.

    A song known by its title alone, without an artist, is not compared. Blocks of a piece have no labels: what is
    divided in spite of its being one recording is not held together by its artist.
    """
    if by == "recording":
        return []
    known = [] if index is None else [songs_of(index)]
    known += [artists] if by == "artist" and (artists := _artists(index, clips)) else []
    return [[_of_track(each, clip.track) if clip.block is None else "" for clip in clips] for each in known]


def unshared(
    train: Sequence[Clip], test: Sequence[Clip], index: pd.DataFrame | None, by: HeldTogether
) -> Bool[np.ndarray, " test"]:
    """Tell which test clips share no song (or no artist) with a training clip, as far as it is known."""
    kept = np.ones(len(test), dtype=bool)
    labels = shared_labels([*train, *test], index, by)
    for each in labels if by == "song" else labels[-1:]:
        trained = {label for label in each[: len(train)] if label}
        kept &= [label not in trained for label in each[len(train) :]]
    return kept


def gallery_leaks(clips: Iterable[Clip], gallery_tracks: Iterable[str]) -> list[Leak]:
    """Find test clips whose own recording is in the gallery, where retrieval would find it; tracks are ids or paths."""
    tracks = _grouped(gallery_tracks, _plain_track)
    named: dict[tuple[LeakKind, Clip], list[str]] = {}
    for clip in dict.fromkeys(clips):
        if own := tracks.get(_plain_track(clip.track)):
            named["gallery", clip] = own
    return _as_leaks(named, allow=())


_SAYS: dict[LeakKind, str] = {
    "clip": "is also a training clip:",
    "overlap": "overlaps with a training clip of the same track:",
    "gap": "is nearer than a response lasts to a training clip of the same piece:",
    "track": "is cut from the same track as",
    "piece": "is another part of the same piece as",
    "carry-in": "only carries over into a run, but is not marked so:",
    "song": "is the same song as",
    "artist": "is by the same artist as",
    "gallery": "is itself in the gallery:",
}


def _refused(leaks: list[Leak]) -> list[Leak]:
    errors = [leak for leak in leaks if leak.severity == "error"]
    if errors:
        kinds = ", ".join(dict.fromkeys(leak.kind for leak in errors))
        what = f"training and test data share something in {len(errors)} places ({kinds}); {errors[0]}"
        hint = f"take it out of the training data; if it is meant, allow {kinds} by name"
        raise LeakageError(what, None, hint)
    return leaks


def _kind_on_one_track(clip: Clip, other: Clip) -> LeakKind:
    if clip == other:
        return "clip"
    if clip.start < other.end and other.start < clip.end:
        return "overlap"
    if clip.block is None or other.block is None:
        return "track"
    apart = max(other.start - clip.end, clip.start - other.end)
    return "piece" if apart >= RESPONSE_S - 1e-6 else "gap"


def _find_shared(
    kind: LeakKind,
    train: Sequence[Clip],
    test: Sequence[Clip],
    known: Mapping[str, str],
    found: dict[tuple[LeakKind, Clip], list[str]],
) -> None:
    sharing = _grouped(train, lambda clip: _of_track(known, clip.track))
    for clip in test:
        key = _of_track(known, clip.track)
        others = [other.name for other in sharing.get(key, ()) if other.track != clip.track]
        if key and others:
            found[kind, clip] = others


def _as_leaks(found: Mapping[tuple[LeakKind, Clip], Sequence[str]], allow: Collection[str]) -> list[Leak]:
    unknown = set(allow) - set(get_args(LeakKind))
    if unknown:
        kinds = ", ".join(get_args(LeakKind))
        raise InputError(f"there is no kind of leak {min(unknown)!r}", None, f"choose among {kinds}")
    leaks = [
        Leak(kind, clip, tuple(others), "error" if kind in ERRORS and kind not in allow else "warning")
        for (kind, clip), others in found.items()
    ]
    order = get_args(LeakKind)
    return sorted(leaks, key=lambda leak: (leak.severity, order.index(leak.kind)))


def _grouped(items: Iterable[Any], key: Any) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return dict(groups)


def _artists(index: pd.DataFrame | None, clips: Iterable[Clip]) -> dict[str, str]:
    """The artist of each track: by the index, else as the study says."""
    named = {clip.track: plain for clip in clips if (plain := plain_name(clip.artist))}
    return named if index is None else named | plain_column(index, "artist")


def _of_track(known: Mapping[str, str], track: str) -> str:
    """What is known of a track, by its id or by the name of its file; "" where nothing is."""
    return known.get(track) or known.get(_plain_track(track), "")


def _plain_track(track: str) -> str:
    """The file name of a track, without folder and sound suffix."""
    return re.sub(r"\.(wav|au|mp3|flac|ogg|oga|opus|aiff?)$", "", track.rsplit("/", 1)[-1], flags=re.I)
