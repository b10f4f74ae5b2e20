"""Small images of a head that moves as planted, in BIDS folders."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.ndimage import affine_transform, gaussian_filter
from scipy.spatial.transform import Rotation

TR = 1.5
GRID = (30, 32, 26)
AFFINE = np.array([[-3.0, 0, 0, 43], [0, 3.0, 0, -40], [0, 0, 3.0, -35], [0, 0, 0, 1]])
"""Voxels of 3 mm, from right to left as many scanners store them."""


def head(seed: int = 0) -> np.ndarray:
    """A bright ellipsoid with structure of about 10 mm, and dark around."""
    rng = np.random.default_rng(seed)
    centre = (np.array(GRID) - 1) / 2
    distance = np.linalg.norm((np.indices(GRID).T - centre) / (0.36 * np.array(GRID)), axis=-1).T
    structure = gaussian_filter(rng.normal(size=GRID), 1.3)
    tissue = 900 + 250 * structure / structure.std()
    return gaussian_filter(np.where(distance < 1, tissue, 20), 0.7)


def moved(volume: np.ndarray, parameters: np.ndarray, affine: np.ndarray = AFFINE) -> np.ndarray:
    """The volume with the head moved by mm and radians (x, y, z in turn) about the centre of its grid."""
    centre = affine[:3, :3] @ ((np.array(volume.shape) - 1) / 2) + affine[:3, 3]
    matrix = planted_matrix(parameters, centre)
    back = np.linalg.inv(affine) @ np.linalg.inv(matrix) @ affine
    return affine_transform(volume, back[:3, :3], back[:3, 3], order=5, mode="nearest")


def planted_matrix(parameters: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """The movement as a matrix, by scipy alone."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", parameters[3:]).as_matrix()
    matrix[:3, 3] = centre + parameters[:3] - matrix[:3, :3] @ centre
    return matrix


def drift_and_jumps(n_scans: int, rng: np.random.Generator) -> np.ndarray:
    """Motion (scans, 6) to 3 mm and 3 degrees: a slow drift and two jumps; none in the first scan."""
    drift = np.linspace(0, 1, n_scans)[:, None] * rng.uniform(-1, 1, 6)
    jumps = sum(np.arange(n_scans)[:, None] >= n_scans * at for at in (0.4, 0.7)) * rng.uniform(-1, 1, 6)
    course = drift + jumps
    return course / np.abs(course).max(axis=0) * ([3.0] * 3 + [np.radians(3)] * 3)


def write_run(root: Path, name: str, volumes: np.ndarray, affine: np.ndarray = AFFINE, **sidecar: object) -> Path:
    """Write a run (scans, x, y, z) and its sidecar."""
    func = root / name.split("_")[0] / "func"
    func.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(np.moveaxis(volumes, 0, -1), affine)
    image.header.set_zooms((*np.linalg.norm(affine[:3, :3], axis=0), TR))
    image.header.set_xyzt_units("mm", "sec")
    path = func / f"{name}_bold.nii.gz"
    nib.save(image, path)
    (func / f"{name}_bold.json").write_text(json.dumps({"RepetitionTime": TR, "TaskName": "music", **sidecar}))
    (root / "dataset_description.json").write_text('{"Name": "Moving heads", "BIDSVersion": "1.10.0"}')
    return path


def moving_run(motion: np.ndarray, seed: int = 0, noise: float = 8.0) -> np.ndarray:
    """The scans (scans, x, y, z) of a head that moves so, as int16."""
    rng = np.random.default_rng([seed, 1])
    still = head()
    return np.stack([np.rint(moved(still, each) + rng.normal(0, noise, GRID)) for each in motion]).astype(np.int16)
