"""Volumes of a study that take no part (scrubbed, non-steady-state), and clips of whose response too few remain.

A response is made from the scans that a clip covers, shifted by the lag. Where at least a given part of them remains,
those left out are interpolated between the others; where less does, the presentation is left out as if it had not been.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .._utils.errors import InputError
from ..config import RunConfig
from ..study.finding import Finding, error, warning
from ..study.study import Presentation, Run, Study
from .cleaned_runs import Cleaning, require_spare
from .confound_strategy import LeftOut, read_nuisance

HINT = "scrub less (preprocessing.fd_threshold, least_kept), or leave the subject out"


@dataclass(frozen=True)
class RunLosses:
    """What a run lost: volumes, by the reason, and presentations of clips."""

    run: Run
    volumes: LeftOut
    presentations: int

    def __str__(self) -> str:
        clips = f" and {self.presentations} clips" if self.presentations else ""
        return f"{self.run.name.partition('_')[2]} {self.volumes.count}{clips}"


def leave_out(
    study: Study, config: RunConfig, derivatives: Path | None = None
) -> tuple[Study, tuple[RunLosses, ...], list[Finding]]:
    """Leave out presentations of whose responses too few volumes remain.

    Returns
    -------
    study : without these presentations; losses : of every run that lost volumes; findings : one line for the study,
    and an error for each subject without a clip of a split that it had. A table that cannot be read is no finding of
    this, as whatever reads the run names it.
    """
    losses: list[RunLosses] = []
    runs = [_without_lost(run, study, config, derivatives, losses) for run in study.runs]
    findings = [*_emptied(study.runs, runs), *_summary(losses)]
    return replace(study, runs=tuple(runs)), tuple(losses), findings


def left_out_of(
    run: Run, study: Study, config: RunConfig, derivatives: Path | None = None
) -> tuple[np.ndarray, LeftOut] | None:
    """Read a run's confounds and the volumes that take no part; None where no table is read, or it is not legible."""
    how = Cleaning.of(config.preprocessing)
    if run.bold is None or run.n_volumes is None or not how.reads_table:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # which are said as the run is read
            table = how.table(study, run, derivatives)
            assert table is not None
            return read_nuisance(table, how.confounds, how.strategy, run.n_volumes)
    except (InputError, OSError):
        return None


def _without_lost(run: Run, study: Study, config: RunConfig, derivatives: Path | None, losses: list[RunLosses]) -> Run:
    """The run without presentations of which too few volumes remain; what it lost is appended."""
    found = left_out_of(run, study, config, derivatives)
    if found is None or not found[1].count:
        return run
    kept = found[1].kept
    try:
        require_spare(Cleaning.of(config.preprocessing), found[0], kept, run.tr, run.events)
    except InputError:
        kept = np.zeros_like(kept)  # nothing of the run can be used
    lag = config.lag_in_scans(run.tr)
    presentations = tuple(
        each
        for each in run.presentations
        if each.carry_in or _kept_share(each, kept, lag) >= config.preprocessing.least_kept
    )
    losses.append(RunLosses(run, found[1], len(run.presentations) - len(presentations)))
    return replace(run, presentations=presentations)


def _kept_share(presentation: Presentation, kept: np.ndarray, lag: int) -> float:
    """Part of the scans of a response that remains; past the end of the run the last scan stands for those missing."""
    scans = np.minimum(np.array(presentation.volumes, int) + lag, len(kept) - 1)
    return float(kept[scans].mean()) if len(scans) else 0.0


def _emptied(before: Sequence[Run], after: Sequence[Run]) -> list[Finding]:
    """Errors of subjects who lost all clips of a split."""
    found = []
    for subject, split in dict.fromkeys((run.subject, run.split) for run in before):
        had, has = (
            any(
                not each.carry_in
                for run in runs
                if (run.subject, run.split) == (subject, split)
                for each in run.presentations
            )
            for runs in (before, after)
        )
        if had and not has:
            what = f"too few volumes remain of the response to every {split} clip of sub-{subject}"
            found.append(error("volumes-left-out", None, what, HINT, subject))
    return found


def _summary(losses: Sequence[RunLosses]) -> list[Finding]:
    """One line for all runs, subject by subject."""
    if not losses:
        return []
    said = []
    for subject in dict.fromkeys(each.run.subject for each in losses):
        own = [each for each in losses if each.run.subject == subject]
        steady, scrubbed = (sum(int(getattr(each.volumes, name).sum()) for each in own) for name in REASONS)
        said.append(f"sub-{subject} {steady} + {scrubbed} ({', '.join(map(str, own))})")
    what = f"volumes take no part, non-steady-state + scrubbed: {'; '.join(said)}"
    lost = sum(each.presentations for each in losses)
    hint = "where at least preprocessing.least_kept of those of a clip remain, the others are interpolated"
    hint += f"; {lost} presentations with fewer are left out" if lost else ""
    return [warning("volumes-left-out", None, what, hint)]


REASONS = ("non_steady_state", "scrubbed")
"""Why volumes are left out."""
