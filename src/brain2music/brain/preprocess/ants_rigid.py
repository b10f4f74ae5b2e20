"""Rigid registration by ANTs (antspyx, of the extra ``prep``), and images and transforms to and from its conventions.

ANTs counts mm to the left and to the back (LPS), we to the right and to the front (RAS).
"""

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32

from ..._utils.errors import InputError
from .realign import Aligned

TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
SEED = 1
SAMPLES = 100_000
"""Voxels that are compared, of those in the image, drawn at random."""
LEVELS: dict[str, Any] = {
    "aff_shrink_factors": (3, 2, 1),
    "aff_smoothing_sigmas": (2, 1, 0),
    "aff_iterations": (500, 300, 100),
}
"""From coarse to fine. ANTs' own begin at a sixth of the resolution, at which small heads are turned about."""


class AntsRealigner:
    """Finds the rigid movement of volumes relative to a reference by ANTs, as :class:`.realign.Realigner` does.

    Mutual information is sampled at random with a fixed seed; with several threads of ITK sums may differ in their last
    digits from one run to the next.
    """

    def __init__(
        self, reference: Float32[np.ndarray, "x y z"], affine: Float[np.ndarray, "4 4"], mask: Bool[np.ndarray, "x y z"]
    ) -> None:
        self._ants = import_ants()
        self._fixed = ants_image(reference, affine)
        inside = np.argwhere(mask).mean(axis=0)
        self.centre: Float[np.ndarray, " xyz"] = affine[:3, :3] @ inside + affine[:3, 3]
        self._reference, self._mask = reference, mask
        self._lock = threading.Lock()  # the library's functions share what they print to

    def align(
        self,
        volume: Float32[np.ndarray, "x y z"],
        affine: Float[np.ndarray, "4 4"],
        start: Float[np.ndarray, "4 4"] | None = None,
    ) -> Aligned:
        """Find the place of a volume; ANTs begins from the centres of both, whatever ``start`` is."""
        with self._lock:
            moving = ants_image(volume, affine)
            found = self._ants.registration(
                self._fixed,
                moving,
                type_of_transform="Rigid",
                random_seed=SEED,
                aff_random_sampling_rate=min(1.0, SAMPLES / volume.size),
                **LEVELS,
            )
            matrix = matrix_of_file(found["fwdtransforms"][0])
            resampled = found["warpedmovout"].numpy()
            remove_files(found)
        values = self._reference[self._mask], resampled[self._mask]
        return Aligned(matrix, float(np.corrcoef(*values)[0, 1]))


def import_ants() -> Any:
    """The library; :class:`InputError` where it is not installed."""
    try:
        import ants
    except ImportError:
        hint = "install it: pip install 'brain2music[prep]'"
        raise InputError("ANTs (antspyx) is needed for this, and not installed", hint=hint) from None
    return ants


def set_itk_threads(n_threads: int) -> None:
    """Bound the threads of ITK, before it is first used."""
    os.environ.setdefault("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", str(n_threads))


def ants_image(volume: Float32[np.ndarray, "x y z"], affine: Float[np.ndarray, "4 4"]) -> Any:
    """A volume as ANTs' image. Its axes are made orthogonal, as ANTs needs."""
    ants = import_ants()
    lps = TO_LPS @ affine
    sizes = np.linalg.norm(lps[:3, :3], axis=0)
    u, _, vt = np.linalg.svd(lps[:3, :3] / sizes)
    return ants.from_numpy(
        np.ascontiguousarray(volume, dtype=np.float32),
        origin=lps[:3, 3].tolist(),
        spacing=sizes.tolist(),
        direction=u @ vt,
    )


def matrix_of_file(path: str) -> Float[np.ndarray, "4 4"]:
    """The matrix, in our mm, of a transform that ANTs wrote: from positions in the fixed image to the moving."""
    transform = import_ants().read_transform(path)
    parameters, centre = np.array(transform.parameters), np.array(transform.fixed_parameters)[:3]
    matrix = np.eye(4)
    matrix[:3, :3] = parameters[:9].reshape(3, 3)
    matrix[:3, 3] = parameters[9:] + centre - matrix[:3, :3] @ centre
    return TO_LPS @ matrix @ TO_LPS


def remove_files(found: dict[str, Any]) -> None:
    """Remove the files of transforms that a registration left."""
    for path in {*found["fwdtransforms"], *found["invtransforms"]}:
        Path(path).unlink(missing_ok=True)
