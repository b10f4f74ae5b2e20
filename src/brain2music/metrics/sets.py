"""Scores of two sets of sounds as wholes: how far the music that was made is from the music that it should be like."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from .builder import ScoreBuilder
from .distances import kernel_distance
from .score import Score

FEWEST_SOUNDS = 6
"""Sounds below which a distance of sets says nothing."""
_MOST_PERMUTATIONS = 2000


def score_sets(
    made: Float[np.ndarray, "n dims"],
    reference: Float[np.ndarray, "n dims"],
    builder: ScoreBuilder,
    oracle: Float[np.ndarray, "n dims"] | None = None,
) -> list[Score]:
    """Score music by its kernel audio distance from the clips that it was made or found for.

    Other scores ask whether the music is nearer to its own clip than to others; this one whether all of it together
    sounds like the clips: 0 where it does.

    Parameters
    ----------
    made, reference : (sounds, dims) arrays
        Evaluation embeddings of one sound for every clip, and of the clips.
    builder : ScoreBuilder
        Columns that the score has. Its generator of random numbers gives what it would have given without this score.
    oracle : (sounds, dims) array, optional
        The same of music from the true embedding: the ceiling.

    Returns
    -------
    list of Score
        ``kernel_distance``; nothing of fewer than six sounds, or of clips that are all alike.
    """
    if len(reference) < FEWEST_SOUNDS or _alike(reference):
        return []
    rng = builder.rng.spawn(1)[0]
    count = min(builder.n_permutations, _MOST_PERMUTATIONS)
    found = kernel_distance(reference, made, rng, count, paired=True)
    ceiling: Mapping[str, float] = {}
    if oracle is not None:
        ceiling = {"kernel_distance": kernel_distance(reference, oracle, rng, 1, paired=True).value}
    return [
        replace(builder, ceiling={**builder.ceiling, **ceiling}).row(
            "kernel_distance",
            found.value,
            float(found.null.mean()),
            interval=(found.low, found.high),
            p=found.p,
            n=len(reference),
            candidates=len(reference),
            detail="of one sample each; chance and p: exchanged within pairs, low p means that they differ",
        )
    ]


def _alike(rows: Float[np.ndarray, "n dims"]) -> bool:
    """Whether most pairs of rows are equal, so that their median distance is 0."""
    from scipy.spatial.distance import pdist

    return not float(np.median(pdist(rows))) > 0
