"""Trials of a listening test: randomised and counter-balanced for each listener, with catch trials."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal

import numpy as np

from .._utils.errors import InputError
from .material import Reconstructed

Task = Literal["2afc", "oddoneout", "similarity"]
TASKS: tuple[Task, ...] = ("2afc", "oddoneout", "similarity")
CHANCE: dict[Task, float] = {"2afc": 1 / 2, "oddoneout": 1 / 3}
"""Share of right answers of somebody who guesses."""
N_FOILS = 3
"""Other clips that each clip is compared with over all listeners: few, so that several listeners judge the same."""
RATINGS = 7
"""Points of the scale of similarity: 1 is not alike at all, 7 the same."""
CATCH_RATING = 6
"""The least rating that passes a catch trial of similarity, where a recording is compared with itself."""


@dataclass(frozen=True)
class TestDesign:
    """How a listening test is laid out.

    Attributes
    ----------
    tasks : tuple of {"2afc", "oddoneout", "similarity"}
        Blocks of the test. Listeners have them in rotated order.
    n_trials : int
        Trials of each task, without catch trials.
    n_catch : int
        Catch trials of each task.
    seed : int
        Seed of the whole test; each listener's own follows from it and from the listener's number.

    Raises
    ------
    InputError
        A number is out of range.

    Examples
    --------
    >>> from brain2music.listening import TestDesign
    >>> TestDesign(n_trials=10).per_listener
    36
    """

    __test__ = False  # for pytest: this is no class of tests

    tasks: tuple[Task, ...] = TASKS
    n_trials: int = 20
    n_catch: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.tasks or not set(self.tasks) <= set(TASKS) or len(set(self.tasks)) < len(self.tasks):
            raise InputError(
                f"the tasks {', '.join(self.tasks)!r} are no test", hint=f"choose among {', '.join(TASKS)}"
            )
        if not 1 <= self.n_trials <= 500 or not 0 <= self.n_catch <= 50 or self.seed < 0:
            what = f"{self.n_trials} trials and {self.n_catch} catch trials of each task make no test"
            raise InputError(what, hint="ask for 1 to 500 trials and 0 to 50 catch trials")

    @property
    def per_listener(self) -> int:
        """Trials that one listener answers."""
        return len(self.tasks) * (self.n_trials + self.n_catch)


@dataclass(frozen=True)
class Trial:
    """One question to one listener.

    Attributes
    ----------
    task : {"2afc", "oddoneout", "similarity"}
        What is asked: which of two sounds was reconstructed from the reference, which of three is the odd one out, or
        how similar a sound is to the reference (1 to 7).
    catch : bool
        Whether the answer is obvious to whoever listens.
    subject, embedding, source : str
        Of the music.
    clip, genre : str
        The recording in question.
    foil, foil_genre : str
        The other recording.
    same_origin : bool
        Of similarity, whether the sound is of the reference (else of the foil); else True.
    pair : str
        Of odd-one-out, which two belong together: "reconstructions" or "recording" and reconstruction; else "".
    reference : str
        The sound that is given, "" if none.
    options : tuple of str
        The sounds to choose among, or the one to rate.
    right : int or None
        Number of the right option, from 0; None where there is none.

    Examples
    --------
    >>> from brain2music.listening import Trial
    >>> trial = Trial("2afc", False, "01", "mulan-small", "generated", "a", "jazz", "b", "rock", True, "",
    ...               "a.mp3", ("b-0.flac", "a-0.flac"), 1)
    >>> trial.is_right(1), trial.is_right(0)
    (True, False)
    """

    task: Task
    catch: bool
    subject: str
    embedding: str
    source: str
    clip: str
    genre: str
    foil: str
    foil_genre: str
    same_origin: bool
    pair: str
    reference: str
    options: tuple[str, ...]
    right: int | None = field(repr=False)

    @property
    def answers(self) -> range:
        """Answers that are allowed."""
        return range(1, RATINGS + 1) if self.task == "similarity" else range(len(self.options))

    @property
    def question(self) -> str:
        """What is asked, whatever the order of the sounds: the same for all listeners who judge the same."""
        own = (self.task, self.subject, self.embedding, self.source, self.clip, self.foil)
        return "/".join((*own, "own" if self.same_origin else "other"))

    def is_right(self, answer: int) -> bool | None:
        """Whether an answer is right; None where none is."""
        if self.task == "similarity":
            return answer >= CATCH_RATING if self.catch else None
        return answer == self.right


def plan_session(material: Sequence[Reconstructed], design: TestDesign, listener: int) -> tuple[Trial, ...]:
    """Make the trials of one listener.

    Over listeners every clip is asked for equally often, and compared with each of its foils equally often. Within a
    listener, right answers are as often at each place, as many sounds are rated that are of the reference as are not,
    trials are in random order in blocks by task, and the order of the blocks rotates over listeners. Foils are of the
    same subject, embedding and source.

    Parameters
    ----------
    material : sequence of Reconstructed
        As :func:`read_material` returns.
    design : TestDesign
        How the test is laid out.
    listener : int
        Number of the listener, from 0.

    Returns
    -------
    tuple of Trial
        In the order in which they are asked; the same arguments give the same trials. Sounds are named by their paths.

    Raises
    ------
    InputError
        No two clips of a group have different sounds.

    Examples
    --------
    >>> from pathlib import Path
    >>> from brain2music.listening import Reconstructed, TestDesign, plan_session
    >>> items = [
    ...     Reconstructed("01", "mulan-small", "generated", name, "jazz", Path(name), (Path(name + "0"),))
    ...     for name in "abcdef"
    ... ]
    >>> trials = plan_session(items, TestDesign(n_trials=6, n_catch=1), listener=0)
    >>> len(trials), [trial.task for trial in trials[::7]]
    (21, ['2afc', 'oddoneout', 'similarity'])
    >>> sorted(trial.clip for trial in trials[:7] if not trial.catch)
    ['a', 'b', 'c', 'd', 'e', 'f']
    """
    rng = np.random.default_rng([design.seed, listener])
    cells = _cells(material, design.seed)
    turn = listener % len(design.tasks)
    blocks = (*design.tasks[turn:], *design.tasks[:turn])
    return tuple(trial for task in blocks for trial in _block(task, cells, design, listener, rng))


@dataclass(frozen=True)
class _Cell:
    """One item and the others that it is compared with."""

    item: Reconstructed
    foils: tuple[Reconstructed, ...]


def _cells(material: Sequence[Reconstructed], seed: int) -> list[_Cell]:
    """All items in an order that is the same for all listeners, groups taking turns."""
    by_group: list[list[_Cell]] = []
    for number, (_, items) in enumerate(groupby(sorted(material, key=lambda item: item.key), key=lambda i: i.group)):
        ordered = list(items)
        np.random.default_rng([seed, number]).shuffle(ordered)
        count = len(ordered)
        group = []
        for place, item in enumerate(ordered):
            others = [ordered[(place + step) % count] for step in range(1, count)]
            foils = [other for other in others if other.clip != item.clip and not set(other.sounds) & set(item.sounds)]
            if foils:
                group.append(_Cell(item, tuple(foils[:N_FOILS])))
        by_group.append(group)
    longest = max(map(len, by_group), default=0)
    cells = [group[place] for place in range(longest) for group in by_group if place < len(group)]
    if not cells:
        raise InputError("all clips have the same reconstruction", hint="use a larger gallery, or generate music")
    return cells


def _block(
    task: Task, cells: Sequence[_Cell], design: TestDesign, listener: int, rng: np.random.Generator
) -> list[Trial]:
    count = design.n_trials + design.n_catch
    places = _balanced(count, 3 if task == "oddoneout" else 2, rng)
    own = _balanced(design.n_trials, 2, rng)
    trials = []
    for number in range(count):
        catch = number >= design.n_trials
        position = listener * design.n_trials + number if not catch else int(rng.integers(len(cells)))
        cell = cells[position % len(cells)]
        foil = cell.foils[(position // len(cells)) % len(cell.foils)]
        same = bool(own[number]) if task == "similarity" and not catch else True
        trials.append(_trial(task, catch, cell.item, foil, same, int(places[number])))
    return [trials[place] for place in rng.permutation(count)]


def _trial(task: Task, catch: bool, item: Reconstructed, foil: Reconstructed, same: bool, place: int) -> Trial:
    recording, mine, other = str(item.recording), [str(path) for path in item.sounds], str(foil.sounds[0])
    pair, right, reference = "", place, recording
    if task == "2afc":
        options = _put(other, recording if catch else mine[0], place)
    elif task == "oddoneout":
        pair = "reconstructions" if len(mine) > 1 else "recording"
        together = [recording, recording] if catch else mine[:2] if len(mine) > 1 else [recording, mine[0]]
        options, reference = [*together[:place], other, *together[place:]], ""
    else:
        options = [recording if catch else mine[0] if same else other]
    return Trial(
        task,
        catch,
        *item.group,
        item.clip,
        item.genre,
        foil.clip,
        foil.genre,
        same,
        pair,
        reference,
        tuple(options),
        None if task == "similarity" else right,
    )


def _put(other: str, right: str, place: int) -> list[str]:
    return [right, other] if place == 0 else [other, right]


def _balanced(count: int, kinds: int, rng: np.random.Generator) -> np.ndarray:
    """Numbers below ``kinds``, each as often as the others (but for a rest), in random order."""
    first = int(rng.integers(kinds))
    return rng.permutation((np.arange(count) + first) % kinds)
