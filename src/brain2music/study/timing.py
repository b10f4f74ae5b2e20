"""Repetition times from sidecars, and whether headers and raw images agree with them."""

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from .entities import IMAGE, BidsFile
from .finding import Finding, error, warning
from .images import Header, read_header
from .run_files import RunFiles, merge_sidecars
from .study import Run

TOLERANCE = 1e-3
"""The largest difference between equal TRs, relative to the TR."""
PLAUSIBLE: tuple[float, float] = (0.1, 30.0)
"""The range of TRs in seconds: from the fastest inverse imaging to sparse sampling of long clips."""


def read_tr(run: RunFiles, header: Header | None, findings: list[Finding]) -> float:
    """Read the TR, in seconds, of the image that is read; NaN and a finding if no sidecar gives it.

    The sidecar takes precedence over the header, and that of a preprocessed image over that of the raw image, since
    the former may have been resampled in time. Its scans are then compared with those of the raw image, in number or
    in duration.
    """
    before = len(findings)
    raw = _stated(run.sidecars, findings)
    own = _stated(run.own_sidecars, findings)
    if raw is None and own is None and len(findings) == before:
        what = "no sidecar (bold.json) goes with this run"
        if run.sidecars:
            what = "the sidecar gives no RepetitionTime"
        file = run.sidecars[-1][-1].path if run.sidecars else run.anchor.path
        code = "tr-invalid" if run.sidecars else "sidecar-missing"
        findings.append(error(code, file, what, "give RepetitionTime in seconds in its bold.json"))
    if len(findings) > before and any(finding.severity == "error" for finding in findings[before:]):
        return math.nan
    tr = raw if own is None else own
    assert tr is not None
    if header is not None:
        _check_header(run, tr, header, findings, known=run.preprocessed and header.tr == 1)
        if run.preprocessed:
            _check_scans(run, raw or tr, tr, header, findings)
    return tr


def check_trs(runs: Sequence[Run], findings: list[Finding]) -> None:
    """Report runs whose TR differs from the first run of the subject, and subjects whose TR differs from the first's.

    The latter is a warning if the windows of sound of the study, whose step is the first TR, are whole scans of the
    other.
    """
    first: dict[str, Run] = {}
    hint = "analyse runs of different TR as studies of their own, or resample them"
    for run in runs:
        if not math.isfinite(run.tr):
            continue
        report, like = error, first.get(run.subject)
        if like is None:
            first[run.subject] = run
            like = next(iter(first.values()))
            scans = round(like.tr / run.tr)
            report = warning if scans and same_tr(like.tr, scans * run.tr) else error
        if not same_tr(run.tr, like.tr):
            what = f"the TR is {run.tr:g} s but that of {like.name} is {like.tr:g} s"
            findings.append(report("tr-differs", run.bold or run.events, what, hint))


def same_tr(one: float, other: float) -> bool:
    """Whether two TRs are equal except for rounding."""
    return abs(one - other) <= TOLERANCE * other


def _stated(levels: Sequence[Sequence[BidsFile]], findings: list[Finding]) -> float | None:
    """The TR in sidecars, of which the closest takes precedence; None if there is none, or with a finding."""
    merged: dict[str, Any] = {}
    source = Path()
    for level in levels:
        metadata_of = {file.path: merge_sidecars([file.path], findings) for file in level}
        values = {str(each["RepetitionTime"]) for each in metadata_of.values() if "RepetitionTime" in each}
        if len(values) > 1:
            names = ", ".join(path.name for path in metadata_of)
            what = f"several sidecars apply to the run equally and give RepetitionTime {' and '.join(sorted(values))}"
            hint = f"keep one of {names}"
            findings.append(error("sidecar-several", level[0].path, what, hint))
            return None
        for path, each in metadata_of.items():
            merged |= each
            source = path if {"RepetitionTime", "VolumeTiming"} & each.keys() else source
    tr = merged.get("RepetitionTime", _regular(merged.get("VolumeTiming")))
    if tr is None and "VolumeTiming" not in merged:
        return None
    if isinstance(tr, bool) or not isinstance(tr, int | float) or not 0 < tr < math.inf:
        what = "VolumeTiming is irregular" if tr is None else f"RepetitionTime is {tr!r}"
        findings.append(error("tr-invalid", source, what, "give the seconds between scans, over 0"))
        return None
    if not PLAUSIBLE[0] <= tr <= PLAUSIBLE[1]:
        what = f"RepetitionTime is {tr:g} s, which is no time between scans"
        hint = f"give it in seconds: {tr / 1000:g}, if these are milliseconds"
        findings.append(error("tr-invalid", source, what, hint if tr > 1 else "give it in seconds"))
        return None
    return float(tr)


