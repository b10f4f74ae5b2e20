"""Choice of the scores of a table or sentence, by their columns."""

from collections.abc import Iterable, Sequence
from typing import Any

from brain2music.metrics.records import GROUP, OWN, select_scores
from brain2music.metrics.score import ALL, RELIABLE, Condition, HeldOut, Score, ScoredStage

MAIN: dict[ScoredStage, Condition] = {
    "decode": "decoded",
    "retrieve": "decoded",
    "generate": "denoised",
    "encode": "true",
}
"""The condition by which a step is summarised."""
UNSHARED: dict[HeldOut, str] = {
    "song": "only test clips that share no song with training",
    "artist": "only test clips that share no artist with training",
    "fold": "all clips, in folds of recordings",
    "fold-song": "all clips, in folds of songs",
    "fold-artist": "all clips, in folds of artists",
}
"""What was held out, where it is neither a genre nor a subject."""


def judged_by_itself(score: Score) -> bool:
    """Whether music is compared in the embedding that was decoded, or there is no music to compare."""
    return score.judge is None or score.judge == score.embedding


def headlines(scores: Iterable[Score]) -> list[Score]:
    """Identification by every embedding, by every evaluation embedding, and of permuted clips; summaries come first."""
    chosen = select_scores(scores, metric="identification", **OWN)
    chosen = [score for score in chosen if score.condition in (MAIN[score.stage], "permuted")]
    return sorted(chosen, key=lambda score: (score.subject != GROUP, score.stage))


def encoding_headlines(scores: Iterable[Score]) -> list[Score]:
    """Mean r by every embedding, over reliable voxels where there are such, else over all; summaries come first."""
    chosen = select_scores(scores, stage="encode", metric="r")
    reliable = {(score.subject, score.embedding) for score in chosen if score.group == RELIABLE}
    kept = [
        score for score in chosen if score.group == (RELIABLE if (score.subject, score.embedding) in reliable else ALL)
    ]
    return sorted(kept, key=lambda score: score.subject != GROUP)


def by_genre(scores: Iterable[Score]) -> list[Score]:
    """Scores of one genre's clips, by decoders that were fitted to all genres."""
    return [score for score in select_scores(scores, held_out="none") if score.stage != "encode" and score.group != ALL]


def qualifiers(score: Score) -> list[str]:
    """Describe in words how this score differs from others of its stage, metric and condition."""
    parts = []
    if score.group != ALL:
        what = "genre" if score.stage != "encode" else "voxels" if score.group == RELIABLE else "region"
        parts.append(f"{what}: {score.group}")
    if score.held_out == "genre":
        parts.append("decoder fitted without this genre")
    if score.held_out in UNSHARED:
        parts.append(UNSHARED[score.held_out])
    if score.alignment is not None:
        parts.append(f"subjects aligned by {score.alignment}")
    if score.ablation == "decoder":
        parts.append(f"decoder {score.decoder}")
    if score.ablation == "lag":
        parts.append(f"lag {score.lag_tr}")
    if score.versus is not None:
        parts.append(f"minus {score.versus}")
    if not judged_by_itself(score):
        parts.append(f"compared in {score.judge}")
    return parts


def spelt(metric: str) -> str:
    """A metric's name as words."""
    return metric.replace("_", " ")


def values_of(scores: Sequence[Score], column: str) -> list[Any]:
    """The distinct values of a column, in order of first appearance."""
    return list(dict.fromkeys(getattr(score, column) for score in scores))
