"""Series on surfaces of the tiny study: GIFTI pairs and CIFTI, written with nibabel from the raw images."""

from pathlib import Path

import nibabel as nib
import numpy as np

from .tiny_study import SCANS, TR, TinyStudy

N = 60
"""Voxels of the tiny study, which become vertices: the first 34 left, the others right; the last of each is a wall."""
LEFT = 34


def values_of(tiny: TinyStudy, name: str) -> np.ndarray:
    """The raw scans of a run (scans, vertices), the walls constant."""
    scans = np.asarray(nib.load(tiny.image(name)).dataobj, np.float32).reshape(N, -1).T.copy()
    scans[:, [LEFT - 1, N - 1]] = 0
    return scans


def add_gifti(tiny: TinyStudy, space: str = "fsnative", folder: str = "derivatives/fmriprep") -> list[Path]:
    """Write a pair of hemispheres of each run; the left files."""
    left = []
    for name in SCANS:
        scans = values_of(tiny, name)
        for side, half in (("R", scans[:, LEFT:]), ("L", scans[:, :LEFT])):
            path = tiny.root / folder / "sub-01" / "func" / f"sub-01_{name}_hemi-{side}_space-{space}_bold.func.gii"
            write_hemisphere(path, half)
        left.append(path)
    return left


def write_hemisphere(path: Path, scans: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = [nib.gifti.GiftiDataArray(scan, intent="NIFTI_INTENT_TIME_SERIES") for scan in scans.astype(np.float32)]
    nib.save(nib.GiftiImage(darrays=arrays), path)


def brain_models() -> nib.cifti2.BrainModelAxis:
    """Vertices of two meshes of 40 vertices, and a few voxels of the left thalamus."""
    models = nib.cifti2.BrainModelAxis
    left = models.from_surface(np.arange(2, 36), 40, "CIFTI_STRUCTURE_CORTEX_LEFT")
    right = models.from_surface(np.arange(0, 40, 2)[:18], 40, "CIFTI_STRUCTURE_CORTEX_RIGHT")
    return left + right + models.from_mask(np.ones((2, 2, 2), bool), "CIFTI_STRUCTURE_THALAMUS_LEFT", np.eye(4))


def add_cifti(tiny: TinyStudy, folder: str = "derivatives/fmriprep") -> list[Path]:
    """Write a dense time series of each run."""
    paths, models = [], brain_models()
    for name in SCANS:
        path = tiny.root / folder / "sub-01" / "func" / f"sub-01_{name}_space-fsLR_den-91k_bold.dtseries.nii"
        path.parent.mkdir(parents=True, exist_ok=True)
        axes = nib.cifti2.SeriesAxis(0, TR, SCANS[name]), models
        nib.save(nib.Cifti2Image(values_of(tiny, name), nib.cifti2.Cifti2Header.from_axes(axes)), path)
        paths.append(path)
    return paths
