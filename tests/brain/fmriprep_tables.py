"""Tables of confounds as fMRIPrep writes them, with known outliers, for tests."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

AXES = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")


def write_fmriprep_table(
    path: Path, n_scans: int, *, steady: Sequence[int] = (), moved: Sequence[int] = (), seed: int = 0
) -> pd.DataFrame:
    """Write a table and its JSON: motion in full, CompCor by three masks, cosines, and volumes that stand out.

    ``steady`` are volumes before the steady state, ``moved`` those with a framewise displacement of 2 mm.
    """
    rng = np.random.default_rng(seed)
    columns: dict[str, np.ndarray] = {}
    for name in AXES:
        values = rng.normal(0, 0.1, n_scans).cumsum()
        change = np.r_[np.nan, np.diff(values)]
        columns |= {name: values, f"{name}_derivative1": change, f"{name}_power2": values**2}
        columns[f"{name}_derivative1_power2"] = change**2
    for name in ("csf", "white_matter", "global_signal"):
        columns[name] = rng.normal(500, 5, n_scans)
    described = {}
    for number, (letter, mask) in enumerate([("c", "CSF"), ("w", "WM"), *[("a", "combined")] * 7]):
        name = f"{letter}_comp_cor_{max(number - 2, 0):02d}"
        columns[name] = rng.normal(size=n_scans)
        described[name] = {"Method": "aCompCor", "Mask": mask, "Retained": True}
    for number in range(2):
        columns[f"cosine{number:02d}"] = np.cos(np.pi * (number + 1) * (np.arange(n_scans) + 0.5) / n_scans)
    columns["framewise_displacement"] = np.r_[np.nan, np.full(n_scans - 1, 0.1)]
    columns["std_dvars"] = np.r_[np.nan, np.full(n_scans - 1, 1.0)]
    columns["framewise_displacement"][list(moved)] = 2.0
    for number, volume in enumerate(steady):
        columns[f"non_steady_state_outlier{number:02d}"] = (np.arange(n_scans) == volume).astype(float)
    table = pd.DataFrame(columns)
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    path.with_suffix(".json").write_text(json.dumps(described))
    return table
