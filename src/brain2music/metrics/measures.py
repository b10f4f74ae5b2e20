"""What is measured of pairs of sounds: each measure prepares every sound once, and scores all of them together.

A score is the mean over references of what was made for them, chance is what was made for the others, and p is from
permuted references.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from ..audio.waveforms import AnyWaveform
from ..embeddings.protocols import Embedder, TextEmbedder
from .audio import frechet_distance, frechet_value
from .beats import beat_agreement, find_beats, tempo_agreement
from .builder import ScoreBuilder
from .classes import GROUPS, ClassGroup, class_agreement_payoff, group_columns
from .distances import frechet_limit
from .divergence import divergence_matrix
from .notes import chord_agreement, chroma_agreement, find_notes, key_agreement, melody_agreement, note_judge
from .ranking import identification_payoff, n_way_payoff, several_alike, similarity, top_k_payoff, within_group_payoff
from .score import Score
from .sets import FEWEST_SOUNDS, score_sets
from .spectrograms import log_mel_picture, spectrogram_correlation, structural_similarity

Prepared = Any
Samples = Sequence[Sequence[Prepared]]
"""For every reference, what was prepared of the sounds that were made for it."""
_GROUPS_OF_JACKKNIFE = 10


@runtime_checkable
class NamedTagger(Protocol):
    """A tagger of classes: AudioSet's, or others that come in groups of their own."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes."""
        ...

    def classes(self, waveform: AnyWaveform, sample_rate: int) -> np.ndarray:
        """Probability of each class."""
        ...


@runtime_checkable
class Measure(Protocol):
    """Something that is measured of sounds."""

    def prepare(self, waveform: AnyWaveform, sample_rate: int) -> Prepared:
        """All that the scores need of one sound."""
        ...

    def scores(
        self, made: Samples, reference: Sequence[Prepared], genres: Sequence[str], of: ScoreBuilder
    ) -> list[Score]:
        """The scores of all sounds."""
        ...


@dataclass(frozen=True)
class PairMeasure:
    """Similarities of two sounds, each a function of what was prepared of the made one and of the reference."""

    judge: str
    prepared: Callable[[AnyWaveform, int], Prepared]
    similarities: Mapping[str, Callable[[Prepared, Prepared], float]]
    details: Mapping[str, str] = field(default_factory=dict)

    def prepare(self, waveform: AnyWaveform, sample_rate: int) -> Prepared:
        return self.prepared(waveform, sample_rate)

    def scores(
        self, made: Samples, reference: Sequence[Prepared], genres: Sequence[str], of: ScoreBuilder
    ) -> list[Score]:
        of = replace(of, judge=self.judge)
        found = []
        for metric, alike in self.similarities.items():
            matrix = np.array(
                [[np.mean([alike(each, other) for each in samples]) for other in reference] for samples in made]
            )
            found.append(_similarity_score(of, metric, matrix, self.details.get(metric, "")))
        return found


@dataclass(frozen=True)
class TaggerMeasure:
    """Agreement of the most probable classes, and the divergence of all of them, by one tagger."""

    judge: str
    tagger: NamedTagger
    groups: tuple[ClassGroup, ...] = GROUPS

    def prepare(self, waveform: AnyWaveform, sample_rate: int) -> Prepared:
        return self.tagger.classes(waveform, sample_rate)

    def scores(
        self, made: Samples, reference: Sequence[Prepared], genres: Sequence[str], of: ScoreBuilder
    ) -> list[Score]:
        of, true, found = replace(of, judge=self.judge), np.stack(reference), []
        for group in self.groups:
            columns = group_columns(group, self.tagger.class_names)

            def agree(rows: np.ndarray, columns: np.ndarray = columns, top_n: int = group.top_n) -> np.ndarray:
                return class_agreement_payoff(rows[:, columns], true[:, columns], top_n)

            detail = f"top {group.top_n} of {len(group.classes)} classes by {self.judge}"
            found.append(_similarity_score(of, f"class_agreement_{group.name}", _mean_rows(made, agree), detail))
        divergence = _mean_rows(made, lambda rows: divergence_matrix(rows, true))
        detail = f"of {true.shape[1]} classes of {self.judge}, in nats; lower is better"
        return [*found, of.distance("class_divergence", divergence, detail=detail)]


