"""Does expectation predict brains beyond what a tagger hears? musiclm-surprisal beside musicnn-MTT, on natsound165.

    python benchmarks/surprisal.py [--folds 10]

Real responses of low rank (six components of fMRI, Norman-Haignere et al. 2015) to 165 sounds of two seconds, predicted
in folds by banded ridge from musicnn-MTT and musiclm-surprisal. Unique is the held-out variance that is lost where a
feature space is left out, the mean over components, with an interval over sounds; shuffled is that of surprisal that
belongs to other sounds. Only 35 of the sounds are music.
"""

import argparse
from pathlib import Path

import numpy as np
from _results import Results

from brain2music.brain.arrays import read_arrays_study
from brain2music.embeddings.clips import embed_clips
from brain2music.models.embedders import get_embedder
from brain2music.ridge import variance_partition

RESULTS = Results("surprisal")
STUDY = Path(__file__).parents[1] / "recipes" / "natsound165.toml"
SPACES = ("musicnn-mtt", "musiclm-surprisal")


def main() -> None:
    """Embed, divide the variance in folds, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", type=int, default=10)
    given = parser.parse_args()
    study = read_arrays_study(STUDY)
    responses = study.responses("pooled")[0].data.mean(axis=1)
    spaces = [
        embed_clips(study.train_clips, study.stimuli, get_embedder(name, None, study.step_s)).mean for name in SPACES
    ]
    rng = np.random.default_rng(0)
    order = rng.permutation(len(responses))
    fold = rng.permutation(len(responses)) % given.folds
    for what, bands in (("", spaces), (", shuffled", [spaces[0], spaces[1][order]])):
        lost, squares, explained = divided(bands, responses, fold)
        print(f"variance explained{what}: {explained:.4f}")
        for name, each in zip(SPACES, lost, strict=True):
            show(f"variance of natsound165 that only {name} explains{what}", each, squares)


def divided(bands: list[np.ndarray], responses: np.ndarray, fold: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Error that each space saves in every sound (spaces, sounds, targets), squares of the sounds, and r² of all."""
    lost = np.zeros((len(bands), *responses.shape))
    squares, left = np.zeros(responses.shape), np.zeros(responses.shape[1])
    for number in range(fold.max() + 1):
        test = fold == number
        scaled = [(band - band[~test].mean(axis=0)) / (band[~test].std(axis=0) + 1e-6) for band in bands]
        parts = variance_partition(
            [band[~test] for band in scaled],
            responses[~test],
            [band[test] for band in scaled],
            responses[test],
            groups_test=np.arange(test.sum()),
        )
        lost[:, test], squares[test] = parts.error_increase, parts.sum_of_squares
        left += (1 - parts.r2) * parts.sum_of_squares.sum(axis=0)
    return lost, squares, float((1 - left / squares.sum(axis=0)).mean())


def show(question: str, lost: np.ndarray, squares: np.ndarray, draws: int = 2000) -> None:
    """Print the unique variance, mean over targets, with an interval over sounds, and add it to the results."""
    rng = np.random.default_rng(0)
    rows = rng.integers(len(lost), size=(draws, len(lost)))
    value = (lost.sum(axis=0) / squares.sum(axis=0)).mean()
    low, high = np.percentile((lost[rows].sum(axis=1) / squares[rows].sum(axis=1)).mean(axis=1), [2.5, 97.5])
    each = ", ".join(f"{share:.3f}" for share in lost.sum(axis=0) / squares.sum(axis=0))
    print(f"{question}: {value:.4f}  [{low:.4f}, {high:.4f}], n = {len(lost)}; components {each}", flush=True)
    RESULTS.add(question, value, low=low, high=high, n=len(lost), note=f"real, rank 6; components {each}")


if __name__ == "__main__":
    main()
