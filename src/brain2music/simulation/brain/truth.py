"""The ground truth of a simulated study, written and read as BIDS derivatives."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float32

from ..._utils.errors import InputError
from ..._utils.files import read_arrays, write_arrays, write_json, write_table
from .bold import SPONTANEOUS_AR1
from .brain import FAMILIES, REGIONS
from .features import RATE, FeatureSpace
from .images import write_map
from .subject import SimulatedSubject
from .tuning import hrf_basis

FOLDER = Path("derivatives") / "simulation"


@dataclass(frozen=True)
class Truth:
    """Ground truth of one simulated subject.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per voxel of grey matter: ``i j k`` (index in the image), ``x y z`` (mm, MNI), ``roi`` ("" if
        unlabelled), ``family`` (early, middle, late or none), ``snr``, ``delay_s`` (delay of the response in seconds),
        ``peak_s`` (time of its peak), ``ceiling`` and ``ceiling_mean`` (correlation scan by scan of the noiseless
        response with one presentation of the test runs, and with the average of all).
    weights : ndarray of float32, of shape (responsive, features)
        Weights of the features in image units, for the rows of the table whose family is not "none".
    hrf : ndarray of float32, of shape (responsive, steps)
        Responses of these voxels to one frame, at ``rate`` Hz, without ``delay_s``.
    noise : dict of str to ndarray
        Noise in image units. For all rows of the table ``sd`` and ``ar1`` (of AR(1) noise), ``drift`` (voxels,) and
        ``physiology`` (voxels, 3); for responsive rows ``spontaneous`` (responsive, courses), the amplitudes of shared
        AR(1) courses (whose correlation from scan to scan is ``settings["spontaneous_ar1"]``).
    features : dict of str to ndarray of float32, of shape (frames, features)
        Features by name of the clip, at ``rate`` Hz, z-scored.
    feature_names : tuple of str
        Names of the features, as "family.name".
    rate : int
        Frame rate of features and responses in Hz.
    settings : dict
        Settings of the simulation: design, seed, snr, resolution_mm.

    Examples
    --------
    The voxel with the highest noise ceiling of a made-up truth; :func:`read_truth` reads that of a study:

    >>> import numpy as np
    >>> import pandas as pd
    >>> from brain2music.simulation.brain import Truth
    >>> table = pd.DataFrame({"roi": ["", "Heschl"], "ceiling": [0.1, 0.6]})
    >>> none = np.zeros((0, 0), np.float32)
    >>> truth = Truth(table, none, none, {}, {}, (), 50, {"simulated": True})
    >>> truth.table.loc[truth.table["ceiling"].idxmax(), "roi"]
    'Heschl'
    """

    table: pd.DataFrame
    weights: Float32[np.ndarray, "responsive features"]
    hrf: Float32[np.ndarray, "responsive steps"]
    noise: Mapping[str, np.ndarray]
    features: Mapping[str, Float32[np.ndarray, "frames features"]]
    feature_names: tuple[str, ...]
    rate: int
    settings: Mapping[str, Any]


def read_truth(root: str | Path, subject: str) -> Truth:
    """Read the ground truth of a subject of a simulated study.

    Parameters
    ----------
    root : str or Path
        Folder that :func:`simulate` wrote.
    subject : str
        Label of the subject, without ``sub-``.

    Returns
    -------
    Truth
        Voxels, weights, responses, noise and features.

    Raises
    ------
    InputError
        The folder is not a simulated study, or has no such subject.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.audio import write_audio
    >>> from brain2music.simulation.brain import StudyDesign, read_truth, simulate
    >>> rng = np.random.default_rng(0)
    >>> for genre in ("jazz", "rock"):
    ...     for number in range(13):
    ...         write_audio(f"music/{genre}/{number}.wav", rng.uniform(-0.1, 0.1, 8 * 8000), 8000)
    >>> design = StudyDesign(
    ...     train_runs=1, train_clips=20, test_runs=1, test_clips=5, repeats=4, resolution_mm=12.0, snr=1.0, clip_s=7.5
    ... )
    >>> simulate("study", design=design, stimuli="music", n_jobs=1)
    >>> truth = read_truth("study", "001")
    >>> float(truth.table["ceiling"].max()) > 0.5  # of a presentation, in the best voxel
    True
    """
    folder = Path(root) / FOLDER
    if not folder.is_dir():
        raise InputError("there is no truth here: this is not a simulated study", root, "see `brain2music simulate`")
    paths = _paths(Path(root), subject)
    arrays, settings = read_arrays(paths["weights"])
    features, about = read_arrays(folder / "features.safetensors")
    return Truth(
        table=pd.read_parquet(paths["table"]),
        weights=arrays.pop("weights"),
        hrf=arrays.pop("hrf"),
        noise=arrays,
        features={name: frames.astype(np.float32) for name, frames in features.items()},
        feature_names=tuple(about["names"]),
        rate=about["rate"],
        settings=settings,
    )


def write_features(root: Path, space: FeatureSpace) -> None:
    """Write the features of every clip, once per study."""
    frames = {clip.name: values.astype(np.float16) for clip, values in space.frames.items()}
    about = {"names": space.names, "rate": RATE, "simulated": True}
    write_arrays(root / FOLDER / "features.safetensors", frames, about)


def write_truth(root: Path, label: str, subject: SimulatedSubject, settings: Mapping[str, Any]) -> None:
    """Write the masks, regions, truth table, weights and ceilings of a subject."""
    paths, brain, noise, grey = _paths(root, label), subject.brain, subject.noise, subject.brain.grey
    for path in paths.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    table = _truth_table(subject)
    write_table(paths["table"], table[grey].reset_index(drop=True))
    arrays = {
        "weights": subject.tuning.weights,
        "hrf": subject.tuning.hrf @ hrf_basis(),
        "sd": noise.sd[grey],
        "ar1": noise.ar1[grey],
        "drift": noise.drift[grey],
        "physiology": noise.physiology[grey],
        "spontaneous": subject.tuning.spontaneous,
    }
    about = {**settings, "spontaneous_ar1": SPONTANEOUS_AR1, "simulated": True}
    write_arrays(paths["weights"], arrays, about)
    write_map(paths["brain"], np.ones(brain.n_voxels, np.int16), brain)
    write_map(paths["grey"], grey, brain)
    write_map(paths["dseg"], brain.region, brain)
    names = [region.name for region in REGIONS]
    write_table(paths["labels"], pd.DataFrame({"index": range(1, len(names) + 1), "name": names}))
    write_map(paths["ceiling"], table["ceiling_mean"].to_numpy(np.float32), brain)
    write_json(
        paths["ceiling"].with_name(paths["ceiling"].name.replace(".nii.gz", ".json")),
        _about_ceiling(subject),
    )


def _truth_table(subject: SimulatedSubject) -> pd.DataFrame:
    """The table over all voxels of the brain, in C order of the mask."""
    brain, tuning, responsive = subject.brain, subject.tuning, subject.tuning.voxels
    table = pd.DataFrame(np.argwhere(brain.mask), columns=["i", "j", "k"])
    table[["x", "y", "z"]] = brain.xyz
    table["roi"] = np.array(["", *(region.name for region in REGIONS)])[brain.region]
    table["family"] = "none"
    table.loc[responsive, "family"] = np.array(FAMILIES)[tuning.family]
    peak = (tuning.hrf @ hrf_basis()).argmax(1) / RATE + tuning.delay_s
    for column, values, elsewhere in (
        ("snr", tuning.snr, 0.0),
        ("delay_s", tuning.delay_s, np.nan),
        ("peak_s", peak, np.nan),
        ("ceiling", subject.ceiling(), 0.0),
        ("ceiling_mean", subject.ceiling(subject.repeats), 0.0),
    ):
        table[column] = np.float32(elsewhere)
        table.loc[responsive, column] = values.astype(np.float32)
    return table


def _about_ceiling(subject: SimulatedSubject) -> dict[str, Any]:
    what = f"scan-by-scan correlation of the noiseless response with the mean of {subject.repeats} test repeats"
    return {"Description": f"Simulated: planted {what}", "Simulated": True}


def _paths(root: Path, label: str) -> dict[str, Path]:
    folder, name = root / FOLDER / f"sub-{label}", f"sub-{label}"
    return {
        "brain": folder / "anat" / f"{name}_desc-brain_mask.nii.gz",
        "grey": folder / "anat" / f"{name}_label-GM_mask.nii.gz",
        "dseg": folder / "anat" / f"{name}_desc-simulated_dseg.nii.gz",
        "labels": folder / "anat" / f"{name}_desc-simulated_dseg.tsv",
        "table": folder / "func" / f"{name}_desc-simulated_truth.parquet",
        "weights": folder / "func" / f"{name}_desc-simulated_weights.safetensors",
        "ceiling": folder / "func" / f"{name}_stat-ceiling_desc-simulated_statmap.nii.gz",
    }
