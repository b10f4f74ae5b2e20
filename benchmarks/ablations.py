"""What does each option of decoding add? On real responses (natsound165, rank 6), and on a simulated study.

    BRAIN2MUSIC_REAL_DATA=… python benchmarks/ablations.py [--seeds N] [--shuffles N] [--subjects N] [--skip-simulated]

natsound165: 165 clips in ten folds dealt out by each of the seeds. "among all" compares a prediction with all clips;
"in fold" only with those held out with it, which nothing was fitted to. Simulated: every subject's 20 test clips.
``best_option`` has the highest identification of held-out *training* clips on the real data, not of test clips.
"""

import argparse
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor as Workers
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from _results import Results
from threadpoolctl import threadpool_limits

from brain2music import Brain2MusicWarning
from brain2music.brain.arrays import read_arrays_study
from brain2music.brain.responses import Responses
from brain2music.brain.source import BidsSource
from brain2music.config import RunConfig
from brain2music.decoding.decoded import Decoded, undivided
from brain2music.decoding.fits import RidgeSettings
from brain2music.decoding.problem import HeldOut, Problem, View
from brain2music.decoding.registry import fit_decoder
from brain2music.decoding.subject import SubjectDecoder
from brain2music.embeddings.alignment import match_windows
from brain2music.embeddings.clips import embed_clips
from brain2music.embeddings.embeddings import Embeddings
from brain2music.metrics.ranking import identification_by_clip, similarity
from brain2music.models.embedders import get_embedder
from brain2music.simulation.brain import simulate
from brain2music.study.folds import group_k_fold

RESULTS = Results("ablations")

REPOSITORY = Path(__file__).resolve().parents[1]
EMBEDDING = "musicnn-mtt"
REAL = ("ridge", "matched", "whitened", "contrastive", "nonlinear", "nonlinear+contrastive", "denoised", "auto")
SIMULATED = ("ridge", "roi-ensemble", "selected", "stacked", "matched", "whitened", "contrastive", "nonlinear")
SIMULATED += ("denoised", "stacked+whitened", "stacked+contrastive", "auto")
SLOW = ("selected", "auto")
LAGS = (3, 2, 4)
"""Scans; the first is the main lag, the others are for stacking."""


@dataclass
class Row:
    """One option: a value a seed or subject."""

    name: str
    among_all: list[float] = field(default_factory=list)
    in_fold: list[float] = field(default_factory=list)
    correlation: list[float] = field(default_factory=list)
    shuffled: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        spread = np.std(self.among_all, ddof=1) if len(self.among_all) > 1 else np.nan
        in_fold = f"{np.mean(self.in_fold):7.4f}" if self.in_fold else "      -"
        chance = f"{np.mean(self.shuffled):.3f} ± {np.std(self.shuffled) / np.sqrt(len(self.shuffled)):.3f}"
        scores = f"{np.mean(self.among_all):9.4f} ± {spread:.4f}  {in_fold}  {np.mean(self.correlation):11.3f}"
        return f"{self.name:22}  {scores}  {chance:>13}  {self.seconds / len(self.among_all):7.1f}"


HEADER = f"{'option':22}  identification ± SD  in fold  correlation       shuffled  seconds"


def main() -> None:
    """Print both tables, then name: value lines."""
    asked = _arguments()
    with tempfile.TemporaryDirectory() as folder, Workers(2, get_context("spawn")) as workers:
        cache = Path(folder)
        real_study(cache)  # embeds, once
        print(f"natsound165 (real, rank 6), {EMBEDDING}, 10 folds, {asked.seeds} fold seeds\n{HEADER}")
        arguments = repeat(cache), repeat(asked.seeds), repeat(asked.shuffles)
        real = [_shown(row) for row in workers.map(real_row, REAL, *arguments)]
        inside = dict(zip(REAL[:-1], workers.map(inside_training, REAL[:-1], repeat(cache)), strict=True))
        simulated = []
        if not asked.skip_simulated:
            simulate(cache / "study", n_subjects=asked.subjects, seed=0)
            heard(cache, 1)
            print(f"\nsimulated (design quick, seed 0), {EMBEDDING}, {asked.subjects} subjects\n{HEADER}")
            simulated = [_shown(row) for row in workers.map(simulated_row, SIMULATED, repeat(cache))]
    print()
    for where, rows in (("natsound165", real), ("simulated", simulated)):
        for row in rows:
            value = np.mean(row.among_all)
            print(f"identification_{where}_{row.name}: {value:.4f}")
            spread = f"SD: {np.std(row.among_all, ddof=1):.3f}" if len(row.among_all) > 1 else ""
            RESULTS.add(f"identification, {where}, {row.name}", value, note=spread, n=len(row.among_all))
        for row in rows:
            RESULTS.add(f"correlation, {where}, {row.name}", np.mean(row.correlation), n=len(row.correlation))
    shuffled = [np.mean([value for row in rows for value in row.shuffled]) for rows in (real, simulated) if rows]
    furthest = max(shuffled, key=lambda value: abs(value - 0.5))
    print(f"shuffled_identification: {furthest:.4f}")
    RESULTS.add("identification, permuted clips, the mean furthest from 0.5", furthest, bar="0.45 to 0.55")
    best = max(inside, key=lambda name: inside[name])
    chosen = next(row for row in real if row.name == best)
    print(f"identification_best_in_fold: {np.mean(chosen.in_fold):.4f}")
    print(f"identification_best_sd: {np.std(chosen.among_all, ddof=1):.4f}")
    print(f"identification_best: {np.mean(chosen.among_all):.4f}")
    print(f"best_option: {best}")
    value = np.mean(chosen.among_all)
    RESULTS.add(
        "identification, natsound165, option chosen in the training sets", value, bar="≥ 0.92", n=165, note=best
    )


