"""Head motion is read from the confounds of preprocessed images, ours and fMRIPrep's, and of no others."""

from pathlib import Path

import numpy as np
import pandas as pd

from brain2music.brain.head_motion import MOVEMENT, read_motion
from brain2music.study import read_study
from tests.study.tiny_study import SCANS, TinyStudy


def test_motion_is_that_of_the_tables_beside_the_images(tmp_path: Path) -> None:
    study = TinyStudy(tmp_path / "study")
    assert read_motion(read_study(study.root), "01") is None  # raw images
    images = study.add_preprocessed()
    assert read_motion(read_study(study.root), "01") is None  # no tables
    rng = np.random.default_rng(0)
    for image, (name, scans) in zip(images, SCANS.items(), strict=True):
        table = pd.DataFrame(rng.normal(size=(scans, 6)), columns=list(MOVEMENT))
        table["framewise_displacement"] = [np.nan, *rng.random(scans - 1)]
        table["dvars"] = 5.0
        path = image.with_name(f"sub-01_{name}_desc-confounds_timeseries.tsv")
        table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    found = read_motion(read_study(study.root), "01")
    assert found is not None
    assert found.groupby("run").size().to_dict() == {f"sub-01_{name}": scans for name, scans in SCANS.items()}
    assert found["framewise_displacement"].isna().sum() == len(SCANS)
    assert found["dvars_uncorrected"].isna().all()
    last = pd.read_csv(path, sep="\t", na_values="n/a")
    np.testing.assert_allclose(found[found["run"] == f"sub-01_{name}"][list(MOVEMENT)], last[list(MOVEMENT)])