def _regular(timing: Any) -> float | None:
    """The step of regular onsets of scans that begin at 0; None for others."""
    if not isinstance(timing, list) or len(timing) < 2 or not all(isinstance(each, int | float) for each in timing):
        return None
    steps = [later - earlier for earlier, later in pairwise(timing)]
    mean = (timing[-1] - timing[0]) / len(steps)
    regular = mean > 0 and all(same_tr(step, mean) for step in steps) and abs(timing[0]) <= TOLERANCE
    return mean if regular else None


def _check_header(run: RunFiles, tr: float, header: Header, findings: list[Finding], known: bool = False) -> None:
    """Compare a TR with the header: faults that programs are known to write are warnings, any others errors."""
    if header.tr is None or same_tr(header.tr, tr):
        return
    known = known or not PLAUSIBLE[0] <= header.tr <= PLAUSIBLE[1]
    of_raw = header.path == run.anchor.path
    file = ((of_raw and run.sidecars) or run.own_sidecars or run.sidecars)[-1][-1].path
    what = f"RepetitionTime is {tr:g} s but the header of {header.path.name} says {header.tr:g} s"
    if known:
        hint = "correct the header if other programs read it"
        findings.append(warning("tr-mismatch", file, f"{what}; the sidecar governs", hint))
    else:
        findings.append(error("tr-mismatch", file, what, "find out which is right and correct the other"))


def _check_scans(run: RunFiles, raw_tr: float, tr: float, header: Header, findings: list[Finding]) -> None:
    """Compare a preprocessed image with the raw one, in number of scans or, if resampled in time, in duration."""
    ignored: list[Finding] = []
    anchor = run.anchor
    raw = read_header(anchor.path, ignored) if anchor.extension in IMAGE and anchor.path.exists() else None
    resampled = not same_tr(tr, raw_tr)
    scans = f"{header.n_volumes} scans of {tr:g} s"
    if raw is None:
        if resampled:
            what = f"RepetitionTime is {tr:g} s but {raw_tr:g} s beside the raw image; the image's own sidecar governs"
            findings.append(warning("tr-resampled", header.path, what, "see that it was resampled in time"))
        return
    borne_out = header.tr is not None and same_tr(header.tr, raw_tr)
    _check_header(run, raw_tr, raw, findings, known=borne_out)
    before = f"{raw.n_volumes} scans of {raw_tr:g} s"
    gap = raw.n_volumes * raw_tr - header.n_volumes * tr
    if resampled and abs(gap) <= max(tr, raw_tr) and raw.n_volumes != header.n_volumes:
        what = f"the image was resampled in time: it has {scans}, the raw image {before}; its own sidecar governs"
        findings.append(warning("tr-resampled", header.path, what, "see that this was meant"))
    elif resampled:
        what = f"the preprocessed image has {scans} by its sidecar, but the raw image {before}"
        hint = "correct RepetitionTime in the sidecar that is wrong"
        findings.append(error("tr-mismatch", run.own_sidecars[-1][-1].path, what, hint))
    elif dropped := raw.n_volumes - header.n_volumes:
        few = f"{abs(dropped)} scans ({abs(gap):g} s) {'fewer' if dropped > 0 else 'more'} than the raw image"
        what = f"the preprocessed image has {scans}, {few} {anchor.path.name}, so events would be laid over other scans"
        hint = (
            "preprocess all scans of the run, or bring its events to the scans that are left and replace the raw image"
        )
        findings.append(error("volumes-differ", header.path, what, hint))
