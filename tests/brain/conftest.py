"""Tiny hand-made studies: random volumes whose every number is known."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from brain2music.study import Clip, Presentation, Run, Study

TR = 1.5
GRID = (5, 4, 3)
AFFINE = np.array([[2.0, 0, 0, -10], [0, 2, 0, -20], [0, 0, 2, 5], [0, 0, 0, 1]])


@pytest.fixture
def make_run() -> Callable[..., Run]:
    """Write a run: see :func:`_make_run`."""
    return _make_run


def _make_run(
    root: Path,
    label: str,
    split: str,
    clips: list[Clip],
    volumes: np.ndarray,
    *,
    n_clip: int = 4,
    suffix: str = ".nii",
) -> Run:
    """A run whose image holds ``volumes`` (x, y, z, scans) and whose clips follow a carry-in without gaps."""
    order = [clips[-1], *clips]
    presentations = tuple(
        Presentation(clip, i * n_clip * TR, n_clip * TR, range(i * n_clip, (i + 1) * n_clip), carry_in=i == 0)
        for i, clip in enumerate(order)
    )
    name = f"sub-001_task-{split}_run-{label}"
    folder = root / "sub-001" / "func"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}_bold{suffix}"
    nib.save(nib.Nifti1Image(volumes, AFFINE), path)
    return Run("001", split, label, split, folder / f"{name}_events.tsv", path, TR, volumes.shape[3], presentations)


@pytest.fixture
def clips() -> list[Clip]:
    return [Clip(f"pop.0000{i}", 1.0, 7.0, "pop") for i in range(6)]


@pytest.fixture
def volumes(rng: np.random.Generator) -> Callable[..., np.ndarray]:
    """Draw the scans of a run: (x, y, z, scans) float32 around 100."""
    return lambda n_scans: rng.normal(100, 10, (*GRID, n_scans)).astype(np.float32)


@pytest.fixture
def study(tmp_path: Path, clips: list[Clip], volumes: Callable[..., np.ndarray]) -> Study:
    """Two training runs of three clips once each, two test runs in which the same three are repeated."""
    train = [_make_run(tmp_path, f"0{i + 1}", "train", clips[3 * i : 3 * i + 3], volumes(16)) for i in range(2)]
    repeated = [Clip(f"jazz.0000{i}", 0.0, 6.0, "jazz") for i in range(3)]
    test = [_make_run(tmp_path, f"0{i + 1}", "test", repeated, volumes(16)) for i in range(2)]
    return Study(tmp_path, "tiny", (*train, *test))


@pytest.fixture
def mask_file(tmp_path: Path, rng: np.random.Generator) -> Path:
    """A mask of half the voxels on the BOLD grid."""
    path = tmp_path / "mask.nii.gz"
    nib.save(nib.Nifti1Image((rng.random(GRID) > 0.5).astype(np.uint8), AFFINE), path)
    return path
