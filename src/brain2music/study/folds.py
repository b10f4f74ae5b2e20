"""Folds and permutations that never divide a group of clips; excerpts of one recording are always such a group.

(Where a study has pieces too few and too long for that, blocks of a piece are: :mod:`.cutting` leaves gaps between.)
Excerpts of a recording are alike in the brain and in every embedding, whatever a decoder has learned: a clip is
recognised by another excerpt of its recording. So recordings, not clips, are assigned to folds, and recordings are
permuted where the null hypothesis is that brain and music are independent.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from .._utils.errors import InputError, LeakageError
from .study import Clip

FEWEST = 5
"""The fewest groups of one kind that are permuted among themselves."""


def group_clips(clips: Sequence[Clip], *labels: Iterable[Hashable]) -> Int[np.ndarray, " clips"]:
    """Number the groups of clips that no fold divides: excerpts of a recording or block, and clips that share a label.

    Parameters
    ----------
    clips : sequence of Clip
        The clips.
    *labels : iterable of hashable
        Each gives one label per clip, such as its song, its artist or its run; None and "" are ignored. A recording
        whose clips have two labels joins the clips of both.

    Returns
    -------
    ndarray of int of shape (clips,)
        Number of each clip's group, in order of first appearance.

    Examples
    --------
    >>> from brain2music.study import Clip, group_clips
    >>> clips = [Clip("blues.00001", 0.0, 15.0), Clip("jazz.00002", 0.0, 15.0), Clip("blues.00001", 15.0, 30.0)]
    >>> group_clips(clips)
    array([0, 1, 0])
    >>> group_clips(clips, ["one artist", "one artist", "one artist"])
    array([0, 0, 0])
    """
    first_clip: dict[Hashable, int] = {}
    groups = np.arange(len(clips))
    for kind, labels_of_kind in enumerate(([clip.unit for clip in clips], *labels)):
        for i, label in enumerate(labels_of_kind):
            if label is None or label == "":
                continue
            other = groups[first_clip.setdefault((kind, label), i)]
            groups[groups == groups[i]] = other
    _, first, numbers = np.unique(groups, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[numbers]


def group_k_fold(
    n_clips: int, n_folds: int, seed: int, groups: Sequence[Hashable] | Int[np.ndarray, " clips"] | None = None
) -> Iterator[Int[np.ndarray, " _"]]:
    """Yield the clips that each fold holds out, with groups undivided.

    Folds are those of :class:`sklearn.model_selection.GroupKFold`, as even as the groups allow, with groups of one size
    in random order (its own ``shuffle`` gives up even sizes).

    Parameters
    ----------
    n_clips : int
        Number of clips.
    n_folds : int
        Number of folds.
    seed : int
        Seed of the order of groups.
    groups : sequence of hashable, optional
        Group of each clip; by default every clip is a group.

    Yields
    ------
    ndarray of int
        Clips that a fold holds out, ascending.

    Raises
    ------
    InputError
        There are fewer groups than folds.
    ValueError
        There is not one label per clip.

    Examples
    --------
    >>> from brain2music.study import group_k_fold
    >>> sorted(fold.tolist() for fold in group_k_fold(6, 3, seed=0, groups=[0, 0, 1, 1, 2, 2]))
    [[0, 1], [2, 3], [4, 5]]
    """
    labels = np.arange(n_clips) if groups is None else np.unique(np.array(groups), return_inverse=True)[1]
    if len(labels) != n_clips:
        raise ValueError(f"{len(labels)} labels for {n_clips} clips")
    sizes = np.bincount(labels)
    if not 2 <= n_folds <= len(sizes):
        raise InputError(
            f"{len(sizes)} clips or groups of clips cannot make {n_folds} folds",
            hint="ask for at least two folds and at most one per group",
        )
    fold_of = np.empty(len(sizes), dtype=int)
    filled = np.zeros(n_folds, dtype=int)
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    for label in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        fold_of[label] = filled.argmin()
        filled[fold_of[label]] += sizes[label]
    for fold in range(n_folds):
        yield np.flatnonzero(fold_of[labels] == fold)


def require_undivided(folds: Iterable[Int[np.ndarray, " _"]], groups: Int[np.ndarray, " clips"]) -> None:
    """Raise :class:`LeakageError` if a fold holds out one clip and trains on another of the same group."""
    for fold in folds:
        held_out = np.isin(np.arange(len(groups)), fold)
        divided = np.intersect1d(groups[held_out], groups[~held_out])
        if len(divided):
            raise LeakageError(
                f"a fold divides {len(divided)} recordings (or songs, artists, runs) between training and test",
                hint="make folds of whole recordings",
            )


@dataclass(frozen=True)
class FoldPlan:
    """The folds of one subject's clips, which decoding and encoding share.

    Attributes
    ----------
    groups : (clips,) int
        The group of each clip; no fold divides a group.
    held_out : tuple of (_,) int
        The clips held out in each outer fold; empty where there is a separate test set.
    inner : int
        Folds of the cross-validation inside each training set.
    remarks : tuple of str
        One sentence for each way in which the folds differ from those requested.
    """

    groups: Int[np.ndarray, " clips"]
    held_out: tuple[Int[np.ndarray, " _"], ...]
    inner: int
    remarks: tuple[str, ...] = ()


def plan_folds(
    groups: Int[np.ndarray, " clips"],
    n_folds: int | None,
    inner_folds: int,
    *,
    seed: int = 0,
    units: str = "recordings",
) -> FoldPlan:
    """Choose the folds that the clips allow, as close as possible to those requested, before anything is computed.

    Parameters
    ----------
    groups : (clips,) int
        As :func:`group_clips` gives them; of the training clips where there is a separate test set.
    n_folds : int or None
        Outer folds; None where there is a separate test set.
    units : str
        What groups are called where they are too few.
    inner_folds : int
        Folds inside each training set, with at least two clips each (the setting ``decoding.n_inner_folds``).

    Raises
    ------
    InputError
        If there are too few groups even for two folds inside two folds.
    """
    n_groups, held_out, remarks = len(np.unique(groups)), [], []
    if n_folds is not None and n_groups > 1:
        held_out = list(group_k_fold(len(groups), min(n_folds, n_groups), seed, groups))
        if len(held_out) < n_folds:
            remarks.append(f"{_count_clips(groups, units)} are scored in {len(held_out)} folds, not {n_folds}")
    training_sets = [np.delete(groups, fold) for fold in held_out] or [groups]
    inner = min(most_folds(each, inner_folds) for each in training_sets)
    if inner < 2 or (n_folds is not None and not held_out):
        if n_folds is None:
            what = (
                f"penalties cannot be chosen by cross-validation with only {_count_clips(groups, units)} for training"
            )
            raise InputError(what, hint=f"give more {units} for training (4 are always enough)")
        what = f"{_count_clips(groups, units)} are too few to be divided into folds of training and test clips"
        raise InputError(what, hint=f"give more {units} (8 are always enough), or test runs of other recordings")
    if inner < inner_folds:
        remarks.append(
            f"{_count_clips(groups, units)} allow penalties to be chosen in {inner} folds, not {inner_folds}"
        )
    return FoldPlan(groups, tuple(held_out), inner, tuple(remarks))


def inner_groups(
    groups: Int[np.ndarray, " clips"], clip_of_pair: Int[np.ndarray, " pairs"], n_folds: int, unit: str = "clip"
) -> Int[np.ndarray, " pairs"]:
    """Give the group of every pair for the cross-validation inside a training set.

    Parameters
    ----------
    groups : (clips,) int
        The group of each clip.
    clip_of_pair : (pairs,) int
        The clip that each pair of response and embedding belongs to.
    n_folds : int
    unit : str
        What a group is called in messages.

    Raises
    ------
    InputError
        If there are fewer groups than folds, or a fold would have a single row, which cannot be scored.
    """
    by_clip = groups[np.unique(clip_of_pair)]
    n_rows, n_groups = len(clip_of_pair), len(np.unique(by_clip))
    hint = "ask for fewer folds (the settings `decoding.n_outer_folds` and `n_inner_folds`)"
    if n_groups < n_folds:
        counted = f"{n_groups} training {unit}s" + (f" of {len(by_clip)} clips" if n_groups < len(by_clip) else "")
        raise InputError(f"{counted} cannot make {n_folds} folds", hint=hint)
    if n_rows == len(by_clip) and _fold_sizes(by_clip, n_folds).min() < 2:
        what = f"{n_rows} training clips of one window cannot make {n_folds} folds of two or more"
        raise InputError(what, hint=hint)
    return groups[clip_of_pair]


def most_folds(groups: Int[np.ndarray, " clips"], n_folds: int) -> int:
    """Count the folds, at most ``n_folds``, of two clips or more that whole groups can fill; 0 if fewer than two."""
    for folds in range(min(n_folds, len(np.unique(groups))), 1, -1):
        if _fold_sizes(groups, folds).min() >= 2:
            return folds
    return 0


def leave_genre_out(clips: Sequence[Clip], genre: str, groups: Int[np.ndarray, " clips"]) -> Bool[np.ndarray, " clips"]:
    """Mark the training clips of a leave-one-genre-out split: those in groups without any clip of the genre."""
    of_genre = np.array([clip.genre == genre for clip in clips])
    return ~np.isin(groups, groups[of_genre])


def draw_permutations(
    groups: Int[np.ndarray, " clips"],
    n_permutations: int,
    rng: np.random.Generator,
    runs: Int[np.ndarray, " clips"] | None = None,
    *,
    deranged: bool = False,
) -> Int[np.ndarray, "n clips"]:
    """Draw permutations of clips that move groups as a whole.

    Groups are exchanged only with others of their kind: those presented in the same runs (responses that are z-scored
    by run have no mean of their own there), if there are :data:`FEWEST` of every kind; else those with as many
    clips; else any, where clips of a larger group are dropped and clips of a smaller one repeated.

    Parameters
    ----------
    groups : (clips,) int
        The group of each clip.
    n_permutations : int
    rng : numpy.random.Generator
    runs : (clips,) int, optional
        The run of each clip; without it runs are ignored.
    deranged : bool
        Whether no group may keep its place, unless it is the only one of its kind.

    Returns
    -------
    (n, clips) int
        The clip whose music (or response) takes each clip's place.
    """
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    longest = max(map(len, members))
    filled = np.stack([np.resize(each, longest) for each in members])
    permutations = np.empty((n_permutations, len(groups)), dtype=int)
    for places in _exchangeable(members, runs):
        drawn = _permute_places(places, n_permutations, rng, deranged)
        for place, replacements in zip(places, drawn.T, strict=True):
            permutations[:, members[place]] = filled[replacements, : len(members[place])]
    return permutations


def _fold_sizes(groups: Int[np.ndarray, " clips"], n_folds: int) -> Int[np.ndarray, " folds"]:
    """Clips in each fold when the largest group goes to the smallest fold, then the next, as in ``ridge``."""
    sizes = np.zeros(n_folds, dtype=int)
    for size in np.sort(np.unique(groups, return_counts=True)[1])[::-1]:
        sizes[sizes.argmin()] += size
    return sizes


def _exchangeable(
    members: Sequence[np.ndarray], runs: Int[np.ndarray, " clips"] | None
) -> list[Int[np.ndarray, " places"]]:
    """Sets of groups exchanged among themselves, by the strictest criterion with enough groups of each kind."""
    counts: list[Hashable] = [len(each) for each in members]
    strict = counts if runs is None else [tuple(sorted(runs[each].tolist())) for each in members]
    for kinds in (strict, counts):
        places_of: dict[Hashable, list[int]] = {}
        for place, kind in enumerate(kinds):
            places_of.setdefault(kind, []).append(place)
        if min(map(len, places_of.values())) >= FEWEST:
            return [np.array(places) for places in places_of.values()]
    return [np.arange(len(members))]


def _permute_places(
    places: Int[np.ndarray, " places"], n: int, rng: np.random.Generator, deranged: bool
) -> Int[np.ndarray, "n places"]:
    drawn = rng.permuted(np.tile(places, (n, 1)), axis=1)
    while deranged and len(places) > 1 and (kept := (drawn == places).any(axis=1)).any():
        drawn[kept] = rng.permuted(drawn[kept], axis=1)
    return drawn


def _count_clips(groups: Int[np.ndarray, " clips"], units: str) -> str:
    n_groups = len(np.unique(groups))
    clips = "1 clip" if len(groups) == 1 else f"{len(groups)} clips"
    return clips + (f" of {n_groups} {units}" if n_groups < len(groups) else "")
