"""Reading one BOLD run into a matrix of voxels: brain2music and nilearn's NiftiMasker, in the same run.

A simulated run of 64 x 64 x 40 voxels and 410 scans (int16) is written to a temporary folder; both read the same
mask, remove a line and scale to unit variance. Prints ``name: value`` lines; seconds are the best of three.

    python benchmarks/masking.py [--gz]
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
from _results import Results

from brain2music.brain.clean import detrend, zscore
from brain2music.brain.volumes import open_image, read_voxels

RESULTS = Results("masking")

GRID, SCANS, TR = (64, 64, 40), 410, 1.5


def main(suffix: str) -> None:
    from nilearn.maskers import NiftiMasker

    with tempfile.TemporaryDirectory() as folder:
        bold, mask_image = simulate(Path(folder), suffix)
        mask = np.asarray(mask_image.dataobj).astype(bool)
        masker = NiftiMasker(mask_image, detrend=True, standardize="zscore_sample", t_r=TR, reports=False)
        ours_s, ours = best_of(lambda: zscore(detrend(read_voxels(open_image(bold), mask), TR, "linear"))[0])
        nilearn_s, theirs = best_of(lambda: masker.fit_transform(str(bold)))
        median_s, _ = best_of(lambda: detrend(ours, TR, "median"))
    theirs *= np.sqrt(SCANS / (SCANS - 1))  # nilearn's standard deviation divides by n - 1, ours by n
    print(f"voxels: {mask.sum()}")
    print(f"ours_s: {ours_s:.3f}")
    print(f"nilearn_s: {nilearn_s:.3f}")
    print(f"speedup: {nilearn_s / ours_s:.1f}")
    print(f"max_difference: {np.abs(ours - theirs).max():.1e}")
    print(f"median_detrend_s: {median_s:.3f}")
    question = f"time to mask, detrend and z-score a run ({suffix}), nilearn's NiftiMasker over ours"
    RESULTS.add(question, ours_s, "s", peer=nilearn_s, ratio=nilearn_s / ours_s, n=int(mask.sum()))


def simulate(folder: Path, suffix: str) -> tuple[Path, nib.Nifti1Image]:
    """A run of noise over a ball of tissue, with drift, and the ball as its mask."""
    rng = np.random.default_rng(0)
    centre = (np.array(GRID) - 1) / 2
    distance = np.linalg.norm((np.indices(GRID).T - centre) / centre, axis=-1).T
    mask = distance < 0.9
    volume = rng.normal(0, 20, (*GRID, SCANS)).astype(np.int16)
    volume[mask] += (900 + np.linspace(0, 40, SCANS)).astype(np.int16)
    path = folder / f"bold{suffix}"
    nib.save(nib.Nifti1Image(volume, np.diag([3.0, 3.0, 3.0, 1.0])), path)
    return path, nib.Nifti1Image(mask.astype(np.uint8), np.diag([3.0, 3.0, 3.0, 1.0]))


def best_of(work: Callable[[], np.ndarray], times: int = 3) -> tuple[float, np.ndarray]:
    """The shortest of a few runs in seconds, and what the last gave."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        result = work()
        taken.append(time.perf_counter() - began)
    return min(taken), result


if __name__ == "__main__":
    main(".nii.gz" if "--gz" in sys.argv[1:] else ".nii")
