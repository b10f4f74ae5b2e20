"""Turns per-clip results into rows of the score table, each with its interval and p."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from .ranking import (
    identification_payoff,
    members,
    n_way_payoff,
    per_group,
    top_k_payoff,
    within_group_payoff,
)
from .score import Score, ScoredStage
from .uncertainty import (
    Interval,
    bootstrap_identification,
    bootstrap_interval,
    permutation_null,
    permutation_p,
    refitted_p,
)

Payoff = Callable[[Float[np.ndarray, "n n"]], Float[np.ndarray, "n n"]]
Similarities = tuple[Float[np.ndarray, "n n"], Sequence[Hashable]]
"""Of a refit to permuted clips: its similarities, and the genre of each candidate."""


@dataclass(frozen=True)
class ScoreCard:
    """What all scores of one subject, embedding and stage have in common.

    ``draws`` is the number of permutations and of bootstrap draws; ``ceiling`` maps a metric to its oracle
    value. ``in_folds`` says that clips were predicted in folds: p is then made from refits to permuted clips where
    these are given, and is not given elsewhere. ``together`` is the recording of each clip.
    """

    subject: str
    embedding: str
    stage: ScoredStage
    rng: np.random.Generator
    simulated: bool
    note: str = ""
    ceiling: Mapping[str, float] = field(default_factory=dict)
    draws: int = 10_000
    in_folds: bool = False
    together: Int[np.ndarray, " clips"] | None = None

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

    def identification_family(
        self, c: Float[np.ndarray, "n n"], genres: Sequence[Hashable], refits: Sequence[Similarities] = ()
    ) -> list[Score]:
        """Identification, top-k, 10-way, within genre and per genre, where there are candidates for it.

        ``refits`` : for clips predicted in folds, what decoders of permuted clips made of them.
        """
        n, others = len(c), [each for each, _ in refits]
        scores = [self.identification("identification", c, refits=[_accuracy(each) for each in others])]
        ways: list[tuple[str, float, int, Payoff]] = [
            (f"top{k}", k / n, n, partial(top_k_payoff, k=k)) for k in (1, 3, 5) if k < n
        ]
        ways += [("10-way", 0.1, 10, partial(n_way_payoff, n=10))] if n >= 10 else []
        for metric, chance, candidates, payoff in ways:
            values = [float(np.diagonal(payoff(each)).mean()) for each in others]
            scores.append(self.payoff(metric, payoff(c), chance, candidates, refits=values))
        return scores + self._within_genres(c, genres, refits) + self._per_genre(c, genres, refits)

    def identification(
        self,
        metric: str,
        c: Float[np.ndarray, "n n"],
        rows: Bool[np.ndarray, " n"] | None = None,
        note: str = "",
        refits: Sequence[float] = (),
    ) -> Score:
        """Identification accuracy of all clips, or of some, among all candidates."""
        payoff = identification_payoff(c)
        values = np.diagonal(payoff) if rows is None else np.diagonal(payoff)[rows]
        interval = bootstrap_identification(c, self.rng, self.draws, rows=rows)
        p = self._p(payoff, rows, None, refits)
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
        refits: Sequence[float] = (),
    ) -> Score:
        """The mean of a payoff matrix's diagonal; clips resampled with their candidates as they are.

        ``blocks`` : clips are permuted only among those of the same label. ``refits`` : the score of each refit.
        """
        values = np.diagonal(payoff) if rows is None else np.diagonal(payoff)[rows]
        interval = bootstrap_interval(values.copy(), self.rng, self.draws)
        return self.row(
            metric,
            values.mean(),
            chance,
            n=len(values),
            candidates=candidates,
            interval=interval,
            p=self._p(payoff, rows, blocks, refits),
            note=note,
        )

    def _p(
        self,
        payoff: Float[np.ndarray, "n n"],
        rows: Bool[np.ndarray, " n"] | None,
        blocks: Sequence[Hashable] | None,
        refits: Sequence[float],
    ) -> float | None:
        """By permuted clips where one fit predicted all of them; in folds by refits, or none."""
        together = self.together if self.together is not None and len(self.together) == len(payoff) else None
        permuted: dict[str, Any] = {"rows": rows, "blocks": blocks, "together": together}
        if not self.in_folds:
            return permutation_p(payoff, self.rng, self.draws, **permuted)
        known = np.array([each for each in refits if np.isfinite(each)])
        if len(known) < 2:
            return None
        observed = np.diagonal(payoff)[slice(None) if rows is None else rows].mean()
        return refitted_p(float(observed), known, permutation_null(payoff, self.rng, self.draws, **permuted))

    def _within_genres(
        self, c: Float[np.ndarray, "n n"], genres: Sequence[Hashable], refits: Sequence[Similarities]
    ) -> list[Score]:
        sizes = [len(rows) for rows in members(genres).values() if len(rows) > 1]
        if not sizes:
            return []
        payoff = within_group_payoff(c, genres)
        rows = ~np.isnan(np.diagonal(payoff))
        interval = bootstrap_identification(c, self.rng, self.draws, rows=rows, blocks=genres)
        others = [float(np.nanmean(np.diagonal(within_group_payoff(each, labels)))) for each, labels in refits]
        p = self._p(payoff, rows, genres, others)
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

    def _per_genre(
        self, c: Float[np.ndarray, "n n"], genres: Sequence[Hashable], refits: Sequence[Similarities]
    ) -> list[Score]:
        groups = members(genres)
        if len(groups) < 2:
            return []
        others = [per_group(np.diagonal(identification_payoff(each)), labels) for each, labels in refits]
        return [
            self.identification(
                f"identification/genre={genre}",
                c,
                np.isin(np.arange(len(c)), rows),
                refits=[each.get(genre, np.nan) for each in others],
            )
            for genre, rows in groups.items()
        ]


def _accuracy(c: Float[np.ndarray, "n n"]) -> float:
    return float(np.diagonal(identification_payoff(c)).mean())
