"""Agreement of AudioSet classes between two sounds (Brain2Music, §4 and rebuttal algorithm 1).

A tagger gives the probability of every AudioSet class; within a group of classes the most probable labels of
the two sounds are compared: size of the intersection over size of the union. The paper's tagger is not
public, so whichever is used must be named beside the number.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from .._utils.errors import InputError
from .builder import ScoreBuilder
from .score import Score


@dataclass(frozen=True)
class ClassGroup:
    """Classes that are compared with each other, and how many of the most probable ones (paper, A.1.3)."""

    name: str
    top_n: int
    classes: tuple[str, ...]


GENRES = ClassGroup(
    "genre",
    2,
    (
        "Pop music", "Hip hop music", "Rock music", "Rhythm and blues", "Soul music", "Reggae",
        "Country", "Funk", "Folk music", "Middle Eastern music", "Jazz", "Disco", "Classical music",
        "Electronic music", "Music of Latin America", "Blues", "Music for children", "New-age music",
        "Vocal music", "Music of Africa", "Christian music", "Music of Asia", "Ska",
        "Traditional music", "Independent music",
    ),
)  # fmt: skip
INSTRUMENTS = ClassGroup(
    "instrument",
    2,
    (
        "Plucked string instrument", "Keyboard (musical)", "Percussion", "Orchestra",
        "Brass instrument", "Bowed string instrument", "Wind instrument, woodwind instrument", "Harp",
        "Choir", "Bell", "Harmonica", "Accordion", "Bagpipes", "Didgeridoo", "Shofar", "Theremin",
        "Singing bowl", "Scratching (performance technique)",
    ),
)  # fmt: skip
MOODS = ClassGroup(
    "mood",
    1,
    ("Happy music", "Sad music", "Tender music", "Exciting music", "Angry music", "Scary music"),
)
GROUPS = (GENRES, INSTRUMENTS, MOODS)
"""The paper's groups of AudioSet's classes."""
TAG_GROUPS = (
    ClassGroup(
        "genre",
        2,
        tuple(
            f"msd: {tag}"
            for tag in (
                "rock", "pop", "alternative", "indie", "electronic", "dance", "jazz", "metal", "soul", "folk", "punk",
                "blues", "ambient", "experimental", "Hip-Hop", "country", "funk", "rnb", "House",
            )
        ),
    ),
    ClassGroup(
        "instrument",
        2,
        tuple(
            f"mtt: {tag}"
            for tag in (
                "guitar", "strings", "drums", "piano", "violin", "synth", "harpsichord", "flute", "sitar", "choir",
                "harp", "cello",
            )
        ),
    ),
    ClassGroup(
        "mood", 1, tuple(f"msd: {tag}" for tag in ("chillout", "Mellow", "easy listening", "sexy", "sad", "happy"))
    ),
)  # fmt: skip
"""Groups of musicnn's tags, which are fewer and other than AudioSet's: a second opinion, not the paper's measure."""


def score_agreement(
    made: Float[np.ndarray, "samples n classes"],
    presented: Float[np.ndarray, "n classes"],
    class_names: Sequence[str],
    builder: ScoreBuilder,
    oracle: Float[np.ndarray, "oracle_samples n classes"] | None = None,
    groups: Sequence[ClassGroup] = GROUPS,
) -> list[Score]:
    """Score how far music has the classes of the clip that was presented (§4, Fig. 4; rebuttal algorithm 1).

    Chance is the agreement of the music with every other clip.

    Parameters
    ----------
    made : (samples, clips, classes) array
        Probabilities of all of the tagger's classes, for every sample of retrieved or generated music.
    presented : (clips, classes) array
        The same of the clips.
    class_names : sequence of str
        Names of the classes.
    builder : ScoreBuilder
        Columns that all scores share; its ``judge`` is the tagger, because the paper's own is not public.
    oracle : (samples, clips, classes) array, optional
        The same of music from the true embedding: the ceiling.
    groups : sequence of ClassGroup
        Classes that are compared; default the paper's.

    Returns
    -------
    list of Score
        ``class_agreement_genre``, ``class_agreement_instrument`` and ``class_agreement_mood``: means over samples.
    """
    scores = []
    for group in groups:
        columns = group_columns(group, class_names)

        def payoff(samples: np.ndarray, columns: np.ndarray = columns, top_n: int = group.top_n) -> np.ndarray:
            each = [class_agreement_payoff(sample[:, columns], presented[:, columns], top_n) for sample in samples]
            found: np.ndarray = np.mean(each, axis=0)
            return found

        of_made, n = payoff(made), len(presented)
        chance = float((of_made.sum() - np.trace(of_made)) / (n * (n - 1)))
        metric = f"class_agreement_{group.name}"
        ceiling = {} if oracle is None else {metric: float(np.trace(payoff(oracle)) / n)}
        detail = f"top {group.top_n} of {len(group.classes)} classes by {builder.judge}"
        scores.append(replace(builder, ceiling=ceiling).payoff(metric, of_made, chance, n, detail=detail))
    return scores


