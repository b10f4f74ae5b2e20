"""Scores of generated music: several samples were generated for every clip, and none was selected.

Brain2Music, section 4 and Fig. 4.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from .builder import ScoreBuilder
from .ranking import identification_payoff, n_way_payoff, several_alike, similarity, within_group_payoff
from .score import Condition, Score
from .sets import score_sets

Samples = Float[np.ndarray, "samples clips dims"]


def score_generated(
    made: Mapping[Condition, Samples],
    true: Float[np.ndarray, "clips dims"],
    genres: Sequence[str],
    builder: ScoreBuilder,
) -> list[Score]:
    """Score generated music by identification among the clips that were presented, averaged over samples.

    Parameters
    ----------
    made : mapping of str to (samples, clips, dims) array
        Condition to the evaluation embedding of every sample of every clip: "denoised", and any of "decoded" and
        "true" (the ceiling).
    true : (clips, dims) array
        The evaluation embedding of the clips.
    genres : sequence of str
        Genre of each clip.
    builder : ScoreBuilder
        Columns that all scores share, ``judge`` and ``generator`` among them.

    Returns
    -------
    list of Score
        ``identification``, ``10_way`` and, of several known genres, ``identification_within_genre`` of the condition
        "denoised", and ``kernel_distance`` of the first sample of each clip; then ``identification`` of the others.
    """
    alike = {name: [similarity(sample, true) for sample in samples] for name, samples in made.items()}
    payoffs = {name: np.mean([identification_payoff(c) for c in found], axis=0) for name, found in alike.items()}
    ceiling = {"identification": float(np.diagonal(payoffs["true"]).mean())} if "true" in payoffs else {}
    main = replace(builder, condition="denoised", ceiling=ceiling)
    n, detail = len(true), _mean_of(made["denoised"])
    scores = [main.payoff("identification", payoffs["denoised"], 0.5, n, detail=detail)]
    if n >= 10:
        ten = np.mean([n_way_payoff(c, 10) for c in alike["denoised"]], axis=0)
        scores.append(main.payoff("10_way", ten, 0.1, 10, detail=detail))
    within = np.mean([within_group_payoff(c, genres) for c in alike["denoised"]], axis=0)
    rows = ~np.isnan(np.diagonal(within))
    if rows.any():
        candidates = round(float(np.mean([len(alike) for alike in several_alike(genres) for _ in alike])))
        metric = "identification_within_genre"
        scores.append(main.payoff(metric, within, 0.5, candidates, rows, blocks=genres, detail=detail))
    scores += score_sets(made["denoised"][0], true, main, made["true"][0] if "true" in made else None)
    others = {"decoded": builder.of("decoded"), "true": builder.without_brain("true", in_folds=builder.in_folds)}
    for condition, of in others.items():
        if condition in payoffs:
            detail = _mean_of(made[condition])
            scores.append(of.payoff("identification", payoffs[condition], 0.5, n, detail=detail))
    return scores


def _mean_of(samples: Samples) -> str:
    return "one sample per clip" if len(samples) == 1 else f"mean of {len(samples)} samples per clip"
