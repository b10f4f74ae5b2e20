"""Confounds of fMRIPrep by the strategies of nilearn, and the volumes of a run that are left out of all fits."""

import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from .._utils.errors import Brain2MusicWarning, InputError
from ..config import PreprocessingConfig
from .clean import read_confounds

NEEDED = {
    "motion": ("trans_x", "rot_z"),
    "high_pass": ("cosine",),
    "wm_csf": ("csf", "white_matter"),
    "global_signal": ("global_signal",),
    "compcor": ("comp_cor",),
    "scrub": ("framewise_displacement", "std_dvars"),
}
"""Columns, or parts of their names, by which a table is told to have what a strategy reads."""


@dataclass(frozen=True)
class ConfoundStrategy:
    """Which confounds of fMRIPrep's table are read: the arguments of nilearn's ``load_confounds``, by its names."""

    strategy: tuple[str, ...] = ()
    motion: str = "basic"
    wm_csf: str = "basic"
    global_signal: str = "basic"
    compcor: str = "anat_combined"
    n_compcor: int | None = 5
    scrub: int = 5
    fd_threshold: float = 0.5
    std_dvars_threshold: float = 1.5

    @classmethod
    def of(cls, settings: PreprocessingConfig) -> "ConfoundStrategy":
        """Take the strategy of the settings of a run; what it does not use stays at its default."""
        names: set[str] = {name for name in settings.strategy if name != "high_pass"}
        parts = {"compcor": {"n_compcor"}, "scrub": {"fd_threshold", "std_dvars_threshold"}}
        names |= {part for name, others in parts.items() if name in names for part in others}
        return cls(tuple(settings.strategy), **{name: getattr(settings, name) for name in names})


@dataclass(frozen=True)
class LeftOut:
    """Volumes of a run that take no part in fits, and why.

    Attributes
    ----------
    non_steady_state : ndarray of bool of shape (scans,)
        Volumes that fMRIPrep marks as before the steady state of magnetisation.
    scrubbed : ndarray of bool of shape (scans,)
        Further volumes, for motion, or between those.
    """

    non_steady_state: Bool[np.ndarray, " scans"]
    scrubbed: Bool[np.ndarray, " scans"]

    @property
    def kept(self) -> Bool[np.ndarray, " scans"]:
        """The volumes that remain."""
        return ~(self.non_steady_state | self.scrubbed)

    @property
    def count(self) -> int:
        """How many are left out."""
        return int((~self.kept).sum())


def load_strategy(
    table: Path, how: ConfoundStrategy, n_scans: int
) -> tuple[Float[np.ndarray, "scans columns"], LeftOut]:
    """Load confounds and the volumes that remain by nilearn's ``load_confounds``.

    nilearn finds a table by the name of an image beside it. Ours was found before, maybe in another folder, so nilearn
    is shown it under the name of an image that does not exist, which it does not open.

    Parameters
    ----------
    table : the table of the run, with its JSON beside it where components of CompCor are asked for.
    how : what is loaded.
    n_scans : the number of rows that the table must have.

    Raises
    ------
    InputError
        The table lacks something that the strategy needs, or belongs to another run.
    """
    from nilearn.interfaces.fmriprep import load_confounds

    _require_table(table, n_scans)
    options = asdict(how) | {"n_compcor": "all" if how.n_compcor is None else how.n_compcor}
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of no volume left, which is said by ours
        linked = Path(name, "sub-x_task-x_desc-confounds_timeseries.tsv")
        linked.symlink_to(table.resolve())
        linked.with_suffix(".json").symlink_to(table.with_suffix(".json").resolve())
        image = str(linked.with_name("sub-x_task-x_desc-preproc_bold.nii.gz"))
        try:
            found, steady = load_confounds(image, demean=False, **options)  # a constant is fitted with them
            _, only_steady = load_confounds(image, strategy=())
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as problem:
            raise _unusable(table, how, problem) from None
    left_out = LeftOut(*_excluded(steady, only_steady, n_scans))
    if found is None or not found.shape[1]:
        return np.zeros((n_scans, 0)), left_out
    columns = found.to_numpy(dtype=np.float64)
    return _without_gaps(columns, list(found.columns), left_out.kept, table), left_out


