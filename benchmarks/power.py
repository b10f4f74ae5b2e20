"""Does a power curve tell what fresh studies give? Two sets of simulated studies, at three lengths, one core, minutes.

The curve of 40 simulated studies says where the mean of 40 fresh ones will lie (95 %); 40 fresh ones, with other seeds,
are then simulated at three lengths that are not among those of the curve, between which it is interpolated.

* ``inside``: of how many of the three lengths the fresh mean is in the interval of the curve; ``inside_share``: over 10
  repetitions with other seeds.

    python benchmarks/power.py [--studies 40] [--repetitions 10] [--seed 0]
"""

import argparse
import time

import numpy as np
import pandas as pd
from _results import Results

from brain2music.metrics import PlannedStudy, power_curve

RESULTS = Results("power")
CURVE, FRESH = (10.0, 20.0, 40.0, 80.0, 160.0), (15.0, 60.0, 120.0)
PLANNED = PlannedStudy(test_clips=40, voxels=200, tuned=100, dims=32)


def fresh_inside(studies: int, seed: int) -> list[bool]:
    """Whether each fresh mean lies in the interval of the curve, interpolated over the logarithm of minutes."""
    curve = power_curve(PLANNED, CURVE, n_studies=studies, random_state=2 * seed, n_permutations=19)
    fresh = power_curve(PLANNED, FRESH, n_studies=studies, random_state=2 * seed + 1, n_permutations=19)
    return [bool(low <= mean <= high) for low, mean, high in _beside(curve, fresh)]


def _beside(curve: pd.DataFrame, fresh: pd.DataFrame) -> list[tuple[float, float, float]]:
    at, places = np.log(fresh["minutes"]), np.log(curve["minutes"])
    low, high = (np.interp(at, places, curve[name]) for name in ("mean_low", "mean_high"))
    return list(zip(low, fresh["identification"], high, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=40)
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    started = time.perf_counter()
    found = [fresh_inside(given.studies, given.seed + number) for number in range(given.repetitions)]
    share = float(np.mean(found))
    print(f"inside: {sum(found[0])} of {len(FRESH)}\ninside_share: {share:.3f}")
    print(f"studies: {given.studies}\nrepetitions: {given.repetitions}\nseconds: {time.perf_counter() - started:.0f}")
    question = "power curve: lengths, of three, at which the mean of fresh studies is in its interval"
    RESULTS.add(question, sum(found[0]), bar="3", n=given.studies, note="simulated")
    question = "power curve: share of lengths at which the mean of fresh studies is in its interval"
    RESULTS.add(question, share, bar="0.85 or more", n=len(FRESH) * given.repetitions, note="simulated")


if __name__ == "__main__":
    main()