def real_row(name: str, cache: Path, n_seeds: int, n_shuffles: int) -> Row:
    """An option on natsound165; fold seeds are counted up from 0."""
    responses, embeddings = real_study(cache)
    row = Row(name)
    with _quiet():
        started = time.perf_counter()
        for seed in range(n_seeds):
            decoder = in_ten_folds(name, responses, embeddings, seed)
            note(row, decoder.decoded())
            row.in_fold.append(in_fold(decoder.decoded(), decoder.held_out))
        row.seconds = time.perf_counter() - started
        row.shuffled = [identified(each) for each in in_ten_folds(name, responses, embeddings, 0).permuted(n_shuffles)]
    return row


def in_ten_folds(name: str, responses: Responses, embeddings: Embeddings, seed: int) -> SubjectDecoder:
    """A decoder of all clips, in ten folds dealt out by the seed; voxels are standardised in each."""
    folds = list(group_k_fold(len(responses), 10, seed, undivided(responses)))
    settings = RidgeSettings(standardise=True)
    return SubjectDecoder(name, responses, None, embeddings, held_out=folds, settings=settings, seed=seed)


def inside_training(name: str, cache: Path) -> float:
    """Identification of held-out clips inside the training sets of ten folds; test clips have no say."""
    responses, embeddings = real_study(cache)
    pairs = match_windows(responses, embeddings)
    found = []
    with _quiet():
        for held_out in group_k_fold(len(responses.clips), 10, seed=0):
            keep = ~np.isin(pairs.groups, held_out)
            views, settings = (View.of(pairs.X[keep]),), RidgeSettings(standardise=True)
            problem = Problem(views, pairs.groups[keep], responses.runs, settings)
            fitted = fit_decoder(name, problem, [pairs.Y[keep]])[0]
            found.append(HeldOut.of(fitted, pairs.Y[keep], problem).identification())
    return float(np.mean(found))


def simulated_row(name: str, cache: Path) -> Row:
    """An option on the test clips of simulated subjects, who hear the same music; three shuffles a subject, or one."""
    row, n_shuffles = Row(name), 1 if name in SLOW else 3
    sides, embeddings = heard(cache, len(LAGS) if "stacked" in name or name == "auto" else 1)
    with _quiet():
        for subject, ((train, test), *lagged) in enumerate(sides):
            started = time.perf_counter()
            decoder = SubjectDecoder(name, train, test, embeddings, lagged=lagged, seed=subject)
            note(row, decoder.decoded())
            row.seconds += time.perf_counter() - started
            row.shuffled += [identified(each) for each in decoder.permuted(n_shuffles)]
    return row


@lru_cache(maxsize=1)
def real_study(cache: Path) -> tuple[Responses, Embeddings]:
    """natsound165, embedded."""
    study = read_arrays_study(REPOSITORY / "recipes" / "natsound165.toml")
    embedder = get_embedder(EMBEDDING, None, study.step_s)
    return study.responses("pooled")[0], embed_clips(study.train_clips, study.stimuli, embedder, cache)


@lru_cache(maxsize=1)
def heard(cache: Path, n_lags: int) -> tuple[list[list[tuple[Responses, Responses]]], Embeddings]:
    """For each simulated subject both sides at each lag, and the embeddings of all clips."""
    source = BidsSource.read(cache / "study", RunConfig())
    clips = (*source.train_clips, *source.test_clips)
    embedder = get_embedder(EMBEDDING, None, source.step_s)
    embeddings = embed_clips(clips, source.stimuli, embedder, cache / "embeddings")
    return [[source.responses(each, lag) for lag in LAGS[:n_lags]] for each in source.subjects], embeddings


def note(row: Row, decoded: Decoded) -> None:
    """Add one decoding's scores."""
    c = _similarity(decoded)
    row.among_all.append(float(identification_by_clip(c).mean()))
    row.correlation.append(float(np.diagonal(c).mean()))


def identified(decoded: Decoded) -> float:
    """Two-way identification among all clips."""
    return float(identification_by_clip(_similarity(decoded)).mean())


def in_fold(decoded: Decoded, folds: Sequence[np.ndarray]) -> float:
    """Two-way identification among the clips held out together."""
    c = _similarity(decoded)
    return float(np.concatenate([identification_by_clip(c[np.ix_(fold, fold)]) for fold in folds]).mean())


def _similarity(decoded: Decoded) -> np.ndarray:
    """Correlations about the training mean of each clip's fold; windows averaged."""
    sides = (side.mean(axis=1, dtype=np.float32) - decoded.train_mean for side in (decoded.predicted, decoded.true))
    return similarity(*sides)


def _shown(row: Row) -> Row:
    print(row, flush=True)
    return row


@contextmanager
def _quiet() -> Iterator[None]:
    """One thread a worker, and no word on penalties at the grid's edge."""
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", Brain2MusicWarning)
        torch.set_num_threads(1)
        yield


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="fold seeds on natsound165")
    parser.add_argument("--shuffles", type=int, default=4, help="shuffles an option on natsound165")
    parser.add_argument("--subjects", type=int, default=3, help="simulated subjects")
    parser.add_argument("--skip-simulated", action="store_true", help="the real data only")
    return parser.parse_args()


if __name__ == "__main__":
    main()
