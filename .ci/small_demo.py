"""``brain2music demo OUT`` on a study of twelve clips with larger voxels, in a minute: ``python small_demo.py OUT``."""

import sys
from dataclasses import replace

from brain2music import demo
from brain2music.cli import main
from brain2music.simulation.brain.design import DESIGNS

FEW = {"train_runs": 1, "train_clips": 9, "test_runs": 1, "test_clips": 3, "repeats": 2}

DESIGNS["quick"] = replace(DESIGNS["quick"], **FEW, resolution_mm=12.0, clip_s=12.0)
demo.TRACKS_PER_GENRE = 1
demo.SETTINGS |= {"n_clips": 2, "duration_s": 2.0, "n_permutations": 100, "n_permuted_fits": 1}
sys.argv = ["brain2music", "demo", sys.argv[1], "--n-jobs", "1"]
main()
