"""Search for the table of confounds of a run, under the newer and older names of fMRIPrep."""

from collections.abc import Sequence
from pathlib import Path

from .._utils.errors import InputError
from .entities import DERIVED, BidsFile, parse_name
from .index import index_derivatives
from .study import Run, Study

KINDS = ("timeseries", "regressors", "confounds")
"""Suffixes of the tables, newest first: ``desc-confounds_timeseries.tsv`` since fMRIPrep 20.2,
``desc-confounds_regressors.tsv`` since 1.2, ``bold_confounds.tsv`` before."""


def confounds_table(study: Study, run: Run, derivatives: Path | None = None) -> Path:
    """Find fMRIPrep's table of confounds of a run.

    The table has the entities of the run's image except space and description. It is searched for beside the image,
    then in ``derivatives``, by default anywhere in the derivatives of the study.

    Raises
    ------
    InputError
        If there is no table, or several are equally close.
    """
    assert run.bold is not None
    image = parse_name(run.bold)
    assert image is not None
    folders = [run.bold.parent, *([derivatives] if derivatives else [study.root / "derivatives"])]
    for folder in folders:
        found = _closest(_tables(folder, run.subject), image)
        if len(found) > 1:
            listed = ", ".join(str(file.path) for file in found)
            raise InputError(f"the run has several tables of confounds: {listed}", run.bold, "name their folder")
        if found:
            return found[0].path
    expected = f"{run.name}_desc-confounds_timeseries.tsv"
    hint = "run fMRIPrep, name its folder with --derivatives, or ask for no confounds"
    raise InputError(f"the confounds table {expected} is missing beside the image and in derivatives", run.bold, hint)


def _tables(folder: Path, subject: str) -> list[BidsFile]:
    if not folder.is_dir():
        return []
    files = index_derivatives(folder, [subject])
    return [file for file in files if file.extension == ".tsv" and _kind(file) is not None]


def _kind(file: BidsFile) -> int | None:
    named = file.suffix == "confounds" or file.plain.get("desc") == "confounds"
    return KINDS.index(file.suffix) if named and file.suffix in KINDS else None


def _closest(tables: Sequence[BidsFile], image: BidsFile) -> list[BidsFile]:
    """The tables of the run that share the most entities with the image, of the newest kind."""
    own = [file for file in tables if file.key == image.key and file.is_within(image, besides=DERIVED)]
    if not own:
        return []
    ranks = {file.path: (-len(file.entities), _kind(file)) for file in own}
    best = min(ranks.values())
    return [file for file in own if ranks[file.path] == best]
