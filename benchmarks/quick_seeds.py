"""Is the quick simulated study decoded above chance whatever its seed? Simulates, decodes and scores each seed.

    python benchmarks/quick_seeds.py [--seeds 0 1 2] [--embedding musicnn-mtt]

Prints a row a seed, then ``identification_min``, ``p_max`` and ``shuffled_mean``.
"""

import argparse
import tempfile
from pathlib import Path

from _results import Results

from brain2music.brain.source import BidsSource
from brain2music.config import RunConfig
from brain2music.metrics.records import OWN, read_scores, select_scores
from brain2music.pipeline.run import run_pipeline
from brain2music.simulation.brain import simulate

RESULTS = Results("quick_seeds")


def main() -> None:
    """Run every seed in a folder of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--embedding", default="musicnn-mtt")
    given = parser.parse_args()
    rows = [decode_seed(seed, given.embedding) for seed in given.seeds]
    for seed, (value, p, shuffled) in zip(given.seeds, rows, strict=True):
        print(f"seed {seed}: identification {value:.4f} (p = {p:.1e}), shuffled {shuffled:.4f}")
    print(f"identification_min: {min(row[0] for row in rows):.4f}")
    print(f"p_max: {max(row[1] for row in rows):.2e}")
    print(f"shuffled_mean: {sum(row[2] for row in rows) / len(rows):.4f}")
    n = len(rows)
    RESULTS.add("identification, the lowest over seeds", min(row[0] for row in rows), n=n, note="chance: 0.5")
    RESULTS.add("p, the largest over seeds", max(row[1] for row in rows), bar="< 0.001", n=n)
    RESULTS.add("identification, permuted clips", sum(row[2] for row in rows) / n, bar="0.5", n=n)


def decode_seed(seed: int, embedding: str) -> tuple[float, float, float]:
    """Identification of the test clips, its permutation p, and identification by decoders of permuted clips."""
    config = RunConfig.of(
        embeddings=(embedding,),
        compare_lags_tr=(),
        n_permuted_fits=20,
        leave_one_genre_out=False,
        encoding={"enabled": False},
    )
    with tempfile.TemporaryDirectory() as folder:
        simulate(Path(folder) / "study", design="quick", seed=seed)
        outputs = run_pipeline(BidsSource.read(Path(folder) / "study", config), Path(folder) / "out", config)
        scores = select_scores(read_scores(outputs.scores), stage="decode", metric="identification", **OWN)
    found, permuted = (select_scores(scores, condition=each)[0] for each in ("decoded", "permuted"))
    assert found.p is not None
    return found.value, found.p, permuted.value


if __name__ == "__main__":
    main()
