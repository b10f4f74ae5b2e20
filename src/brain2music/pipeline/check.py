"""Findings of ``check``: those of reading a study and of the gate of its run, by their effect on the run."""

from collections.abc import Sequence
from pathlib import Path

from .._utils.errors import InputError
from ..brain.arrays import read_arrays_study
from ..brain.source import BidsSource, Source
from ..config import RunConfig
from ..study.finding import Finding, error
from .gate import Level, judge, prepare_run
from .outputs import Outputs


def check_bids(
    root: Path,
    config: RunConfig,
    out: Path | None = None,
    named: Sequence[str] = (),
    galleries: Sequence[Path] = (),
    level: Level = "participant",
    stimuli: Path | None = None,
    derivatives: Path | None = None,
) -> list[Finding]:
    """All that a run of a BIDS study with these settings would refuse or read around.

    Parameters
    ----------
    out : where it would write; None leaves that out.
    named : labels of subjects that are asked for one by one.
    galleries, level : as for :func:`brain2music.pipeline.run`. stimuli, derivatives : as for
        :meth:`brain2music.brain.source.BidsSource.read`.
    """
    survey = BidsSource.survey(root, config, stimuli=stimuli, derivatives=derivatives, subjects=named)
    found, subjects = list(survey.findings), survey.study.subjects
    faulty = {finding.subject for finding in found if finding.severity == "error"}
    sound = [label for label in subjects if label not in faulty]
    if None not in faulty and sound:
        source = BidsSource(survey.study, config, derivatives).keep(sound)
        found += _gate(source, config, out, galleries, level)
    return judge(list(dict.fromkeys(found)), subjects, bare_labels(named))


def check_arrays(
    path: Path,
    config: RunConfig,
    out: Path | None = None,
    named: Sequence[str] = (),
    galleries: Sequence[Path] = (),
) -> list[Finding]:
    """List all that a run of a study of response arrays with these settings would refuse or leave out."""
    try:
        source = read_arrays_study(path)
    except InputError as problem:
        return [error("arrays-invalid", problem.file, problem.what, problem.hint)]
    labels = bare_labels(named)
    if unknown := [label for label in labels if label not in source.subjects]:
        hint = f"choose among {', '.join(source.subjects)}"
        return [error("subject-missing", path, f"there is no subject {unknown[0]}", hint)]
    source = source.keep(labels or source.subjects)
    return judge(_gate(source, config, out, galleries, "participant"), source.subjects, labels)


def bare_labels(labels: Sequence[str]) -> list[str]:
    """Labels without ``sub-``."""
    return [label.removeprefix("sub-") for label in labels]


def _gate(
    source: Source, config: RunConfig, out: Path | None, galleries: Sequence[Path], level: Level
) -> list[Finding]:
    outputs = None if out is None else Outputs(out)
    return list(prepare_run(source, config, outputs, level=level, galleries=galleries).findings)
