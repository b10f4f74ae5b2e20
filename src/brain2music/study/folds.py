"""What folds hold out together, and what may change places: excerpts of one recording are never apart.

Excerpts of a recording are alike in the brain and in every embedding, whatever a decoder has learned: a clip is known
again by another excerpt of its recording. So recordings, not clips, are dealt into folds, and recordings change
places where the null is that brain and music have nothing to do with each other.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from .._utils.errors import InputError, LeakageError
from .study import Clip

FEWEST = 5
"""Recordings that must be there to change places with one another."""


def hold_together(clips: Sequence[Clip], *labels: Iterable[Hashable]) -> Int[np.ndarray, " clips"]:
    """What must not be divided, as a number per clip: excerpts of a recording, and clips that share a label.

    Parameters
    ----------
    labels : each one label per clip, such as its song, its artist or its run; None and "" say nothing. A recording
        with clips of two labels joins the two.
    """
    group_of: dict[Hashable, int] = {}
    groups = np.arange(len(clips))
    for kind, given in enumerate(([clip.recording for clip in clips], *labels)):
        for i, label in enumerate(given):
            if label is None or label == "":
                continue
            other = groups[group_of.setdefault((kind, label), i)]
            groups[groups == groups[i]] = other
    _, first, numbers = np.unique(groups, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[numbers]


def deal_folds(
    n_clips: int, n_folds: int, seed: int, together: Sequence[Hashable] | Int[np.ndarray, " clips"] | None = None
) -> Iterator[Int[np.ndarray, " _"]]:
    """Clips held out in each fold: every clip once, labels undivided, sizes as even as they allow."""
    labels = np.arange(n_clips) if together is None else np.unique(np.array(together), return_inverse=True)[1]
    if len(labels) != n_clips:
        raise ValueError(f"{len(labels)} labels for {n_clips} clips")
    sizes = np.bincount(labels)
    if not 2 <= n_folds <= len(sizes):
        raise InputError(
            f"{len(sizes)} clips or groups of clips cannot make {n_folds} folds",
            hint="ask for at least two folds and at most one a group (`folds`)",
        )
    fold_of = np.empty(len(sizes), dtype=int)
    filled = np.zeros(n_folds, dtype=int)
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    for label in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        fold_of[label] = filled.argmin()
        filled[fold_of[label]] += sizes[label]
    for fold in range(n_folds):
        yield np.flatnonzero(fold_of[labels] == fold)


def require_whole(folds: Iterable[Int[np.ndarray, " _"]], together: Int[np.ndarray, " clips"]) -> None:
    """:class:`LeakageError` where a fold holds out a clip and trains on another of its group."""
    for fold in folds:
        held_out = np.isin(np.arange(len(together)), fold)
        torn = np.intersect1d(together[held_out], together[~held_out])
        if len(torn):
            raise LeakageError(
                f"a fold divides {len(torn)} recordings (or songs, artists, runs) between training and test",
                hint="deal folds by recording",
            )


@dataclass(frozen=True)
class FoldPlan:
    """How the clips of one listener are divided, wherever they are: the same in decoding and in encoding.

    Attributes
    ----------
    together : (clips,) the group of each clip, which nothing divides.
    held_out : the clips held out in each outer fold; empty where test clips were heard apart.
    inner : folds of the cross-validation inside each training set.
    lines : what is not as it was asked for, a sentence each.
    """

    together: Int[np.ndarray, " clips"]
    held_out: tuple[Int[np.ndarray, " _"], ...]
    inner: int
    lines: tuple[str, ...] = ()


def plan_folds(
    together: Int[np.ndarray, " clips"], n_folds: int | None, inner_folds: int, *, seed: int = 0
) -> FoldPlan:
    """The folds that clips allow, as near as may be to those asked for, before anything is computed.

    Parameters
    ----------
    together : as :func:`hold_together` gives.
    n_folds : outer folds; None where test clips were heard apart, and ``together`` is of the training clips.
    inner_folds : folds inside each training set, with at least two clips each (the setting ``folds``).

    Raises
    ------
    InputError : two folds in two folds are not to be had.
    """
    n_groups, held_out, lines = len(np.unique(together)), [], []
    if n_folds is not None and n_groups > 1:
        held_out = list(deal_folds(len(together), min(n_folds, n_groups), seed, together))
        if len(held_out) < n_folds:
            lines.append(f"{_counted(together)} are scored in {len(held_out)} folds, not {n_folds}")
    trained = [np.delete(together, fold) for fold in held_out] or [together]
    inner = min(most_folds(each, inner_folds) for each in trained)
    if inner < 2 or (n_folds is not None and not held_out):
        if n_folds is None:
            what = f"penalties cannot be chosen by cross-validation with only {_counted(together)} for training"
            raise InputError(what, hint="give more recordings for training (4 are always enough)")
        what = f"{_counted(together)} are too few to be divided into folds of training and test clips"
        raise InputError(what, hint="give more recordings (8 are always enough), or test runs of other recordings")
    if inner < inner_folds:
        lines.append(f"{_counted(together)} allow penalties to be chosen in {inner} folds, not {inner_folds} (folds)")
    return FoldPlan(together, tuple(held_out), inner, tuple(lines))


def inner_groups(
    units: Int[np.ndarray, " clips"], clip_of_pair: Int[np.ndarray, " pairs"], n_folds: int, named: str = "clip"
) -> Int[np.ndarray, " pairs"]:
    """What the cross-validation inside a training set may not divide, a number per pair.

    Raises
    ------
    InputError : there are fewer undivided groups than folds, or a fold of a single row, by which nothing is scored.
    """
    groups, rows = units[clip_of_pair], len(clip_of_pair)
    by_clip = units[np.unique(clip_of_pair)]
    n_units = len(np.unique(by_clip))
    hint = "ask for fewer folds (the setting `folds`)"
    if n_units < n_folds:
        n_named = f"{n_units} training {named}s" + (f" of {len(by_clip)} clips" if n_units < len(by_clip) else "")
        raise InputError(f"{n_named} cannot make {n_folds} folds", hint=hint)
    if rows == len(by_clip) and _loads(by_clip, n_folds).min() < 2:
        raise InputError(f"{rows} training clips of one window cannot make {n_folds} folds of two or more", hint=hint)
    return groups


def most_folds(together: Int[np.ndarray, " clips"], n_folds: int) -> int:
    """The most folds, up to ``n_folds``, of undivided groups with two clips or more each; 0 where not even two are."""
    for folds in range(min(n_folds, len(np.unique(together))), 1, -1):
        if _loads(together, folds).min() >= 2:
            return folds
    return 0


def clips_without_genre(
    clips: Sequence[Clip], genre: str, together: Int[np.ndarray, " clips"]
) -> Bool[np.ndarray, " clips"]:
    """Which clips have nothing of a genre, nor are held together with a clip that has."""
    of_genre = np.array([clip.genre == genre for clip in clips])
    return ~np.isin(together, together[of_genre])


def draw_orders(
    together: Int[np.ndarray, " clips"],
    n: int,
    rng: np.random.Generator,
    runs: Int[np.ndarray, " clips"] | None = None,
    *,
    displaced: bool = False,
) -> Int[np.ndarray, "n clips"]:
    """Which clip's music (or response) takes each clip's place, ``n`` times: recordings change places whole.

    Only like changes with like: recordings heard in the same runs (responses that are z-scored by run have no mean of
    their own there), as far as there are :data:`FEWEST` of each kind, else recordings with as many excerpts, else any;
    then a longer one loses excerpts and a shorter one gives some twice.

    Parameters
    ----------
    runs : (clips,) the run of each clip; without it runs do not matter.
    displaced : no recording keeps its place, as far as it is not the only one of its kind.
    """
    members = [np.flatnonzero(together == group) for group in np.unique(together)]
    longest = max(map(len, members))
    filled = np.stack([np.resize(each, longest) for each in members])
    orders = np.empty((n, len(together)), dtype=int)
    for places in _alike(members, runs):
        drawn = _shuffled(places, n, rng, displaced)
        for place, sources in zip(places, drawn.T, strict=True):
            orders[:, members[place]] = filled[sources, : len(members[place])]
    return orders


def _loads(together: Int[np.ndarray, " clips"], folds: int) -> Int[np.ndarray, " folds"]:
    """Clips in each fold, the largest group dealt to the lightest fold, then the next, as ``ridge`` deals them."""
    load = np.zeros(folds, dtype=int)
    for size in np.sort(np.unique(together, return_counts=True)[1])[::-1]:
        load[load.argmin()] += size
    return load


def _alike(members: Sequence[np.ndarray], runs: Int[np.ndarray, " clips"] | None) -> list[Int[np.ndarray, " places"]]:
    """Groups that may change places, from the strictest notion of which there are enough of a kind."""
    counts: list[Hashable] = [len(each) for each in members]
    strict = counts if runs is None else [tuple(sorted(runs[each].tolist())) for each in members]
    for kinds in (strict, counts):
        known: dict[Hashable, list[int]] = {}
        for place, kind in enumerate(kinds):
            known.setdefault(kind, []).append(place)
        if min(map(len, known.values())) >= FEWEST:
            return [np.array(places) for places in known.values()]
    return [np.arange(len(members))]


def _shuffled(
    places: Int[np.ndarray, " places"], n: int, rng: np.random.Generator, displaced: bool
) -> Int[np.ndarray, "n places"]:
    drawn = rng.permuted(np.tile(places, (n, 1)), axis=1)
    while displaced and len(places) > 1 and (kept := (drawn == places).any(axis=1)).any():
        drawn[kept] = rng.permuted(drawn[kept], axis=1)
    return drawn


def _counted(together: Int[np.ndarray, " clips"]) -> str:
    n_groups = len(np.unique(together))
    clips = "1 clip" if len(together) == 1 else f"{len(together)} clips"
    return clips + (f" of {n_groups} recordings" if n_groups < len(together) else "")
