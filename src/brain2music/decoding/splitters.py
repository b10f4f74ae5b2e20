"""Which clips are held out: splitters of scikit-learn's protocol over the clips of responses.

None divides a recording. Every splitter of scikit-learn will do besides, where it is told of recordings
(:func:`split_clips` passes genres as ``y`` and recordings as ``groups``), and is refused where it divides one.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int

from .._utils.errors import InputError
from ..brain.responses import Responses
from ..study.folds import group_clips, group_k_fold, require_undivided
from .decoded import Labels

Split = tuple[Int[np.ndarray, " train"], Int[np.ndarray, " test"]]


@runtime_checkable
class Splitter(Protocol):
    """scikit-learn's protocol of cross-validation."""

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[Split]:
        """Yield the rows that are trained on and the rows that are held out, fold by fold."""
        ...

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds."""
        ...


class ClipKFold:
    """K folds of recordings in random order, each recording with all its clips in one fold.

    Parameters
    ----------
    n_splits : int, default 10
        Number of folds.
    random_state : int, default 0
        Seed of the order of recordings.

    See Also
    --------
    RunKFold : Keeps the clips of a run in one fold.
    LeaveOneGenreOut : Holds out every genre in turn.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> bold = b2m.as_responses(np.zeros((20, 1, 3)))
    >>> [len(test) for train, test in b2m.ClipKFold(4).split(bold)]
    [5, 5, 5, 5]
    """

    def __init__(self, n_splits: int = 10, random_state: int = 0) -> None:
        self.n_splits = n_splits
        self.random_state = random_state

    def split(self, X: Responses, y: Any = None, groups: Labels | None = None) -> Iterator[Split]:
        """Divide clips into training and held-out clips, fold by fold.

        Parameters
        ----------
        X : Responses
            Responses to the clips.
        y : object
            Ignored.
        groups : sequence of hashable, optional
            A label per clip, such as its artist; no fold divides clips of one label.

        Yields
        ------
        train : ndarray of int
            Rows of the training clips.
        test : ndarray of int
            Rows of the held-out clips.

        Raises
        ------
        InputError
            There are fewer recordings than folds.
        """
        units = self._units(X, groups)
        for held_out in group_k_fold(len(units), self.n_splits, self.random_state, units):
            yield np.setdiff1d(np.arange(len(units)), held_out), held_out

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds; arguments are ignored."""
        return self.n_splits

    def _units(self, X: Responses, groups: Labels | None) -> Int[np.ndarray, " clips"]:
        return group_clips(X.clips, *([] if groups is None else [groups]))


class RunKFold(ClipKFold):
    """K folds of runs, in which the clips of one run, and those of one recording, stay in one fold.

    Parameters
    ----------
    n_splits : int, default 10
        Number of folds.
    random_state : int, default 0
        Seed of the order of runs.

    Examples
    --------
    >>> from dataclasses import replace
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> bold = replace(b2m.as_responses(np.zeros((6, 1, 3))), runs=np.array([0, 0, 1, 1, 2, 2]))
    >>> sorted(test.tolist() for train, test in b2m.RunKFold(3).split(bold))
    [[0, 1], [2, 3], [4, 5]]
    """

    def _units(self, X: Responses, groups: Labels | None) -> Int[np.ndarray, " clips"]:
        return group_clips(X.clips, X.runs, *([] if groups is None else [groups]))


class LeaveOneGenreOut:
    """Folds that hold out every genre in turn, for decoders that never see the genre (Brain2Music [1]_, §4.3).

    Other clips of a recording of the genre are left out of training too.

    References
    ----------
    .. [1] Denk, Takagi et al., "Brain2Music: Reconstructing music from human brain activity", arXiv 2307.11078.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> from brain2music.study import Clip
    >>> clips = tuple(Clip(f"{genre}.{i}", 0.0, 15.0, genre) for genre in ("jazz", "pop", "rock") for i in range(2))
    >>> ones = np.ones(6, dtype=int)
    >>> bold = b2m.Responses("01", np.zeros((6, 10, 3), np.float32), clips, ones, tr=1.5, lag_tr=3, n_repeats=ones)
    >>> [(train.tolist(), test.tolist()) for train, test in b2m.LeaveOneGenreOut().split(bold)]
    [([2, 3, 4, 5], [0, 1]), ([0, 1, 4, 5], [2, 3]), ([0, 1, 2, 3], [4, 5])]
    """

    def split(self, X: Responses, y: Any = None, groups: Labels | None = None) -> Iterator[Split]:
        """Divide clips into training and held-out clips, genre by genre.

        Parameters
        ----------
        X : Responses
            Responses to the clips.
        y : object
            Ignored.
        groups : sequence of hashable, optional
            A label per clip, such as its artist; no fold divides clips of one label.

        Yields
        ------
        train : ndarray of int
            Rows of the training clips.
        test : ndarray of int
            Rows of the held-out clips.

        Raises
        ------
        InputError
            Clips have fewer than two genres.
        """
        genres = np.array([clip.genre for clip in X.clips])
        units = group_clips(X.clips, *([] if groups is None else [groups]))
        for genre in _genres(genres):
            held_out = np.flatnonzero(genres == genre)
            yield np.flatnonzero(~np.isin(units, units[held_out])), held_out

    def get_n_splits(self, X: Responses, y: Any = None, groups: Any = None) -> int:
        """Return the number of genres of the clips of ``X``."""
        return len(_genres(np.array([clip.genre for clip in X.clips])))


def split_clips(
    cv: Splitter | int | None, responses: Responses, groups: Labels | None = None
) -> list[tuple[str, Split]]:
    """List the folds of a splitter by name: a genre, or the number of the fold.

    Parameters
    ----------
    cv : splitter, int or None
        A splitter; a number of folds for :class:`ClipKFold`; None for its default.
    responses : Responses
        Responses to the clips.
    groups : sequence of hashable, optional
        A label per clip; no fold divides clips of one label.

    Returns
    -------
    list of (str, (ndarray of int, ndarray of int))
        Name, training rows and held-out rows of each fold.

    Raises
    ------
    InputError
        A fold holds out nothing or everything.
    LeakageError
        A fold divides a recording, or clips of one label of ``groups``.
    """
    if cv is None or isinstance(cv, int):
        cv = ClipKFold() if cv is None else ClipKFold(cv)
    units = group_clips(responses.clips, *([] if groups is None else [groups]))
    genres = np.array([clip.genre for clip in responses.clips])
    ours = isinstance(cv, ClipKFold | LeaveOneGenreOut)
    given = (responses, genres, groups) if ours else (np.arange(len(responses)), genres, units)
    folds = []
    for number, (train, test) in enumerate(cv.split(*given)):
        if len(train) == 0 or len(test) == 0:
            what = f"fold {number} trains on {len(train)} clips and holds out {len(test)}"
            raise InputError(what, hint="choose another splitter, or fewer folds")
        if np.isin(units[test], units[train]).any():
            require_undivided([test], units)
        folds.append((_name(genres, test, number, isinstance(cv, LeaveOneGenreOut)), (train, test)))
    return folds


def _name(genres: np.ndarray, test: Int[np.ndarray, " test"], number: int, by_genre: bool) -> str:
    return str(genres[test[0]]) if by_genre else str(number)


def _genres(genres: np.ndarray) -> Sequence[str]:
    known = [str(genre) for genre in np.unique(genres) if genre]
    if len(known) < 2:
        raise InputError(f"clips have {len(known)} genres", hint="give genres with the stimuli, at least two")
    return known