@dataclass(frozen=True)
class EmbeddingMeasure:
    """Identification and correlation in one embedding, distances of the two sets, and similarity to captions."""

    embedder: Embedder
    captions: Sequence[str] | None = None

    def prepare(self, waveform: AnyWaveform, sample_rate: int) -> Prepared:
        return self.embedder.embed(waveform, sample_rate)

    def scores(
        self, made: Samples, reference: Sequence[Prepared], genres: Sequence[str], of: ScoreBuilder
    ) -> list[Score]:
        of = replace(of, judge=self.embedder.space.name)
        true = np.stack([windows.mean(axis=0, dtype=np.float64) for windows in reference])
        samples = [[windows.mean(axis=0, dtype=np.float64) for windows in each] for each in made]
        scores = self._identified(samples, true, genres, of)
        scores += _set_distances(made, reference, samples, true, of)
        if self.captions is not None and isinstance(self.embedder, TextEmbedder):
            texts = _unit(self.embedder.embed_text(list(self.captions)).astype(np.float64))
            cosines = _mean_rows(samples, lambda rows: _unit(rows) @ texts.T)
            scores.append(_similarity_score(of, "clap_score", cosines, "cosine with the caption"))
        return scores

    def _identified(
        self, samples: Samples, true: Float[np.ndarray, "n dims"], genres: Sequence[str], of: ScoreBuilder
    ) -> list[Score]:
        """Identification among the references after z-scoring over them, and the correlation that it is from."""
        mean, spread = true.mean(axis=0), true.std(axis=0)
        kept = spread > 1e-9 * max(float(spread.max()), 1e-300)
        candidates = (true - mean)[:, kept] / spread[kept]

        def alike(rows: Float[np.ndarray, "k dims"]) -> Float[np.ndarray, "k n"]:
            return similarity((rows - mean)[:, kept] / spread[kept], candidates)

        detail = "dimensions z-scored over the references"
        if all(len(each) == 1 for each in samples):
            c = alike(np.stack([each[0] for each in samples]))
            scores = [
                replace(score, detail="; ".join(part for part in (score.detail, detail) if part))
                for score in of.identification_family(c, genres if any(genres) else [""] * len(c))
            ]
        else:
            scores = _mean_identification(samples, alike, genres, of, detail)
        return [*scores, _similarity_score(of, "sample_correlation", _mean_rows(samples, alike), detail)]


def spectrogram_measure() -> PairMeasure:
    """Correlation and structural similarity of log-mel spectrograms."""
    aligned = "aligned from the beginning, as far as both last"
    return PairMeasure(
        "log-mel",
        log_mel_picture,
        {"spectrogram_correlation": spectrogram_correlation, "spectrogram_ssim": structural_similarity},
        {"spectrogram_correlation": aligned, "spectrogram_ssim": aligned},
    )


def note_measure() -> PairMeasure:
    """Chroma, key, melody and chords, by the transcriber that is installed."""
    aligned = "aligned from the beginning, as far as both last"
    return PairMeasure(
        note_judge(),
        find_notes,
        {
            "chroma_agreement": chroma_agreement,
            "key_agreement": key_agreement,
            "melody_agreement": melody_agreement,
            "chord_agreement": chord_agreement,
        },
        {
            "chroma_agreement": aligned,
            "key_agreement": "pitch classes whenever they sound",
            "melody_agreement": f"raw chroma accuracy (mir_eval), {aligned}",
            "chord_agreement": f"major and minor triads by templates (mir_eval), {aligned}",
        },
    )


def beat_measure() -> PairMeasure:
    """Beats and tempo."""
    return PairMeasure(
        "librosa",
        find_beats,
        {"beat_agreement": beat_agreement, "tempo_agreement": tempo_agreement},
        {"beat_agreement": "F-measure within 70 ms (mir_eval)", "tempo_agreement": "within 8 %, octaves allowed"},
    )


def _similarity_score(of: ScoreBuilder, metric: str, matrix: Float[np.ndarray, "n n"], detail: str) -> Score:
    return of.payoff(metric, matrix, _off_diagonal(matrix), len(matrix), detail=detail)


def _off_diagonal(matrix: Float[np.ndarray, "n n"]) -> float:
    return float((matrix.sum() - np.trace(matrix)) / (len(matrix) * (len(matrix) - 1)))


