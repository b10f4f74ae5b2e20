"""Does expectation predict brains beyond what a tagger hears? musiclm-surprisal beside musicnn-MTT.

    python benchmarks/surprisal.py [--sets real simulated] [--folds 10] [--study FOLDER]

Unique is the held-out variance that is lost where a feature space is left out of a banded ridge, the mean over targets,
with an interval over sounds; shuffled is that of surprisal that belongs to other sounds.

* ``real``: responses of low rank (six components of fMRI, Norman-Haignere et al. 2015) to 165 sounds of two seconds,
  in folds. Only 35 of the sounds are music.
* ``simulated``: 2,000 voxels of a simulated listener (``--study``; default one of the demo's design, which is made)
  whose noise ceiling is 0.3 or more, on test clips. They know features of the sound and of its score, and nothing of
  expectation: what is unique there is what a tagger misses of these. Planted is the same after a mixture of surprisal,
  a quarter of each voxel's variance, was added to it.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from _results import Results

import brain2music as b2m
from brain2music.brain.arrays import read_arrays_study
from brain2music.embeddings.clips import embed_clips
from brain2music.encoding import common_windows
from brain2music.encoding.alignment import match_scans
from brain2music.encoding.ceiling import response_ceiling
from brain2music.models.embedders import get_embedder
from brain2music.ridge import variance_partition

RESULTS = Results("surprisal")
STUDY = Path(__file__).parents[1] / "recipes" / "natsound165.toml"
SPACES = ("musicnn-mtt", "musiclm-surprisal")
CEILING, PLANTED, VOXELS = 0.3, 0.25, 2000


def main() -> None:
    """Read the arguments, divide the variance of both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="*", choices=("real", "simulated"), default=("real", "simulated"))
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--study", type=Path, help="a simulated study")
    given = parser.parse_args()
    if "real" in given.sets:
        real(given.folds)
    if "simulated" in given.sets:
        with tempfile.TemporaryDirectory() as folder:
            made = given.study is None
            simulated(b2m.simulate_study(Path(folder) / "study") if made else b2m.load_study(given.study))


def real(n_folds: int) -> None:
    """Divide the variance of natsound165 in folds."""
    study = read_arrays_study(STUDY)
    responses = study.responses("pooled")[0].data.mean(axis=1)
    embedders = [get_embedder(name, None, study.step_s) for name in SPACES]
    spaces = [embed_clips(study.train_clips, study.stimuli, each).mean for each in embedders]
    rng = np.random.default_rng(0)
    order = rng.permutation(len(responses))
    fold = rng.permutation(len(responses)) % n_folds
    for what, bands in (("", spaces), (", shuffled", [spaces[0], spaces[1][order]])):
        lost, squares = np.zeros((len(bands), *responses.shape)), np.zeros(responses.shape)
        for test in (fold == number for number in range(n_folds)):
            sides = [[band[rows] for band in bands] for rows in (~test, test)]
            lost[:, test], squares[test] = divided(*sides, responses[~test], responses[test], np.arange(test.sum()))
        for name, each in zip(SPACES, lost, strict=True):
            components = ", ".join(f"{share:.3f}" for share in each.sum(axis=0) / squares.sum(axis=0))
            note = f"real, rank 6; components {components}"
            show(f"variance of natsound165 that only {name} explains{what}", each, squares, note)


def simulated(study: b2m.ListeningStudy) -> None:
    """Divide the variance of a simulated listener's voxels in test clips: as they are, and with surprisal planted."""
    bold, music = study.responses(study.subjects[0]), [study.embed(name) for name in SPACES]
    windows = common_windows(bold.train, music)
    train, test = ([match_scans(side, each, windows=windows) for each in music] for side in (bold.train, bold.test))
    heard = np.flatnonzero(response_ceiling(bold.test, windows).r >= CEILING)
    rng = np.random.default_rng(0)
    heard = np.sort(rng.permutation(heard)[:VOXELS])
    y_train, y_test = train[0].Y[:, heard], test[0].Y[:, heard]
    groups, clips = (np.unique(side[0].groups, return_inverse=True)[1] for side in (train, test))
    order = rng.permutation(groups.max() + 1), rng.permutation(clips.max() + 1)
    shuffled = [
        [side[0].X, side[1].X.reshape(len(each), windows.count, -1)[each].reshape(side[1].X.shape)]
        for side, each in zip((train, test), order, strict=True)
    ]
    sides = [[band.X for band in side] for side in (train, test)]
    mixture = rng.standard_normal((sides[0][1].shape[1], len(heard)))
    centre, scale = sides[0][1].mean(axis=0), sides[0][1].std(axis=0) + 1e-6
    added = [((side[1] - centre) / scale) @ mixture for side in sides]
    gain = np.sqrt(PLANTED / (1 - PLANTED)) * y_train.std(axis=0) / added[0].std(axis=0)
    planted = [y + gain * each for y, each in zip((y_train, y_test), added, strict=True)]
    for what, bands, targets in (
        ("", sides, (y_train, y_test)),
        (", shuffled", shuffled, (y_train, y_test)),
        (", planted", sides, planted),
    ):
        lost, squares = divided(*bands, *targets, clips, groups=groups, n_candidates=20)
        for name, each in zip(SPACES, lost, strict=True):
            note = f"simulated, {len(heard)} voxels"
            show(f"variance of a simulated listener that only {name} explains{what}", each, squares, note)


def divided(
    train: list[np.ndarray],
    test: list[np.ndarray],
    y_train: np.ndarray,
    y_test: np.ndarray,
    sounds: np.ndarray,
    **settings: object,
) -> tuple[np.ndarray, np.ndarray]:
    """Error that each space saves in every sound, (spaces, sounds, targets), and the squares of the sounds."""
    scales = [(band.mean(axis=0), band.std(axis=0)) for band in train]
    scaled = [
        [(band - mean) / np.sqrt((sd**2).mean()) for band, (mean, sd) in zip(side, scales, strict=True)]
        for side in (train, test)
    ]
    parts = variance_partition(scaled[0], y_train, scaled[1], y_test, groups_test=sounds, **settings)
    print(f"variance explained: {parts.r2.mean():.4f}", flush=True)
    return parts.error_increase, parts.sum_of_squares


def show(question: str, lost: np.ndarray, squares: np.ndarray, note: str, draws: int = 2000) -> None:
    """Print the unique variance, mean over targets, with an interval over sounds, and add it to the results."""
    rows = np.random.default_rng(0).integers(len(lost), size=(draws, len(lost)))
    value = (lost.sum(axis=0) / squares.sum(axis=0)).mean()
    counts = np.stack([np.bincount(each, minlength=len(lost)) for each in rows]).astype(float)
    drawn = ((counts @ lost) / (counts @ squares)).mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    print(f"{question}: {value:.4f}  [{low:.4f}, {high:.4f}], n = {len(lost)}; {note}", flush=True)
    RESULTS.add(question, value, low=low, high=high, n=len(lost), note=note)


if __name__ == "__main__":
    main()
