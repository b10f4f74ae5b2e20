"""Confounds of a simulated run as fMRIPrep would find and name them.

Components are those of white matter without its slow drifts, so they say nothing of what is slow. fMRIPrep's users
regress out its ``cosine`` columns with them, which are these drifts.
"""

import numpy as np
import pandas as pd
from jaxtyping import Float, Float32, Int16

from .brain import Brain

SLOWEST_S = 128.0
"""fMRIPrep takes off what is slower before it looks for components."""


def confounds_table(
    scans: Int16[np.ndarray, "scans voxels"], brain: Brain, tr: float, moved: Float[np.ndarray, "scans 6"] | None = None
) -> pd.DataFrame:
    """Five components of white matter (``a_comp_cor_*``), drifts (``cosine*``), the head's movements where it moves."""
    courses = white_matter_courses(scans, brain, tr)
    columns = {f"a_comp_cor_{k:02d}": course for k, course in enumerate(courses.T)}
    columns |= {f"cosine{k:02d}": course for k, course in enumerate(slow_courses(len(scans), tr).T)}
    table = pd.DataFrame(columns)
    if moved is not None:
        table[["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]] = moved
    return table


def white_matter_courses(
    scans: Int16[np.ndarray, "scans voxels"], brain: Brain, tr: float, n: int = 5
) -> Float32[np.ndarray, "scans n"]:
    """The principal courses of the voxels that are not grey matter: what all of the brain shares, and no music.

    aCompCor (Behzadi et al. 2007, NeuroImage 37:90).
    """
    from nilearn.signal import clean, high_variance_confounds

    white = scans[:, ~brain.grey].astype(np.float32)
    white = clean(white, detrend=False, standardize="zscore_sample", filter="cosine", high_pass=1 / SLOWEST_S, t_r=tr)
    return high_variance_confounds(white, n_confounds=n, percentile=100.0, detrend=False)


def slow_courses(n_scans: int, tr: float) -> Float[np.ndarray, "scans cosines"]:
    """The drifts that components know nothing of: cosines of periods over 128 s."""
    from nilearn.glm.first_level.design_matrix import create_cosine_drift

    return create_cosine_drift(1 / SLOWEST_S, tr * np.arange(n_scans))[:, :-1]  # the last is the constant
