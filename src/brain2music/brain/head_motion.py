"""Head motion of the runs that are read, from the tables of confounds beside preprocessed images."""

import numpy as np
import pandas as pd

from .._utils.errors import InputError
from ..study.confounds import confounds_table
from ..study.study import Run, Study

MOVEMENT = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
OTHERS = ("framewise_displacement", "dvars", "dvars_uncorrected")
"""Further columns: the last is ours, NaN in tables of fMRIPrep."""


def read_motion(study: Study, subject: str) -> pd.DataFrame | None:
    """Read how the head of a subject moved: a row per run and scan; None where no table says so.

    Columns are ``run``, ``scan``, the six of motion (mm, radians), ``framewise_displacement`` (mm), ``dvars`` and, of
    images that brain2music corrected, ``dvars_uncorrected``. Tables of raw images are not read.
    """
    if study.images is None or study.images.kind == "raw":
        return None
    tables = [table for run in study.runs_of(subject) if (table := _motion_of(study, run)) is not None]
    return pd.concat(tables, ignore_index=True) if tables else None


def _motion_of(study: Study, run: Run) -> pd.DataFrame | None:
    """The motion of one run; None where its table is missing, or lacks motion."""
    if run.bold is None:
        return None
    try:
        table = pd.read_csv(confounds_table(study, run), sep="\t", na_values="n/a")
    except (InputError, OSError, ValueError):
        return None
    if not {*MOVEMENT, OTHERS[0]} <= set(table.columns):
        return None
    kept = table.reindex(columns=[*MOVEMENT, *OTHERS]).apply(pd.to_numeric, errors="coerce").astype(float)
    kept.insert(0, "run", run.name)
    kept.insert(1, "scan", np.arange(len(kept)))
    return kept
