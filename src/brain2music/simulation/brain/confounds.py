"""Confounds of a simulated run, as fMRIPrep would compute and name them.

Components are those of white matter after a high-pass filter, so they contain no slow drifts. Users of fMRIPrep also
regress out its ``cosine`` columns, which are these drifts.
"""

import numpy as np
import pandas as pd
from jaxtyping import Float, Float32, Int16

from ...brain.preprocess.motion_confounds import SLOWEST_S, slow_courses
from .brain import Brain


def simulate_confounds(
    scans: Int16[np.ndarray, "scans voxels"],
    brain: Brain,
    tr: float,
    motion: Float[np.ndarray, "scans 6"] | None = None,
) -> pd.DataFrame:
    """Compute five components of white matter (``a_comp_cor_*``) and drifts (``cosine*``), and add head motion."""
    courses = white_matter_courses(scans, brain, tr)
    columns = {f"a_comp_cor_{k:02d}": course for k, course in enumerate(courses.T)}
    columns |= {f"cosine{k:02d}": course for k, course in enumerate(slow_courses(len(scans), tr).T)}
    table = pd.DataFrame(columns)
    if motion is not None:
        table[["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]] = motion
    return table


def white_matter_courses(
    scans: Int16[np.ndarray, "scans voxels"], brain: Brain, tr: float, n: int = 5
) -> Float32[np.ndarray, "scans n"]:
    """Compute principal components of the voxels outside grey matter (aCompCor; Behzadi et al. 2007, NeuroImage 37:90).

    They contain the noise that the whole brain shares, and no responses to music.
    """
    from nilearn.signal import clean, high_variance_confounds

    white = scans[:, ~brain.grey].astype(np.float32)
    white = clean(white, detrend=False, standardize="zscore_sample", filter="cosine", high_pass=1 / SLOWEST_S, t_r=tr)
    return high_variance_confounds(white, n_confounds=n, percentile=100.0, detrend=False)
