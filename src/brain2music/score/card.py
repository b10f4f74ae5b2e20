"""Turns per-clip results into rows of the score table, each with its interval and p."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

from .identification import (
    identification_payoff,
    members,
    n_way_payoff,
    top_k_payoff,
    within_group_payoff,
)
from .score import Score, ScoredStage
from .uncertainty import Interval, bootstrap_identification, bootstrap_interval, permutation_p


@dataclass(frozen=True)
class ScoreCard:
    """What all scores of one subject, embedding and stage have in common.

    ``draws`` is the number of permutations and of bootstrap draws; ``ceiling`` maps a metric to its oracle
    value.
    """

    subject: str
    embedding: str
    stage: ScoredStage
    rng: np.random.Generator
    simulated: bool
    note: str = ""
    ceiling: Mapping[str, float] = field(default_factory=dict)
    draws: int = 10_000

    def row(
        self,
        metric: str,
        value: float,
        chance: float,
        *,
        n: int,
        candidates: int,
        interval: Interval | None = None,
        p: float | None = None,
        note: str = "",
    ) -> Score:
        """One score; an interval or p that is not defined becomes None."""
        low, high = interval if interval is not None and np.isfinite(interval).all() else (None, None)
        return Score(
            metric=metric,
            value=float(value),
            stage=self.stage,
            subject=self.subject,
            embedding=self.embedding,
            n=n,
            candidates=candidates,
            chance=float(chance),
            low=low,
            high=high,
            ceiling=self.ceiling.get(metric),
            p=p,
            simulated=self.simulated,
            note="; ".join(part for part in (self.note, note) if part),
        )

    def identification_family(self, c: Float[np.ndarray, "n n"], genres: Sequence[Hashable]) -> list[Score]:
        """Identification, top-k, 10-way, within genre and per genre, where there are candidates for it."""
        n = len(c)
        scores = [self.identification("identification", c)]
        scores += [self.payoff(f"top{k}", top_k_payoff(c, k), k / n, n) for k in (1, 3, 5) if k < n]
        if n >= 10:
            scores.append(self.payoff("10-way", n_way_payoff(c, 10), 0.1, 10))
        return scores + self._within_genres(c, genres) + self._per_genre(c, genres)

    def identification(
        self,
        metric: str,
        c: Float[np.ndarray, "n n"],
        rows: Bool[np.ndarray, " n"] | None = None,
        note: str = "",
    ) -> Score:
        """Identification accuracy of all clips, or of some, among all candidates."""
        payoff = identification_payoff(c)
        values = np.diagonal(payoff) if rows is None else np.diagonal(payoff)[rows]
        interval = bootstrap_identification(c, self.rng, self.draws, rows=rows)
        p = permutation_p(payoff, self.rng, self.draws, rows=rows)
        return self.row(metric, values.mean(), 0.5, n=len(values), candidates=len(c), interval=interval, p=p, note=note)

    def payoff(
        self,
        metric: str,
        payoff: Float[np.ndarray, "n n"],
        chance: float,
        candidates: int,
        rows: Bool[np.ndarray, " n"] | None = None,
        note: str = "",
        blocks: Sequence[Hashable] | None = None,
    ) -> Score:
        """The mean of a payoff matrix's diagonal; clips resampled with their candidates as they are.

        ``blocks`` : clips are permuted only among those of the same label.
        """
        values = np.diagonal(payoff) if rows is None else np.diagonal(payoff)[rows]
        interval = bootstrap_interval(values.copy(), self.rng, self.draws)
        p = permutation_p(payoff, self.rng, self.draws, rows=rows, blocks=blocks)
        return self.row(
            metric,
            values.mean(),
            chance,
            n=len(values),
            candidates=candidates,
            interval=interval,
            p=p,
            note=note,
        )

    def _within_genres(self, c: Float[np.ndarray, "n n"], genres: Sequence[Hashable]) -> list[Score]:
        sizes = [len(rows) for rows in members(genres).values() if len(rows) > 1]
        if not sizes:
            return []
        payoff = within_group_payoff(c, genres)
        rows = ~np.isnan(np.diagonal(payoff))
        interval = bootstrap_identification(c, self.rng, self.draws, rows=rows, blocks=genres)
        p = permutation_p(payoff, self.rng, self.draws, rows=rows, blocks=genres)
        unequal = f"{min(sizes)} to {max(sizes)} candidates" if min(sizes) < max(sizes) else ""
        return [
            self.row(
                "identification/within-genre",
                np.diagonal(payoff)[rows].mean(),
                0.5,
                n=int(rows.sum()),
                candidates=round(float(np.mean(sizes))),
                interval=interval,
                p=p,
                note=unequal,
            )
        ]

    def _per_genre(self, c: Float[np.ndarray, "n n"], genres: Sequence[Hashable]) -> list[Score]:
        groups = members(genres)
        if len(groups) < 2:
            return []
        chosen = {genre: np.isin(np.arange(len(c)), rows) for genre, rows in groups.items()}
        return [self.identification(f"identification/genre={genre}", c, rows) for genre, rows in chosen.items()]
