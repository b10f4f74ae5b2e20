"""The table of confounds of a run, with the names of fMRIPrep, and what its columns mean."""

import numpy as np
import pandas as pd
from jaxtyping import Float

from .rigid import HEAD_RADIUS_MM, framewise_displacement

AXES = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
SLOWEST_S = 128.0
"""Cut-off period of fMRIPrep's high-pass filter."""

DESCRIPTIONS = {
    "trans_x": {
        "Description": "Movement of the head from the subject's first volume, to the right",
        "Units": "mm",
    },
    "trans_y": {"Description": "The same, to the front", "Units": "mm"},
    "trans_z": {"Description": "The same, upwards", "Units": "mm"},
    "rot_x": {
        "Description": "Rotation about x through the centre of the brain; x, y, z in turn",
        "Units": "rad",
    },
    "rot_y": {"Description": "The same, about y", "Units": "rad"},
    "rot_z": {"Description": "The same, about z", "Units": "rad"},
    "framewise_displacement": {
        "Description": f"Power et al. 2012, on a sphere of {HEAD_RADIUS_MM:g} mm",
        "Units": "mm",
    },
    "dvars": {"Description": "RMS change from the scan before in the brain (median 1000), after correction"},
    "dvars_uncorrected": {"Description": "The same, in the raw image"},
    "global_signal": {"Description": "Mean over the brain, after correction"},
    "similarity": {"Description": "Correlation of the scan with the first volume, once aligned"},
}
"""What is said of columns; those with suffixes are named by fMRIPrep's rule."""


def confounds_of(
    parameters: Float[np.ndarray, "scans 6"],
    tr: float,
    dvars: Float[np.ndarray, " scans"],
    dvars_uncorrected: Float[np.ndarray, " scans"],
    global_signal: Float[np.ndarray, " scans"],
    similarity: Float[np.ndarray, " scans"],
) -> pd.DataFrame:
    """Make the table: motion with its derivatives and squares (24 columns), displacement, changes, slow cosines."""
    columns: dict[str, np.ndarray] = {}
    for name, values in zip(AXES, parameters.T, strict=True):
        change = np.concatenate([[np.nan], np.diff(values)])
        columns |= {name: values, f"{name}_derivative1": change}
        columns |= {f"{name}_derivative1_power2": change**2, f"{name}_power2": values**2}
    columns["framewise_displacement"] = framewise_displacement(parameters)
    columns |= {"dvars": dvars, "dvars_uncorrected": dvars_uncorrected}
    columns |= {"global_signal": global_signal, "similarity": similarity}
    for number, cosine in enumerate(slow_courses(len(parameters), tr).T):
        columns[f"cosine{number:02d}"] = cosine
    return pd.DataFrame(columns)


def slow_courses(n_scans: int, tr: float) -> Float[np.ndarray, "scans cosines"]:
    """Compute the drifts that components do not contain: cosines of periods over 128 s."""
    from nilearn.glm.first_level.design_matrix import create_cosine_drift

    return create_cosine_drift(1 / SLOWEST_S, tr * np.arange(n_scans))[:, :-1]  # the last is the constant
