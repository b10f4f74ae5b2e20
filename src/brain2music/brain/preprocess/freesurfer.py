"""The parcellation by FreeSurfer of a subject's own cortex: Destrieux's regions (``aparc.a2009s``), the paper's."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int

from ..._utils.errors import InputError

LEFT, RIGHT = 11100, 12100
"""Numbers of the cortical regions of the left and right hemisphere begin here."""
NO_REGION = ("Unknown", "Medial_wall", "???")


@dataclass(frozen=True)
class Parcellation:
    """A subject's anatomy by FreeSurfer.

    Attributes
    ----------
    files : what it was read from.
    brain : the T1 image without the skull.
    labels : the number of each voxel's region, in cortex and below.
    affine : voxels of both in mm.
    names : of the regions of the cortex, by their numbers.
    """

    files: tuple[Path, ...]
    brain: Float32[np.ndarray, "x y z"]
    labels: Int[np.ndarray, "x y z"]
    affine: Float[np.ndarray, "4 4"]
    names: dict[int, str]


def freesurfer_folder(root: Path, subject: str, named: Path | None = None) -> Path | None:
    """The folder of a subject's reconstruction: in the one that is named, or where fMRIPrep and BIDS keep them."""
    derivatives = root / "derivatives"
    usual = (derivatives / "freesurfer", *sorted(derivatives.glob("*/sourcedata/freesurfer")))
    for folder in (named,) if named is not None else usual:
        if (folder / f"sub-{subject}" / "mri" / "aparc.a2009s+aseg.mgz").is_file():
            return folder / f"sub-{subject}"
    return None


def read_parcellation(folder: Path) -> Parcellation:
    """Read a reconstruction; :class:`InputError` where a file of it is missing or not readable."""
    labels, brain = folder / "mri" / "aparc.a2009s+aseg.mgz", folder / "mri" / "brain.mgz"
    table = folder / "label" / "aparc.annot.a2009s.ctab"
    (numbers, affine), (volume, other) = _read_mgz(labels), _read_mgz(brain)
    if numbers.shape != volume.shape or not np.allclose(affine, other, atol=1e-3):
        raise InputError("the parcellation and brain.mgz have different grids", labels, "run recon-all again")
    rounded = np.rint(numbers).astype(np.int32)
    return Parcellation((labels, brain, table), volume, rounded, affine, _names_of(table))


def _read_mgz(path: Path) -> tuple[Float32[np.ndarray, "x y z"], Float[np.ndarray, "4 4"]]:
    import nibabel

    hint = "copy the whole reconstruction, or leave out --freesurfer"
    try:
        image: Any = nibabel.load(path)
        return np.asarray(image.dataobj, np.float32), np.asarray(image.affine, np.float64)
    except FileNotFoundError:
        raise InputError("a file of the reconstruction is missing", path, hint) from None
    except (OSError, EOFError, ValueError, nibabel.filebasedimages.ImageFileError) as problem:
        raise InputError(f"the file cannot be read ({problem})", path, hint) from None


def _names_of(table: Path) -> dict[int, str]:
    """The names of both hemispheres, from FreeSurfer's table of colours (number, name, red, green, blue, alpha)."""
    try:
        rows = [line.split() for line in table.read_text(encoding="utf-8").splitlines() if line.strip()]
        plain = {int(row[0]): row[1] for row in rows if row[0].isdecimal()}
    except (OSError, IndexError) as problem:
        what = f"the names of the regions cannot be read ({problem})"
        raise InputError(what, table, "copy the whole reconstruction, or leave out --freesurfer") from None
    named = {number: name for number, name in plain.items() if name not in NO_REGION}
    left = {LEFT + number: f"ctx_lh_{name}" for number, name in named.items()}
    return left | {RIGHT + number: f"ctx_rh_{name}" for number, name in named.items()}
