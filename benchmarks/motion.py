"""Is head motion found and undone? Motion is planted on the images of a simulated study, and taken out again.

A study of the design ``small`` is simulated. Its voxels are independent of their neighbours, and no interpolation could
move them; so images first get a point spread (``--spread``, FWHM in voxels), responses and noise alike, and room around
the head. BOLD at 3 T has one of 2 to 3.5 mm (Parkes et al. 2005, Magn Reson Med 54:1465), which is 1 to 1.75 voxels of
2 mm. With less spread interpolation costs more, so the spread is part of every figure, and all that are given are
measured on the same studies. Each volume of a copy is then moved rigidly, by quintic splines, to 3 mm and 3 degrees:
drifts and two jumps in each run, and every run begins elsewhere. ``brain2music preprocess`` gets the copy.

* ``translation_mm``, ``rotation_deg``: median error over scans and runs, at the centre of the brain, against what was
  planted; ``…_worst`` the 95th percentile, ``…_ants`` of ANTs on a few volumes of the same images (rigid, mutual
  information).
* ``identification_still``, ``identification_moved``: two-way identification by ridge from the images without motion and
  from those that were moved and corrected; ``identification_uncorrected`` from those that were only moved. All use the
  grey matter of the truth and the same settings, with three scans of lag. ``…_test`` is of the test clips
  (several presentations each, as a run scores them), ``…_folds`` of the training clips (one presentation) in ten folds.
  ``lost`` is their difference, clip by clip, with the 95 % interval of a bootstrap over the clips of each study.
* ``minutes_per_run``: of a run at the size of ds003720's (96 x 96 x 68 voxels of 2 mm, 410 scans), from ``--scans`` of
  its scans; both passes, all of reading, aligning, resampling and writing. ``processor_minutes_per_run`` does not
  count what other processes took.

    python benchmarks/motion.py [--design NAME] [--resolution MM] [--spread VOXELS ...] [--seeds N] [--scans N]
                                [--jobs N] [--ants N]
"""

import argparse
import gzip
import json
import shutil
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from _results import Results
from scipy.ndimage import affine_transform, gaussian_filter
from scipy.spatial.transform import Rotation

import brain2music as b2m
from brain2music.brain import PreprocessSettings, Realigner, preprocess_study
from brain2music.decoding.decoded import Decoded
from brain2music.decoding.subject import SubjectDecoder
from brain2music.metrics.ranking import identification_by_clip, similarity
from brain2music.simulation.brain import StudyDesign, simulate

RESULTS = Results("motion")
MOST = np.array([3.0] * 3 + [np.radians(3)] * 3)
"""Largest planted motion: mm, radians."""
AXES = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]
SHORT = StudyDesign(
    train_runs=2,
    train_clips=20,
    test_runs=1,
    test_clips=10,
    repeats=2,
    resolution_mm=8.0,
    snr=1.0,
    clip_s=12.0,
    track_s=15.0,
)
"""Half of the design "small": one study of it takes a minute or two of one core, so that several are affordable."""
LAG_TR = 3
MOST_LOST = 0.02
"""Of identification, by motion that was corrected."""
MARGIN = 2
"""Empty voxels that are put around the simulated head, which else fills its image."""
SCORED = {"test": "test clips", "folds": "training clips in folds"}
"""Which clips are scored."""
GRID, SCANS = (96, 96, 68), 410
"""Of a run of ds003720."""


def main() -> None:
    options = _options()
    warnings.simplefilter("ignore", b2m.Brain2MusicWarning)
    measured: dict[float, list[Measured]] = {spread: [] for spread in options.spread}
    for seed in range(options.seeds):
        with tempfile.TemporaryDirectory() as folder:
            sharp = Path(folder) / "sharp"
            design = SHORT if options.design == "short" else options.design
            simulate(sharp, design=design, resolution_mm=options.resolution, seed=seed, n_jobs=options.jobs)
            for spread in options.spread:
                measured[spread].append(measure(sharp, Path(folder), spread, seed, options))
                print(f"seed {seed}, spread {spread:g}: {measured[spread][-1]}", flush=True)
    for spread, found in measured.items():
        report_errors(found, f"point spread of {spread:g} voxels of {options.resolution:g} mm")
        for name in SCORED:
            report_identification(found, name, spread)
    report_time(options.scans, options.jobs)


@dataclass
class Measured:
    """One study: errors (scans, 2) of ours and of ANTs, and identification by clip: still, corrected, uncorrected."""

    errors: np.ndarray
    ants: np.ndarray
    scores: dict[str, np.ndarray]

    def __str__(self) -> str:
        said = [f"{name} {np.round(by_clip.mean(axis=1), 3)}" for name, by_clip in self.scores.items()]
        return f"errors {np.round(np.median(self.errors, axis=0), 4)}; still, corrected, uncorrected: {', '.join(said)}"


