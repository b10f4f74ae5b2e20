"""A whole run of responses on surfaces: its maps, its page, and the same scores as of the same values in a volume."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from brain2music.brain.source import BidsSource
from brain2music.config import RunConfig
from brain2music.encoding.maps import map_files, possible_map_files
from brain2music.pipeline.outputs import Outputs
from brain2music.pipeline.run import run_pipeline
from brain2music.report.page import build_report
from tests.study.surface_study import LEFT, N, add_cifti, add_gifti
from tests.study.tiny_study import TinyStudy

CONFIG = RunConfig.of(
    embeddings=("logmel",), window_s=1.5, lag_tr=0, n_inner_folds=2, n_permutations=100, fade_s=0.1, compare_lags_tr=()
)
WALL = np.isin(np.arange(N), [LEFT - 1, N - 1])


def run(study: TinyStudy, out: Path, config: RunConfig = CONFIG) -> Outputs:
    return run_pipeline(BidsSource.read(study.root, config), out, config)


@pytest.mark.parametrize("kind", ["gifti", "cifti"])
def test_a_run_on_surfaces_is_that_of_the_same_voxels(tmp_path: Path, kind: str) -> None:
    study = TinyStudy(tmp_path / "study")
    {"gifti": add_gifti, "cifti": add_cifti}[kind](study)
    outputs = run(study, tmp_path / "out")
    source = BidsSource.read(study.root, CONFIG)
    space = source.responses("01", 0).train.space
    assert space is not None
    table = pd.read_parquet(outputs.encoding("01", "logmel"))
    named = outputs.statmap("01", "logmel", "r")
    files = map_files(named, space)
    images = [nib.load(file) for file in files]
    whole = np.concatenate([each.agg_data() if kind == "gifti" else each.get_fdata()[0] for each in images])
    np.testing.assert_array_equal(whole[~WALL], np.nan_to_num(table["r"].to_numpy(np.float32)))
    assert not whole[WALL].any()
    assert {path for path in possible_map_files(named) if path.is_file()} == set(files)
    assert outputs.encoding_figure("01", "logmel").is_file()
    build_report(outputs.root)
    page = "".join(path.read_text() for path in outputs.root.rglob("*.html"))
    assert all(file.name in page for file in files)
    before = {path: path.stat().st_mtime_ns for path in files}
    run(study, tmp_path / "out")
    assert before == {path: path.stat().st_mtime_ns for path in files}


def test_scores_of_vertices_are_those_of_voxels(tmp_path: Path) -> None:
    study = TinyStudy(tmp_path / "study")
    add_gifti(study)
    mask = np.ones(N, np.uint8)
    mask[WALL] = 0
    path = study.root / "derivatives" / "masks" / "sub-01" / "anat" / "sub-01_desc-brain_mask.nii.gz"
    study.write_image("", mask.reshape(3, 4, 5), path=path)
    surface = run(study, tmp_path / "surface")
    volume = run(study, tmp_path / "volume", CONFIG.changed(raw_images=True))
    pd.testing.assert_frame_equal(
        pd.read_parquet(surface.encoding("01", "logmel")), pd.read_parquet(volume.encoding("01", "logmel"))
    )