def read_nuisance(
    table: Path, columns: Sequence[str], how: ConfoundStrategy, n_scans: int
) -> tuple[Float[np.ndarray, "scans columns"], LeftOut]:
    """Read the confounds of a run that are named one by one and those of a strategy, and the volumes that remain.

    Volumes that a table marks as non-steady-state are left out in either case.

    Raises
    ------
    InputError
        The table lacks a column, or belongs to another run.
    """
    named = read_confounds(table, columns, n_scans) if columns else np.zeros((n_scans, 0))
    if not how.strategy:
        return named, LeftOut(_marked(table, n_scans), np.zeros(n_scans, bool))
    loaded, left_out = load_strategy(table, how, n_scans)
    return np.column_stack([loaded, named]), left_out


def _marked(table: Path, n_scans: int) -> Bool[np.ndarray, " scans"]:
    """The volumes that a table marks as non-steady-state."""
    import pandas as pd

    marks = pd.read_csv(table, sep="\t", usecols=lambda name: name.startswith("non_steady_state"))
    return marks.ne(0).any(axis=1).to_numpy() if marks.shape[1] else np.zeros(n_scans, bool)


def _excluded(
    kept: np.ndarray | None, steady: np.ndarray | None, n_scans: int
) -> tuple[Bool[np.ndarray, " scans"], Bool[np.ndarray, " scans"]]:
    """The volumes before the steady state, and further ones; nilearn gives the indices of those that remain."""

    def gone(indices: np.ndarray | None) -> Bool[np.ndarray, " scans"]:
        out = np.full(n_scans, indices is not None)
        out[[] if indices is None else indices] = False
        return out

    before = gone(steady)
    return before, gone(kept) & ~before


def _without_gaps(
    columns: Float[np.ndarray, "scans columns"], names: list[str], kept: Bool[np.ndarray, " scans"], table: Path
) -> Float[np.ndarray, "scans columns"]:
    """Columns whose n/a are the mean of the others, which is said; those of volumes left out do not matter."""
    gaps = ~np.isfinite(columns)
    for column in np.flatnonzero(gaps[kept].any(axis=0)):
        missing = int(gaps[kept, column].sum())
        if missing == kept.sum():
            hint = "leave it out of the strategy, or write the table again"
            raise InputError(f"{names[column]} is n/a or infinite throughout", table, hint)
        text = f"{table}: {names[column]} is n/a or infinite at {missing} of {kept.sum()} volumes: its mean is taken"
        warnings.warn(text, Brain2MusicWarning, stacklevel=3)
    known = np.where(gaps | ~kept[:, None], 0.0, columns).sum(axis=0)
    mean = known / np.maximum((~gaps & kept[:, None]).sum(axis=0), 1)
    return np.where(gaps, mean, columns)


def _require_table(table: Path, n_scans: int) -> None:
    import pandas as pd

    try:
        rows = len(pd.read_csv(table, sep="\t", usecols=[0]))
    except FileNotFoundError:
        raise InputError("the confounds table is missing", table, "run fMRIPrep or ask for no confounds") from None
    except (ValueError, UnicodeDecodeError) as problem:
        raise InputError(f"this is not a readable table ({problem})", table, "write it again") from None
    if rows != n_scans:
        raise InputError(f"the table has {rows} rows for {n_scans} scans", table, "use the table of this run")


def _unusable(table: Path, how: ConfoundStrategy, problem: Exception) -> InputError:
    """Say what of the strategy the table has."""
    import pandas as pd

    names = list(pd.read_csv(table, sep="\t", nrows=0).columns)
    has_json = table.with_suffix(".json").is_file()
    has = [
        each
        for each, parts in NEEDED.items()
        if all(any(part in name for name in names) for part in parts) and (each != "compcor" or has_json)
    ]
    lacking = [each for each in how.strategy if each not in has]
    if not lacking:
        return InputError(f"nilearn cannot load {', '.join(how.strategy)}: {problem}", table, "see the table")
    what = f"the table lacks what {' and '.join(lacking)} of preprocessing.strategy read"
    if "compcor" in lacking and not has_json and any("comp_cor" in name for name in names):
        what += " (components of CompCor are described by the table's .json, which is missing)"
    rest = [each for each in how.strategy if each in has]
    hint = f"ask for what it has: preprocessing.strategy = {rest}, or name columns: preprocessing.confounds"
    return InputError(what, table, hint if rest else "name columns (preprocessing.confounds), or run fMRIPrep")