def measure(sharp: Path, folder: Path, spread: float, seed: int, options: argparse.Namespace) -> Measured:
    """Plant motion on a study with a point spread, and take it out."""
    still, moved = folder / f"still{spread:g}", folder / f"moved{spread:g}"
    shutil.copytree(sharp, still)
    for path in sorted(still.glob("sub-*/func/*_bold.nii.gz")):
        spread_out(path, spread)
    planted = plant(still, moved, seed)
    lying, uncorrected = (identified(root, folder / "embeddings") for root in (still, moved))
    out = moved / "derivatives" / "prep"  # found by itself, with the mask of the truth beside it
    corrected = preprocess_study(moved, out, settings=PreprocessSettings(anatomy=False), n_jobs=options.jobs)
    again = identified(moved, folder / "embeddings")
    scores = {name: np.stack([each[name] for each in (lying, again, uncorrected)]) for name in SCORED}
    return Measured(errors_of(corrected, moved, planted), ants_errors(moved, planted, options.ants), scores)


def plant(still: Path, moved: Path, seed: int) -> dict[str, np.ndarray]:
    """Copy a study and move the head in its raw images; the motion (scans, 6) of each run."""
    shutil.copytree(still, moved)
    rng = np.random.default_rng([seed, 7])
    planted = {}
    for number, path in enumerate(sorted(moved.glob("sub-*/func/*_bold.nii.gz"))):
        image = nib.load(path)
        scans = np.asarray(image.dataobj, np.float32)
        motion = drifts_and_jumps(scans.shape[3], rng, begins_still=number == 0)
        planted[path.name.removesuffix("_bold.nii.gz")] = motion
        for index, each in enumerate(motion):
            scans[..., index] = displaced(scans[..., index], each, image.affine)
        store(path, scans, image.affine, image)
    return planted


def spread_out(path: Path, fwhm: float) -> None:
    """Give a raw image the point spread of a scanner, and empty voxels around."""
    image = nib.load(path)
    room = ((MARGIN, MARGIN),) * 3
    scans = np.pad(np.asarray(image.dataobj, np.float32), (*room, (0, 0)))
    for index in range(scans.shape[3]):
        scans[..., index] = gaussian_filter(scans[..., index], fwhm / 2.3548)
    affine = image.affine.copy()
    affine[:3, 3] -= MARGIN * affine[:3, :3].sum(axis=1)
    store(path, scans, affine, image)


def store(path: Path, scans: np.ndarray, affine: np.ndarray, like: nib.Nifti1Image) -> None:
    """Write scans as integers on the scale of another image."""
    slope = float(like.dataobj.slope)
    stored = nib.Nifti1Image(np.clip(np.rint(scans / slope), 0, 32767).astype(np.int16), affine, like.header)
    stored.header.set_slope_inter(slope, 0.0)
    nib.save(stored, path)


