"""The noun of every result: a score with its interval, chance and ceiling."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

ScoredStage = Literal["decode", "retrieve", "generate", "encode"]


@dataclass(frozen=True)
class Score:
    """One number, and all that is needed to believe it.

    Attributes
    ----------
    metric : its name with the configuration that changes it: "identification", "top1",
        "identification/within-genre".
    value : the score. low, high : its 95 % bootstrap interval over clips.
    chance : the value expected without information. ceiling : the oracle's value, where there is one.
    candidates : how many clips were chosen among. n : how many clips were scored.
    p : permutation p over clips. simulated : True where the brain was simulated.
    note : what a reader must know wherever the number is shown ("rank 6").
    """

    metric: str
    value: float
    stage: ScoredStage
    subject: str
    embedding: str
    n: int
    candidates: int
    chance: float
    low: float | None = None
    high: float | None = None
    ceiling: float | None = None
    p: float | None = None
    simulated: bool = False
    note: str = ""

    def as_row(self) -> dict[str, Any]:
        """The score as one flat record of ``scores.json``."""
        return asdict(self)
