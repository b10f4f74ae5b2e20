"""Reading BOLD runs into matrices of voxels, and removing their drifts: how fast, in how much memory, how exactly.

A simulated run of 96 x 96 x 68 voxels and 410 scans (int16, 514 MB) is written to a temporary folder. brain2music and
nilearn's NiftiMasker read the same 60,000 voxels of it, remove a line and scale to unit variance; each side is a
process of its own. Prints ``name: value`` lines; seconds are the best of three calls, and ``peak_gb`` is the largest
resident memory of the process, with its libraries.

    python benchmarks/masking.py [--gz]
    python benchmarks/masking.py --median       # the 240-s median, beside scipy.ndimage.median_filter
    python benchmarks/masking.py --subject [--runs 18]  # all runs of a subject and half of them, into responses
"""

import argparse
import gzip
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from _results import Results

RESULTS = Results("masking")

GRID, SCANS, TR, VOXELS = (96, 96, 68), 410, 1.5, 60_000
WINDOW_S, SHARE = 240.0, 20
"""Window of the median, and which share of the voxels scipy filters, as it takes minutes for all."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gz", action="store_true")
    parser.add_argument("--median", action="store_true")
    parser.add_argument("--subject", action="store_true")
    parser.add_argument("--runs", type=int, default=18)
    parser.add_argument("--within", type=Path, help="where to put the temporary folder")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        measure(SIDES[given.side], given.folder)
    elif given.median:
        compare_medians()
    else:
        with tempfile.TemporaryDirectory(dir=given.within) as name:
            if given.subject:
                read_subject(Path(name), given.runs)
            else:
                compare_masking(Path(name), ".nii.gz" if given.gz else ".nii")


def compare_masking(folder: Path, suffix: str) -> None:
    """Both sides in processes of their own, one after the other."""
    write_run(folder, suffix)
    ours, theirs = (in_own_process(side, folder) for side in ("ours", "nilearn"))
    a, b = (np.load(folder / f"{side}.npy", mmap_mode="r") for side in ("ours", "nilearn"))
    sample_to_population = np.sqrt(SCANS / (SCANS - 1))  # nilearn's standard deviation divides by n - 1, ours by n
    difference = max(float(np.abs(row - other * sample_to_population).max()) for row, other in zip(a, b, strict=True))
    figures = {
        "voxels": a.shape[1],
        "ours_s": ours["seconds"],
        "nilearn_s": theirs["seconds"],
        "speedup": theirs["seconds"] / ours["seconds"],
        "peak_gb": ours["peak_gb"],
        "peer_peak_gb": theirs["peak_gb"],
        "max_difference": difference,
    }
    tell(figures)
    fast, small = (4, 0.3) if suffix == ".nii.gz" else (10, 0.6)
    what = f"to mask, detrend and z-score a run ({suffix})"
    seconds = ours["seconds"], theirs["seconds"]
    RESULTS.add(
        f"time {what}, nilearn's NiftiMasker over ours",
        seconds[0],
        "s",
        peer=seconds[1],
        ratio=seconds[1] / seconds[0],
        bar=f">= {fast} times as fast",
        n=a.shape[1],
    )
    RESULTS.add(f"peak memory {what}", ours["peak_gb"], "GB", peer=theirs["peak_gb"], bar=f"<= {small} GB")
    RESULTS.add(f"largest difference from NiftiMasker's values, {suffix}", difference, "sd", bar="<= 1e-5")


def compare_medians() -> None:
    """All voxels by ours, one in twenty by scipy: as one call for all, and voxel by voxel, which it is fastest at."""
    from scipy.ndimage import median_filter

    from brain2music.brain import detrend

    x = np.random.default_rng(0).normal(900, 20, (SCANS, VOXELS)).astype(np.float32)
    some = np.ascontiguousarray(x[:, ::SHARE])
    size = 2 * (round(WINDOW_S / TR) // 2) + 1
    detrend(x[:, :10], TR, "median", WINDOW_S)  # compiles
    ours_s, ours = best_of(lambda: detrend(x, TR, "median", WINDOW_S))
    whole_s, whole = best_of(lambda: some - median_filter(some, (size, 1), mode="reflect"), 1)
    one_s, one = best_of(lambda: np.stack([each - median_filter(each, size, mode="reflect") for each in some.T.copy()]))
    difference = max(float(np.abs(ours[:, ::SHARE] - each).max()) for each in (whole, one.T))
    figures = {
        "ours_s": ours_s,
        "scipy_s": whole_s * SHARE,
        "scipy_by_voxel_s": one_s * SHARE,
        "speedup": whole_s * SHARE / ours_s,
        "speedup_by_voxel": one_s * SHARE / ours_s,
        "max_difference": difference,
    }
    tell(figures)
    question = "time of the 240-s median of a run, scipy.ndimage.median_filter over ours"
    bar, note = ">= 10 times as fast", f"scipy's time for one voxel in {SHARE}, times {SHARE}"
    RESULTS.add(
        question, ours_s, "s", peer=whole_s * SHARE, ratio=whole_s * SHARE / ours_s, bar=bar, n=VOXELS, note=note
    )
    RESULTS.add(
        f"{question}, which is called for each voxel by itself",
        ours_s,
        "s",
        peer=one_s * SHARE,
        ratio=one_s * SHARE / ours_s,
        n=VOXELS,
        note=note,
    )
    RESULTS.add("largest difference from scipy's median", difference, bar="0")


def read_subject(folder: Path, n_runs: int) -> None:
    """All runs of a subject into its array and responses, and half of them, each in a process of its own."""
    write_run(folder, ".nii")
    for runs in (n_runs // 2, n_runs):
        (folder / "runs.txt").write_text(str(runs))
        found = in_own_process("subject", folder)
        tell({f"{name}_{runs}_runs": value for name, value in found.items()})
        shutil.rmtree(folder / "cleaned")
        note = "one image of 514 MB, named as often; 60,000 voxels, 240-s median, one process"
        question = f"a subject of {runs} runs read, cleaned and cut into responses"
        RESULTS.add(f"time: {question}", found["seconds"], "s", n=runs, note=note)
        bar = "does not grow with the number of runs"
        RESULTS.add(f"peak memory: {question}", found["peak_gb"], "GB", n=runs, note=note, bar=bar)


def ours_side(folder: Path) -> Callable[[], np.ndarray]:
    from brain2music.brain.clean import clean_run
    from brain2music.brain.volumes import open_image, read_voxels

    mask, (image,) = np.load(folder / "mask.npy"), folder.glob("bold.nii*")

    def work() -> np.ndarray:
        series = read_voxels(open_image(image), mask)
        clean_run(series, TR, "linear")
        return series

    return work


def nilearn_side(folder: Path) -> Callable[[], np.ndarray]:
    import nibabel as nib
    from nilearn.maskers import NiftiMasker

    (image,) = folder.glob("bold.nii*")
    mask = nib.Nifti1Image(np.load(folder / "mask.npy").astype(np.uint8), np.diag([2.0, 2.0, 2.0, 1.0]))
    masker = NiftiMasker(mask, detrend=True, standardize="zscore_sample", t_r=TR, reports=False, dtype="float32")
    return lambda: masker.fit_transform(str(image))


def subject_side(folder: Path) -> Callable[[], np.ndarray]:
    from brain2music.brain.load import load_responses
    from brain2music.brain.responses import VoxelSpace
    from brain2music.brain.run_store import Parallel, RunStore
    from brain2music.study import Clip, Presentation, Run, Study

    n_runs, n_scans = int((folder / "runs.txt").read_text()), 10
    space = VoxelSpace(np.load(folder / "mask.npy"), np.diag([2.0, 2.0, 2.0, 1.0]))
    runs = []
    for i in range(n_runs):
        clips = [Clip(f"pop.{i:02}{k:03}", 0.0, n_scans * TR) for k in range(SCANS // n_scans)]
        presented = tuple(
            Presentation(clip, k * n_scans * TR, n_scans * TR, range(k * n_scans, (k + 1) * n_scans), carry_in=not k)
            for k, clip in enumerate(clips)
        )
        name, image = f"{i:02}", folder / "bold.nii"
        runs.append(Run("001", "Training", name, "train", folder / f"{name}.tsv", image, TR, SCANS, presented))
    study = Study(folder, "one image", tuple(runs))

    def work() -> np.ndarray:
        cleaned = folder / "cleaned"
        store = RunStore(cleaned, Parallel(1))
        found = load_responses(
            study, "001", "train", lag_tr=3, mask=space, store=store, work_dir=cleaned, in_memory_bytes=256 << 20
        )
        return found.data[:1]

    return work


SIDES = {"ours": ours_side, "nilearn": nilearn_side, "subject": subject_side}


def measure(side: Callable[[Path], Callable[[], np.ndarray]], folder: Path) -> None:
    """One side: its time and memory as a line of JSON, its result as a file."""
    work = side(folder)
    seconds, result = best_of(work, 1 if side is subject_side else 3)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"seconds": seconds, "peak_gb": peak}))
    np.save(folder / f"{side.__name__.removesuffix('_side')}.npy", result)


def in_own_process(side: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--side", side, "--folder", str(folder)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def write_run(folder: Path, suffix: str) -> None:
    """A run of noise with drift over a ball of tissue on a quiet background; the mask is a shell within the ball."""
    import nibabel as nib

    rng = np.random.default_rng(0)
    centre = (np.array(GRID) - 1) / 2
    distance = np.linalg.norm((np.indices(GRID).T - centre) / centre, axis=-1).T
    mask = np.zeros(distance.size, bool)
    mask[np.argsort(np.abs(distance - 0.62), axis=None)[:VOXELS]] = True
    np.save(folder / "mask.npy", mask.reshape(GRID))
    inside, tissue = distance < 0.9, rng.normal(900, 150, GRID)
    header = nib.Nifti1Header()
    header.set_data_shape((*GRID, SCANS))
    header.set_data_dtype(np.int16)
    header.set_zooms((2.0, 2.0, 2.0, TR))
    header.set_sform(np.diag([2.0, 2.0, 2.0, 1.0]), 1)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    with (folder / "bold.nii").open("wb") as file:
        file.write(header.binaryblock + bytes(4))
        for scan in range(SCANS):
            values = np.where(inside, tissue + 0.1 * scan + rng.normal(0, 12, GRID), rng.normal(8, 4, GRID))
            file.write(values.clip(0).astype("<i2").tobytes(order="F"))
    if suffix == ".nii.gz":
        with (folder / "bold.nii").open("rb") as plain, gzip.open(folder / "bold.nii.gz", "wb", 4) as packed:
            shutil.copyfileobj(plain, packed, 1 << 20)
        (folder / "bold.nii").unlink()


def best_of(work: Callable[[], np.ndarray], times: int = 3) -> tuple[float, np.ndarray]:
    """The shortest of a few calls in seconds, and what the last gave."""
    taken, result = [], None
    for _ in range(times):
        result = None  # of the call before, which is not to be counted in memory
        began = time.perf_counter()
        result = work()
        taken.append(time.perf_counter() - began)
    assert result is not None
    return min(taken), result


def tell(figures: dict[str, float]) -> None:
    for name, value in figures.items():
        print(f"{name}: {value:.3g}" if isinstance(value, float) else f"{name}: {value}", flush=True)


if __name__ == "__main__":
    main()
