"""Rows of the score table from per-clip results, each with its interval and p."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from .ranking import (
    identification_accuracy,
    identification_payoff,
    members,
    n_way_payoff,
    per_group,
    several_alike,
    top_k_payoff,
    within_group_payoff,
)
from .score import ALL, Ablation, Condition, HeldOut, Score, ScoredStage, group_named
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
class ScoreBuilder:
    """Columns that scores of one subject, embedding and stage have in common, and what makes their intervals and p.

    Attributes
    ----------
    stage, subject, embedding, simulated, note, condition, judge, decoder, generator, lag_tr, alignment, ablation
        Columns of :class:`~brain2music.metrics.score.Score`.
    rng : numpy.random.Generator
        Source of permutations and bootstraps.
    ceiling : mapping of str to float
        Value of the oracle by metric, for scores of all clips.
    n_permutations : int
        Permutations, and as many bootstraps.
    in_folds : bool
        Whether clips were predicted in folds: p is then computed from refits to permuted clips where these are given,
        and is None elsewhere.
    recordings : (clips,) int array or None
        Recording of each clip; recordings of several clips are permuted as a whole.
    """

    stage: ScoredStage
    subject: str
    embedding: str
    rng: np.random.Generator
    simulated: bool
    note: str = ""
    condition: Condition = "decoded"
    judge: str | None = None
    decoder: str | None = None
    generator: str | None = None
    lag_tr: int | None = None
    alignment: str | None = None
    ablation: Ablation = "none"
    ceiling: Mapping[str, float] = field(default_factory=dict)
    n_permutations: int = 10_000
    in_folds: bool = False
    recordings: Int[np.ndarray, " clips"] | None = None

    def of(self, condition: Condition, **changes: Any) -> "ScoreBuilder":
        """The builder of scores of another condition, which have no ceiling."""
        return replace(self, condition=condition, ceiling={}, **changes)

    def without_brain(self, condition: Condition, **changes: Any) -> "ScoreBuilder":
        """The builder of scores of what was not decoded, and so neither predicted in folds."""
        return self.of(condition, **{"decoder": None, "lag_tr": None, "in_folds": False, **changes})

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
        group: str = ALL,
        held_out: HeldOut = "none",
        versus: str | None = None,
        detail: str = "",
    ) -> Score:
        """One score; an interval that is not defined becomes None."""
        low, high = interval if interval is not None and np.isfinite(interval).all() else (None, None)
        return Score(
            stage=self.stage,
            metric=metric,
            condition=self.condition,
            embedding=self.embedding,
            judge=self.judge,
            decoder=self.decoder,
            generator=self.generator,
            lag_tr=self.lag_tr,
            subject=self.subject,
            group=group,
            held_out=held_out,
            alignment=self.alignment,
            versus=versus,
            ablation=self.ablation,
            value=float(value),
            low=low,
            high=high,
            chance=float(chance),
            ceiling=self.ceiling.get(metric) if group == ALL else None,
            p=p,
            n=n,
            candidates=candidates,
            simulated=self.simulated,
            note=self.note,
            detail=detail,
        )

    def identification_family(
        self, c: Float[np.ndarray, "n n"], genres: Sequence[Hashable], refits: Sequence[Similarities] = ()
    ) -> list[Score]:
        """Identification, top-k, 10-way, within genre and per genre, where there are candidates for it.

        ``refits`` : for clips predicted in folds, similarities by decoders of permuted clips.
        """
        n, others = len(c), [each for each, _ in refits]
        scores = [self.identification(c, refits=[identification_accuracy(each) for each in others])]
        ways: list[tuple[str, float, int, Payoff]] = [
            (f"top{k}", k / n, n, partial(top_k_payoff, k=k)) for k in (1, 3, 5) if k < n
        ]
        ways += [("10_way", 0.1, 10, partial(n_way_payoff, n=10))] if n >= 10 else []
        for metric, chance, candidates, payoff in ways:
            values = [float(np.diagonal(payoff(each)).mean()) for each in others]
            scores.append(self.payoff(metric, payoff(c), chance, candidates, refits=values))
        return scores + self._within_genres(c, genres, refits) + self._per_genre(c, genres, refits)

    def identification(
        self,
        c: Float[np.ndarray, "n n"],
        rows: Bool[np.ndarray, " n"] | None = None,
        *,
        metric: str = "identification",
        refits: Sequence[float] = (),
        **columns: Any,
    ) -> Score:
        """Identification accuracy of all clips, or of some, among all candidates; ``columns`` as for :meth:`row`."""
        payoff = identification_payoff(c)
        values = np.diagonal(payoff) if rows is None else np.diagonal(payoff)[rows]
        interval = bootstrap_identification(c, self.rng, self.n_permutations, rows=rows)
        p = self._p(payoff, rows, None, refits)
        counts: dict[str, Any] = {"n": len(values), "candidates": len(c)}
        return self.row(metric, values.mean(), 0.5, interval=interval, p=p, **counts, **columns)

    def payoff(
        self,
        metric: str,
        payoff: Float[np.ndarray, "n n"],
        chance: float,
        candidates: int,
        rows: Bool[np.ndarray, " n"] | None = None,
        blocks: Sequence[Hashable] | None = None,
        refits: Sequence[float] = (),
        detail: str = "",
    ) -> Score:
        """The mean of a payoff matrix's diagonal; clips resampled with their candidates as they are.

        ``blocks`` : clips are permuted only among those of the same label. ``refits`` : the score of each refit.
        """
        values = np.diagonal(payoff) if rows is None else np.diagonal(payoff)[rows]
        interval = bootstrap_interval(values.copy(), self.rng, self.n_permutations)
        p = self._p(payoff, rows, blocks, refits)
        counts: dict[str, Any] = {"n": len(values), "candidates": candidates}
        return self.row(metric, values.mean(), chance, interval=interval, p=p, detail=detail, **counts)

    def distance(self, metric: str, matrix: Float[np.ndarray, "n n"], *, detail: str = "") -> Score:
        """The mean of the diagonal of distances, of which smaller ones are better; chance is the mean of the others."""
        n = len(matrix)
        others = float((matrix.sum() - np.trace(matrix)) / (n * (n - 1)))
        score = self.payoff(metric, -matrix, -others, n, detail=detail)
        low, high = (None if each is None else -each for each in (score.high, score.low))
        return replace(score, value=-score.value, low=low, high=high, chance=-score.chance)

    def _p(
        self,
        payoff: Float[np.ndarray, "n n"],
        rows: Bool[np.ndarray, " n"] | None,
        blocks: Sequence[Hashable] | None,
        refits: Sequence[float],
    ) -> float | None:
        """By permuted clips where one fit predicted all of them; in folds by refits, or none."""
        known = self.recordings is not None and len(self.recordings) == len(payoff)
        permuted: dict[str, Any] = {
            "rows": rows,
            "blocks": blocks,
            "recordings": self.recordings if known else None,
        }
        if not self.in_folds:
            return permutation_p(payoff, self.rng, self.n_permutations, **permuted)
        defined = np.array([each for each in refits if np.isfinite(each)])
        if len(defined) < 2:
            return None
        observed = np.diagonal(payoff)[slice(None) if rows is None else rows].mean()
        null = permutation_null(payoff, self.rng, self.n_permutations, **permuted)
        return refitted_p(float(observed), defined, null)

    def _within_genres(
        self, c: Float[np.ndarray, "n n"], genres: Sequence[Hashable], refits: Sequence[Similarities]
    ) -> list[Score]:
        sizes = [len(rows) for rows in several_alike(genres)]
        if not sizes:
            return []
        payoff = within_group_payoff(c, genres)
        rows = ~np.isnan(np.diagonal(payoff))
        interval = bootstrap_identification(c, self.rng, self.n_permutations, rows=rows, blocks=genres)
        others = [float(np.nanmean(np.diagonal(within_group_payoff(each, labels)))) for each, labels in refits]
        p = self._p(payoff, rows, genres, others)
        return [
            self.row(
                "identification_within_genre",
                np.diagonal(payoff)[rows].mean(),
                0.5,
                n=int(rows.sum()),
                candidates=round(float(np.mean(sizes))),
                interval=interval,
                p=p,
                detail=f"{min(sizes)} to {max(sizes)} candidates" if min(sizes) < max(sizes) else "",
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
                c,
                np.isin(np.arange(len(c)), rows),
                group=group_named(str(genre)),
                refits=[each.get(genre, np.nan) for each in others],
            )
            for genre, rows in groups.items()
        ]