def drifts_and_jumps(n_scans: int, rng: np.random.Generator, begins_still: bool) -> np.ndarray:
    """A slow random drift and two jumps that last, within the limits along every axis."""
    walk = np.cumsum(rng.normal(size=(n_scans, 6)), axis=0)
    jumps = np.zeros((n_scans, 6))
    for at in rng.integers(n_scans // 8, n_scans, 2):
        jumps[at:] += rng.normal(0, 0.7 * np.sqrt(n_scans), 6)
    course = walk + jumps
    course -= course[0] if begins_still else course.mean(axis=0)
    return MOST * rng.uniform(0.3, 1, 6) * course / np.abs(course).max(axis=0)


def displaced(volume: np.ndarray, motion: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """The volume with the head moved about the centre of its grid."""
    back = np.linalg.inv(affine) @ np.linalg.inv(matrix_of(motion, centre_of(volume.shape, affine))) @ affine
    return affine_transform(volume, back[:3, :3], back[:3, 3], order=5)


def centre_of(shape: Sequence[int], affine: np.ndarray) -> np.ndarray:
    """The centre of a grid in mm."""
    return affine[:3, :3] @ ((np.array(shape[:3]) - 1) / 2) + affine[:3, 3]


def matrix_of(motion: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """The movement as a matrix."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", motion[3:]).as_matrix()
    matrix[:3, 3] = centre + motion[:3] - matrix[:3, :3] @ centre
    return matrix


def errors_of(corrected: Path, moved: Path, planted: dict[str, np.ndarray]) -> np.ndarray:
    """Errors (scans, 2) in mm at the centre of the brain and in degrees, of what the confounds say."""
    found = []
    for path in sorted(corrected.glob("sub-*/func/*_desc-confounds_timeseries.tsv")):
        name = path.name.removesuffix("_desc-confounds_timeseries.tsv")
        table = pd.read_csv(path, sep="\t", na_values="n/a")
        reference = nib.load(path.with_name(f"{name.split('_')[0]}_desc-hmc_boldref.nii.gz"))
        grid_centre = centre_of(reference.shape, reference.affine)
        brain_centre = Realigner(*_volume_and_mask(reference)).centre
        for row, motion in zip(table[AXES].to_numpy(), planted[name], strict=True):
            found.append(_error(matrix_of(row, brain_centre), matrix_of(motion, grid_centre), brain_centre))
    return np.array(found)


def _volume_and_mask(reference: nib.Nifti1Image) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from nilearn.masking import compute_epi_mask

    mask = np.asarray(compute_epi_mask(reference, ensure_finite=True).dataobj) > 0
    return reference.get_fdata(dtype=np.float32), reference.affine, mask


def _error(found: np.ndarray, planted: np.ndarray, centre: np.ndarray) -> tuple[float, float]:
    apart = (found - planted) @ np.append(centre, 1)
    turned = Rotation.from_matrix(found[:3, :3] @ planted[:3, :3].T).magnitude()
    return float(np.linalg.norm(apart)), float(np.degrees(turned))


def ants_errors(moved: Path, planted: dict[str, np.ndarray], n: int) -> np.ndarray:
    """The same errors of ANTs, on some volumes of the first run; none where it is not installed."""
    try:
        from brain2music.brain.preprocess.ants_rigid import AntsRealigner
    except ImportError:
        return np.zeros((0, 2))
    path = sorted(moved.glob("sub-*/func/*_bold.nii.gz"))[0]
    image, motion = nib.load(path), planted[path.name.removesuffix("_bold.nii.gz")]
    reference = nib.Nifti1Image(np.asarray(image.dataobj[..., 0], np.float32), image.affine)
    realigner = AntsRealigner(*_volume_and_mask(reference))
    found = []
    for scan in np.linspace(1, len(motion) - 1, n).astype(int):
        place = realigner.align(np.asarray(image.dataobj[..., scan], np.float32), image.affine)
        centre = centre_of(image.shape, image.affine)
        found.append(_error(place.matrix, matrix_of(motion[scan], centre), centre))
    return np.array(found).reshape(-1, 2)


def identified(root: Path, embeddings: Path) -> dict[str, np.ndarray]:
    """Two-way identification by ridge from the images of a study: of each test clip, and of each training clip."""
    study = b2m.load_study(root)
    music = study.embed("musicnn-mtt", cache_dir=embeddings)
    (subject,) = study.subjects
    train, test = study.responses(subject, lag_tr=LAG_TR)
    folds = [held_out for _, held_out in b2m.ClipKFold(10).split(train)]
    decoders = {
        "test": SubjectDecoder("ridge", train, test, music, seed=0),
        "folds": SubjectDecoder("ridge", train, None, music, held_out=folds, seed=0),
    }
    return {name: _by_clip(decoder.decoded()) for name, decoder in decoders.items()}


def _by_clip(decoded: Decoded) -> np.ndarray:
    predicted, true = (side.mean(axis=1) - decoded.train_mean for side in (decoded.predicted, decoded.true))
    return identification_by_clip(similarity(predicted, true))


def report_errors(found: Sequence[Measured], where: str) -> None:
    """Print and keep what was found of the planted motion."""
    errors, ants = (np.concatenate([getattr(each, name) for each in found]) for name in ("errors", "ants"))
    for column, (name, unit) in enumerate((("translation_mm", "mm"), ("rotation_deg", "degrees"))):
        median, worst = np.median(errors[:, column]), np.quantile(errors[:, column], 0.95)
        peer = float(np.median(ants[:, column])) if len(ants) else None
        print(f"{where}: {name}: {median:.4f}, {name}_worst: {worst:.4f}")
        if peer is not None:
            print(f"{name}_ants: {peer:.4f}")
        what = "translation" if unit == "mm" else "rotation"
        RESULTS.add(
            f"median error of planted {what} (simulated, {where})",
            float(median),
            unit,
            high=float(worst),
            peer=peer,
            bar="≤ 0.1",
            n=len(errors),
            note=f"high: 95th percentile over scans; {len(found)} studies; ANTs on {len(ants)} volumes",
        )


def report_identification(found: Sequence[Measured], name: str, spread: float) -> None:
    """Print and keep what motion cost."""
    by_clip = [each.scores[name] for each in found]
    still, moved, uncorrected = np.concatenate(by_clip, axis=1).mean(axis=1)
    print(f"spread {spread:g}, {name}: identification_still: {still:.4f}, identification_moved: {moved:.4f}, ", end="")
    print(f"identification_uncorrected: {uncorrected:.4f}")
    lost = [each[0] - each[1] for each in by_clip]
    rng = np.random.default_rng(0)
    drawn = [np.concatenate([rng.choice(each, len(each)) for each in lost]).mean() for _ in range(10_000)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    mean, n = float(np.concatenate(lost).mean()), sum(map(len, lost))
    print(f"lost: {mean:.4f} ({low:.4f} to {high:.4f}), by study {np.round([each.mean() for each in lost], 4)}")
    of = f"{SCORED[name]} (simulated, point spread of {spread:g} voxels)"
    verdict = "met" if high <= MOST_LOST else "missed" if low > MOST_LOST else "neither met nor missed for certain"
    studies = ", ".join(f"{each.mean():.3f}" for each in lost)
    note = (
        f"of {still:.3f} without motion; n: clips of {len(found)} studies, which lost {studies}; the bar is {verdict}"
    )
    RESULTS.add(
        f"identification lost to corrected motion, {of}", mean, low=low, high=high, bar="≤ 0.02", n=n, note=note
    )
    note = f"of {still:.3f} without motion"
    lost_all = still - uncorrected
    RESULTS.add(f"identification lost to motion that is not corrected, {of}", lost_all, n=n, note=note)


def report_time(n_scans: int, jobs: int | None) -> None:
    """Print and keep minutes of a run of ds003720's size."""
    if not n_scans:
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "bids"
        write_large_run(root, n_scans)
        began, worked = time.perf_counter(), time.process_time()
        preprocess_study(root, Path(folder) / "prep", settings=PreprocessSettings(anatomy=False), n_jobs=jobs)
        minutes = (time.perf_counter() - began) / 60 * SCANS / n_scans
        of_processor = (time.process_time() - worked) / 60 * SCANS / n_scans
    print(f"minutes_per_run: {minutes:.2f}\nprocessor_minutes_per_run: {of_processor:.2f}")
    note = f"from {n_scans} scans; {jobs or 'all'} threads; {of_processor:.1f} minutes of one core"
    RESULTS.add("motion correction of a run of ds003720's size", minutes, "minutes", n=n_scans, note=note)


def write_large_run(root: Path, n_scans: int) -> None:
    """A run of ds003720's grid: the MNI head at 2 mm, moving, with noise."""
    from nilearn.datasets import load_mni152_template
    from nilearn.image import resample_img

    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = [-96, -130, -62]
    head = resample_img(load_mni152_template(resolution=2), affine, GRID).get_fdata(dtype=np.float32)
    head = 1000 * head / head.max()
    rng = np.random.default_rng(0)
    motion = drifts_and_jumps(n_scans, rng, begins_still=True)
    func = root / "sub-01" / "func"
    func.mkdir(parents=True)
    header = nib.Nifti1Image(np.zeros((*GRID, n_scans), np.int16), affine).header
    header.set_zooms((2, 2, 2, 1.5))
    header.set_xyzt_units("mm", "sec")
    header["vox_offset"], header["magic"] = 352, b"n+1"
    with gzip.open(func / "sub-01_task-music_bold.nii.gz", "wb", compresslevel=1) as file:
        file.write(header.binaryblock + bytes(4))
        for each in motion:
            scan = displaced(head, each, affine) + rng.normal(0, 10, GRID)
            file.write(np.clip(np.rint(scan), 0, 32767).astype(np.int16).tobytes(order="F"))
    sidecar = {"RepetitionTime": 1.5, "TaskName": "music"}
    (func / "sub-01_task-music_bold.json").write_text(json.dumps(sidecar))
    (root / "dataset_description.json").write_text('{"Name": "large run", "BIDSVersion": "1.10.0"}')


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--design", default="small", help="small, quick, ds003720 or short, half of small")
    parser.add_argument("--resolution", type=float, default=5.0, metavar="MM")
    parser.add_argument("--spread", type=float, nargs="+", default=[1.75], metavar="VOXELS")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scans", type=int, default=24, help="of a large run; 0: not timed")
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--ants", type=int, default=8, help="volumes aligned by ANTs; 0: none")
    return parser.parse_args()


if __name__ == "__main__":
    main()
