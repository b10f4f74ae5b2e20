"""Are p values uniform where the brain knows nothing of the music? Null studies of plain arrays, one core, minutes.

Responses and embeddings are drawn independently of each other; genres move the embeddings, and the brain knows nothing
of them. Each study is decoded and encoded by ridge regression with one penalty, and tested by the package's tests:

* ``ks_p_identification``: of p of identification of held-out test clips (permuted clips), the p of a Kolmogorov-Smirnov
  test of uniformity; ``ks_p_encoding``: the same of the mean correlation over voxels.
* ``fdr``: share of studies in which any voxel is found with a false discovery rate of 0.05 (all of them falsely);
  ``fdr_table``: the same of the table of a study's scores. ``ks_p_voxels``: of one voxel per study.
* ``ks_p_leave_one_genre_out``: of identification of one genre by a decoder fitted without it;
  ``ks_p_k_fold``: of clips predicted in folds, tested by refits to permuted clips; ``ks_p_k_fold_encoding``: the mean
  correlation over voxels, the same way.
* ``share_p_05_…``: share of studies with p of at most 0.05.

    python benchmarks/null.py [--studies 500] [--seed 0]
"""

import argparse
import time
from dataclasses import dataclass

import numpy as np
from _results import Results
from scipy.stats import kstest

from brain2music.encoding.significance import fdr, voxel_permutation_test
from brain2music.metrics.ranking import identification_accuracy, identification_payoff, similarity
from brain2music.metrics.uncertainty import permutation_null, permutation_p, refitted_p

RESULTS = Results("null")
GENRES, TRAIN_EACH, TEST_EACH = 6, 10, 4
VOXELS, DIMS, FOLDS = 60, 16, 6
ALPHA = 30.0
PERMUTATIONS, VOXEL_PERMUTATIONS, REFITS = 999, 4999, 20
TESTS = ("identification", "encoding", "voxels", "leave_one_genre_out", "k_fold", "k_fold_encoding")


@dataclass(frozen=True)
class Study:
    """Responses and embeddings of training and test clips, and their genres."""

    bold: np.ndarray
    music: np.ndarray
    bold_test: np.ndarray
    music_test: np.ndarray
    genres: np.ndarray
    genres_test: np.ndarray


def draw(rng: np.random.Generator) -> Study:
    """A study in which genres move the embeddings, in directions of this study, and not the responses."""
    genres, genres_test = (np.repeat(np.arange(GENRES), each) for each in (TRAIN_EACH, TEST_EACH))

    def drawn(n: int, of_clips: np.ndarray, mixing: np.ndarray, moved: np.ndarray) -> np.ndarray:
        rows = rng.standard_normal((n, len(mixing))) @ mixing + 0.5 * rng.standard_normal((n, mixing.shape[1]))
        return rows + moved[of_clips]

    parts = []
    for size in (VOXELS, DIMS):
        mixing = rng.standard_normal((8, size)) / np.sqrt(8)
        moved = np.zeros((GENRES, size)) if size == VOXELS else 0.5 * rng.standard_normal((GENRES, size))
        parts.append([drawn(len(each), each, mixing, moved) for each in (genres, genres_test)])
    (bold, bold_test), (music, music_test) = parts
    return Study(bold, music, bold_test, music_test, genres, genres_test)


def ridge(x: np.ndarray, y: np.ndarray, x_test: np.ndarray) -> np.ndarray:
    """Ridge predictions about the training means."""
    centred = x - x.mean(axis=0)
    weights = np.linalg.solve(centred @ centred.T + ALPHA * np.eye(len(x)), y - y.mean(axis=0))
    return (x_test - x.mean(axis=0)) @ centred.T @ weights + y.mean(axis=0)


