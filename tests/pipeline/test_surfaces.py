"""A whole run of responses on surfaces: its maps, its page, and the same scores as of the same values in a volume."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from brain2music._utils.errors import InputError
from brain2music._utils.files import digest_file
from brain2music.brain.source import BidsSource
from brain2music.config import RunConfig
from brain2music.encoding.maps import map_files, possible_map_files
from brain2music.pipeline.check import check_bids
from brain2music.pipeline.outputs import Outputs
from brain2music.pipeline.run import run_pipeline
from brain2music.report.page import build_report
from brain2music.study.finding import Finding
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
    assert space.grayordinates is not None
    drawn, decoded = (
        digest_file(path) for path in (outputs.encoding_figure("01", "logmel"), outputs.predictions("01", "logmel"))
    )
    config = CONFIG.changed(**add_meshes(tmp_path, space.grayordinates.vertices))
    run(study, tmp_path / "out", config)
    assert digest_file(outputs.encoding_figure("01", "logmel")) != drawn  # on the meshes, no longer vertex by vertex
    assert digest_file(outputs.predictions("01", "logmel")) == decoded


def add_meshes(folder: Path, vertices: tuple[int, int]) -> dict[str, str]:
    """Write a mesh of each hemisphere for sub-01, a strip of triangles on a sphere; the settings that name them."""
    for side, count in zip("LR", vertices, strict=True):
        points = np.random.default_rng(count).normal(size=(count, 3))
        points *= 50 / np.linalg.norm(points, axis=1, keepdims=True)
        strip = np.arange(count - 2)[:, None] + np.arange(3)
        arrays = [
            nib.gifti.GiftiDataArray(points.astype(np.float32), intent="NIFTI_INTENT_POINTSET"),
            nib.gifti.GiftiDataArray(strip.astype(np.int32), intent="NIFTI_INTENT_TRIANGLE"),
        ]
        nib.save(nib.GiftiImage(darrays=arrays), folder / f"sub-01_hemi-{side}.surf.gii")
    return {
        f"{name}_mesh": str(folder / f"sub-{{subject}}_hemi-{name[0].upper()}.surf.gii") for name in ("left", "right")
    }


def test_meshes_are_looked_at_before_the_work(tmp_path: Path) -> None:
    study = TinyStudy(tmp_path / "study")
    add_gifti(study)

    def found(config: RunConfig) -> list[Finding]:
        return [each for each in check_bids(study.root, config) if each.code.startswith("mesh")]

    (missing,) = found(CONFIG)
    assert (missing.severity, missing.code) == ("warning", "mesh-missing")
    assert "fsnative are written, but not drawn" in missing.what
    assert found(CONFIG.changed(encoding={"enabled": False})) == []
    config = CONFIG.changed(**add_meshes(tmp_path, (LEFT, N - LEFT)))
    assert found(config) == []
    add_meshes(tmp_path, (LEFT, N - LEFT + 1))
    (unfit,) = found(config)
    assert (unfit.severity, unfit.code) == ("error", "mesh-unusable")
    assert "27 vertices, and the map of this hemisphere 26" in unfit.what
    (tmp_path / "sub-01_hemi-L.surf.gii").write_text("no mesh")
    assert "cannot be read" in found(config)[0].what
    with pytest.raises(InputError, match="give left_mesh and right_mesh"):
        RunConfig.of(left_mesh="lh.surf.gii")


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