def class_agreement(
    first: Float[np.ndarray, "n classes"], second: Float[np.ndarray, "n classes"], top_n: int
) -> Float[np.ndarray, " n"]:
    """Measure the overlap of the most probable classes of pairs of sounds (Brain2Music [1]_, §4).

    Parameters
    ----------
    first : ndarray of shape (n, classes)
        Probabilities of the classes of one group, such as genres. Of equally probable classes, the earlier one counts
        as more probable.
    second : ndarray of shape (n, classes)
        Probabilities for the other sound of each pair.
    top_n : int
        Number of most probable classes that are compared.

    Returns
    -------
    ndarray of shape (n,)
        Intersection over union: 0 or 1 for ``top_n`` 1; 0, 1/3 or 1 for ``top_n`` 2.

    Raises
    ------
    ValueError
        ``top_n`` is not between 1 and the number of classes, or a probability is not finite.

    References
    ----------
    .. [1] Denk, Takagi et al., "Brain2Music: Reconstructing music from human brain activity", arXiv 2307.11078.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import class_agreement
    >>> played = np.array([[0.6, 0.3, 0.1], [0.6, 0.3, 0.1]])
    >>> made = np.array([[0.5, 0.4, 0.1], [0.1, 0.3, 0.6]])
    >>> class_agreement(played, made, top_n=2).round(2)
    array([1.  , 0.33])
    """
    return np.diagonal(class_agreement_payoff(first, second, top_n)).copy()


def class_agreement_payoff(
    first: Float[np.ndarray, "n classes"], second: Float[np.ndarray, "m classes"], top_n: int
) -> Float[np.ndarray, "n m"]:
    """:func:`class_agreement` of every sound of one list with every sound of another."""
    shared = _most_probable(first, top_n) @ _most_probable(second, top_n).T
    return shared / (2 * top_n - shared)


def group_columns(group: ClassGroup, class_names: Sequence[str]) -> Int[np.ndarray, " classes"]:
    """Where a tagger's output holds the classes of a group; :class:`InputError` names those that it lacks."""
    places = {name: column for column, name in enumerate(class_names)}
    missing = [name for name in group.classes if name not in places]
    if missing:
        raise InputError(
            f"the tagger has no class {', '.join(missing)} of the group {group.name!r}",
            hint="use a tagger of AudioSet's classes with AudioSet's display names",
        )
    return np.array([places[name] for name in group.classes])


def _most_probable(probabilities: Float[np.ndarray, "n classes"], top_n: int) -> Float[np.ndarray, "n classes"]:
    """1.0 for the ``top_n`` most probable classes of each sound, else 0.0."""
    if not 1 <= top_n <= probabilities.shape[1]:
        raise ValueError(f"top {top_n} of {probabilities.shape[1]} classes")
    if not np.isfinite(probabilities).all():
        raise ValueError("class probabilities are not finite")
    chosen = np.zeros(probabilities.shape)
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :top_n]
    np.put_along_axis(chosen, best, 1.0, axis=1)
    return chosen