def in_folds(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Predictions of every row without its fold, and the training mean that belongs to each."""
    predicted, means = np.empty_like(y), np.empty_like(y)
    for fold in range(FOLDS):
        held_out = np.arange(len(x)) % FOLDS == fold
        predicted[held_out] = ridge(x[~held_out], y[~held_out], x[held_out])
        means[held_out] = y[~held_out].mean(axis=0)
    return predicted, means


def voxel_r(predicted: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Correlation of every column."""
    a, b = predicted - predicted.mean(axis=0), measured - measured.mean(axis=0)
    found: np.ndarray = np.sum(a * b, axis=0) / np.linalg.norm(a, axis=0) / np.linalg.norm(b, axis=0)
    return found


def p_values(study: Study, rng: np.random.Generator) -> dict[str, float]:
    """p of every test, and whether any voxel is found."""
    mean = study.music.mean(axis=0)
    c = similarity(ridge(study.bold, study.music, study.bold_test) - mean, study.music_test - mean)
    found = {"identification": permutation_p(identification_payoff(c), rng, PERMUTATIONS)}

    predicted = ridge(study.music, study.bold, study.music_test)[:, None].astype(np.float32)
    tested = voxel_permutation_test(
        predicted, study.bold_test[:, None].astype(np.float32), rng, VOXEL_PERMUTATIONS, np.ones((1, VOXELS), bool)
    )
    found |= {"encoding": float(tested.p_mean[0]), "voxels": float(tested.p[0])}
    found["any_voxel"] = float((fdr(tested.p) <= 0.05).any())

    genre = int(rng.integers(GENRES))
    kept, rows = study.genres != genre, study.genres_test == genre
    mean = study.music[kept].mean(axis=0)
    c = similarity(ridge(study.bold[kept], study.music[kept], study.bold_test) - mean, study.music_test - mean)
    found["leave_one_genre_out"] = permutation_p(identification_payoff(c), rng, PERMUTATIONS, rows=rows)

    found |= p_in_folds(study, rng)
    table = np.array([found[each] for each in TESTS if each != "voxels"])
    return found | {"any_score": float((fdr(table) <= 0.05).any())}


def p_in_folds(study: Study, rng: np.random.Generator) -> dict[str, float]:
    """p of decoding and encoding in folds, from refits to permuted clips."""

    def decoded(order: np.ndarray) -> np.ndarray:
        predicted, means = in_folds(study.bold, study.music[order])
        return similarity(predicted - means, study.music[order] - means)

    def encoded(order: np.ndarray) -> float:
        return float(voxel_r(in_folds(study.music[order], study.bold)[0], study.bold).mean())

    n = len(study.bold)
    orders = [rng.permutation(n) for _ in range(REFITS)]
    c = decoded(np.arange(n))
    null = permutation_null(identification_payoff(c), rng, PERMUTATIONS)
    refits = np.array([identification_accuracy(decoded(order)) for order in orders])
    of_decoding = refitted_p(identification_accuracy(c), refits, null)

    predicted = in_folds(study.music, study.bold)[0]
    shuffled = np.array([voxel_r(predicted, study.bold[rng.permutation(n)]).mean() for _ in range(PERMUTATIONS // 5)])
    refits = np.array([encoded(order) for order in orders])
    of_encoding = refitted_p(float(voxel_r(predicted, study.bold).mean()), refits, shuffled)
    assert of_decoding is not None
    assert of_encoding is not None
    return {"k_fold": of_decoding, "k_fold_encoding": of_encoding}


def summary(rows: list[dict[str, float]]) -> dict[str, float]:
    """The figures that are printed."""
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    figures = {f"ks_p_{name}": float(kstest(columns[name], "uniform").pvalue) for name in TESTS}
    figures |= {"fdr": float(columns["any_voxel"].mean()), "fdr_table": float(columns["any_score"].mean())}
    return figures | {f"share_p_05_{name}": float((columns[name] <= 0.05).mean()) for name in TESTS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    started = time.perf_counter()
    rows = []
    for number in range(given.studies):
        rng = np.random.default_rng((given.seed, number))
        rows.append(p_values(draw(rng), rng))
    for name, value in summary(rows).items():
        print(f"{name}: {value:.4f}")
        words = name.partition("p_")[2].removeprefix("05_").replace("_", " ")
        if name.startswith("ks_p"):
            question, bar = f"null studies, p of {words}: uniform? (p of a Kolmogorov-Smirnov test)", "above 0.01"
        elif name.startswith("fdr"):
            what = "any voxel" if name == "fdr" else "any score of the table"
            question, bar = f"null studies in which {what} is found at q ≤ 0.05", "0.05, at most 0.07"
        else:
            question, bar = f"null studies with p ≤ 0.05, {words}", "0.035 to 0.065"
        RESULTS.add(question, value, bar=bar, n=given.studies, note="simulated")
    print(f"studies: {given.studies}\nseconds: {time.perf_counter() - started:.0f}")


if __name__ == "__main__":
    main()