def _mean_rows(samples: Samples, function: Callable[[np.ndarray], np.ndarray]) -> Float[np.ndarray, "n m"]:
    """A function of the rows of all samples, averaged over those of each reference."""
    values = function(np.stack([each for of_clip in samples for each in of_clip]))
    ends = np.cumsum([len(each) for each in samples])
    return np.stack([part.mean(axis=0) for part in np.split(values, ends[:-1])])


def _mean_identification(
    samples: Samples,
    alike: Callable[[np.ndarray], np.ndarray],
    genres: Sequence[str],
    of: ScoreBuilder,
    detail: str,
) -> list[Score]:
    """Identification of several samples per reference, averaged over them: one of each at a time is the prediction."""
    n, most = len(samples), max(len(each) for each in samples)
    turns = [alike(np.stack([each[turn % len(each)] for each in samples])) for turn in range(most)]
    detail = f"mean over {min(map(len, samples))} to {most} samples per reference; {detail}"

    def mean(payoff: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        averaged: np.ndarray = np.mean([payoff(c) for c in turns], axis=0)
        return averaged

    scores = [of.payoff("identification", mean(identification_payoff), 0.5, n, detail=detail)]
    scores.append(of.payoff("top1", mean(lambda c: top_k_payoff(c, 1)), 1 / n, n, detail=detail))
    if n >= 10:
        scores.append(of.payoff("10_way", mean(lambda c: n_way_payoff(c, 10)), 0.1, 10, detail=detail))
    if any(genres) and several_alike(genres):
        within = mean(lambda c: within_group_payoff(c, genres))
        rows = ~np.isnan(np.diagonal(within))
        candidates = round(float(np.mean([len(each) for each in several_alike(genres)])))
        metric = "identification_within_genre"
        scores.append(of.payoff(metric, within, 0.5, candidates, rows, blocks=genres, detail=detail))
    return scores


def _set_distances(
    made: Samples, reference: Sequence[Prepared], samples: Samples, true: Float[np.ndarray, "n dims"], of: ScoreBuilder
) -> list[Score]:
    """Fréchet distance of all windows, its limit, and the kernel distance of the sounds; none of very few sounds."""
    if len(true) < FEWEST_SOUNDS:
        return []
    windows = [np.concatenate(list(each)).astype(np.float64) for each in made]
    presented = [np.asarray(each, np.float64) for each in reference]
    rows, others = np.concatenate(presented), np.concatenate(windows)
    plain = frechet_distance(rows, others, of.rng)
    counts: dict[str, Any] = {"n": len(true), "candidates": len(true)}
    size = f"{len(others)} windows of {sum(map(len, samples))} sounds, {rows.shape[1]} dimensions"
    interval = _grouped_jackknife(presented, windows, plain.value)
    scores = [
        *score_sets(np.stack([each[0] for each in samples]), true, of),
        of.row("frechet", plain.value, plain.floor, interval=interval,
               detail=f"of {size}; biased upwards; chance: two halves of the reference", **counts),
    ]  # fmt: skip
    if len(others) >= 12:
        limit = frechet_limit(rows, others, of.rng)
        detail = f"of {size}, extrapolated to infinitely many (r² {limit.r2:.2f}); chance: sets alike"
        scores.append(
            of.row("frechet_limit", limit.value, 0.0, interval=(limit.low, limit.high), detail=detail, **counts)
        )
    return scores


def _grouped_jackknife(
    reference: Sequence[np.ndarray], made: Sequence[np.ndarray], value: float
) -> tuple[float, float]:
    """95 % interval of the Fréchet distance, from leaving out a tenth of the pairs at a time."""
    n = len(reference)
    groups = np.array_split(np.arange(n), min(n, _GROUPS_OF_JACKKNIFE))
    values = []
    for group in groups:
        kept = np.setdiff1d(np.arange(n), group)
        first, second = (np.concatenate([side[place] for place in kept]) for side in (reference, made))
        values.append(frechet_value(first, second, "none"))
    count = len(groups)
    half = 1.96 * float(np.sqrt((count - 1) / count * np.sum((np.array(values) - np.mean(values)) ** 2)))
    return value - half, value + half


def _unit(rows: Float[np.ndarray, "n dims"]) -> Float[np.ndarray, "n dims"]:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
