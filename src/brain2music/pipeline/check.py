"""Findings of ``check``: those of reading a study and of the gate of its run, by their effect on the run."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from .._utils.errors import InputError
from ..brain.arrays import read_arrays_study
from ..brain.source import BidsSource, Source
from ..config import RunConfig
from ..study.finding import Finding, error, warning
from .gate import Level, judge, prepare_run
from .outputs import Outputs
from .quality import WHOLE, quality_table


def check_bids(
    root: Path,
    config: RunConfig,
    out: Path | None = None,
    named: Sequence[str] = (),
    galleries: Sequence[Path] = (),
    level: Level = "participant",
    stimuli: Path | None = None,
    derivatives: Path | None = None,
    verdicts: list[str] | None = None,
) -> list[Finding]:
    """All that a run of a BIDS study with these settings would refuse or read around.

    Parameters
    ----------
    out : where it would write; None leaves that out.
    named : labels of subjects that are asked for one by one.
    galleries, level : as for :func:`brain2music.pipeline.run`. stimuli, derivatives : as for
        :meth:`brain2music.brain.source.BidsSource.read`.
    verdicts : where the reliability of each sound subject is said in a line; None leaves it out, and saves the time of
        reading every image.
    """
    survey = BidsSource.survey(root, config, stimuli=stimuli, derivatives=derivatives, subjects=named)
    found, subjects = list(survey.findings), survey.study.subjects
    faulty = {finding.subject for finding in found if finding.severity == "error"}
    sound = [label for label in subjects if label not in faulty]
    if None not in faulty and sound:
        source = BidsSource(survey.study, config, derivatives).keep(sound)
        found += _gate(source, config, out, galleries, level)
        if verdicts is not None:
            found += check_quality(source, config, found, verdicts)
    return judge(list(dict.fromkeys(found)), subjects, bare_labels(named))


def check_arrays(
    path: Path,
    config: RunConfig,
    out: Path | None = None,
    named: Sequence[str] = (),
    galleries: Sequence[Path] = (),
    verdicts: list[str] | None = None,
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
    findings = _gate(source, config, out, galleries, "participant")
    if verdicts is not None:
        findings += check_quality(source, config, findings, verdicts)
    return judge(findings, source.subjects, labels)


def check_quality(
    source: Source, config: RunConfig, found: Sequence[Finding], verdicts: list[str]
) -> Iterator[Finding]:
    """Measure the reliability of every subject without errors; a warning for whatever is not good.

    Parameters
    ----------
    found : what was found before: subjects with errors are left out. verdicts : gets a line for each subject.
    """
    faulty = {finding.subject for finding in found if finding.severity == "error"}
    for subject in source.subjects if None not in faulty else ():
        if subject in faulty:
            continue
        lag = config.lag_in_scans(source.tr_of(subject)) if source.has_time else 0
        try:
            table = quality_table(source, subject, source.responses(subject, lag))
        except InputError as problem:
            yield error("responses-unusable", problem.file, problem.what, problem.hint, subject)
            continue
        for row in table.to_dict("records"):
            name = f"sub-{subject}" if row["run"] == WHOLE else row["run"]
            if row["run"] == WHOLE:
                verdicts.append(f"{name}: {row['verdict']}")
            if row["grade"] == "poor" or (row["grade"] == "fair" and row["run"] == WHOLE):
                hint = "see its images, events and lag; the page of a run has the measures of every run"
                yield warning("data-unreliable", source.path, f"{name} is {row['verdict']}", hint, subject)


def bare_labels(labels: Sequence[str]) -> list[str]:
    """Labels without ``sub-``."""
    return [label.removeprefix("sub-") for label in labels]


def _gate(
    source: Source, config: RunConfig, out: Path | None, galleries: Sequence[Path], level: Level
) -> list[Finding]:
    outputs = None if out is None else Outputs(out)
    return list(prepare_run(source, config, outputs, level=level, galleries=galleries).findings)
