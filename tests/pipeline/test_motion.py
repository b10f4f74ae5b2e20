"""How the head moved goes from the confounds beside preprocessed images into the run's folder, and onto the page."""

from pathlib import Path

import numpy as np
import pandas as pd

from brain2music.brain.head_motion import MOVEMENT
from brain2music.brain.source import BidsSource
from brain2music.pipeline.outputs import MOTION
from brain2music.pipeline.run import run_pipeline
from brain2music.report.page import build_report
from tests.pipeline.tiny_config import CONFIG
from tests.study.tiny_study import SCANS, TinyStudy


def test_motion_of_preprocessed_images_is_kept_and_shown(tmp_path: Path) -> None:
    study = TinyStudy(tmp_path / "study")
    study.add_mask()
    for image, (name, scans) in zip(study.add_preprocessed(), SCANS.items(), strict=True):
        table = pd.DataFrame(np.zeros((scans, 6)), columns=list(MOVEMENT))
        table["framewise_displacement"], table["dvars"] = [np.nan, *[0.25] * (scans - 1)], 5.0
        path = image.with_name(f"sub-01_{name}_desc-confounds_timeseries.tsv")
        table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    outputs = run_pipeline(BidsSource.read(study.root, CONFIG), tmp_path / "out", CONFIG)
    kept = MOTION.read(outputs.motion("01"))
    assert kept is not None
    assert len(kept) == sum(SCANS.values())
    build_report(outputs.root)
    assert "moved by 0.25 mm" in " ".join(outputs.page("01").read_text().split())
