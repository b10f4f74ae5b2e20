"""The data class of a problem of a study: what is wrong, where, and what to do about it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from .._utils.errors import InputError


@dataclass(frozen=True)
class Finding:
    """A problem of a study. An error prevents the study from being read or run; a warning does not.

    Attributes
    ----------
    severity : {"error", "warning"}
        Whether the study can be used.
    code : str
        The kind of problem ("tr-mismatch").
    file : Path or None
        The file in which it was found.
    what : str
        The problem, with the offending value.
    hint : str
        What to do about it.
    subject : str or None
        The only subject that the problem concerns, if any: an error then excludes the subject, not the study.

    See Also
    --------
    check_study : Finds all problems of a study.

    Examples
    --------
    >>> from brain2music.study import check_study
    >>> finding = check_study("no-such-folder")[0]
    >>> finding.severity, finding.code
    ('error', 'root-missing')
    >>> print(finding)
    error [root-missing] no-such-folder: there is no such folder. Name the folder of a BIDS study.
    """

    severity: Literal["error", "warning"]
    code: str
    file: Path | None
    what: str
    hint: str
    subject: str | None = None

    def as_error(self) -> InputError:
        """Convert the finding to the exception that reading raises.

        Returns
        -------
        InputError
            The exception.
        """
        return InputError(self.what, self.file, self.hint)

    def __str__(self) -> str:
        return f"{self.severity} [{self.code}] {self.as_error()}"


def error(code: str, file: Path | None, what: str, hint: str, subject: str | None = None) -> Finding:
    """Make a finding that prevents the study, or the one subject, from being used."""
    return Finding("error", code, file, what, hint, subject)


def warning(code: str, file: Path | None, what: str, hint: str, subject: str | None = None) -> Finding:
    """Make a finding that does not prevent the study from being used."""
    return Finding("warning", code, file, what, hint, subject)


def of_subject(findings: Iterable[Finding], subject: str) -> list[Finding]:
    """Mark the findings at a subject's own files (``sub-<label>_…``) as concerning that subject."""
    own = f"sub-{subject}_"
    return [
        replace(finding, subject=subject) if finding.file and finding.file.name.startswith(own) else finding
        for finding in findings
    ]


def add_row_faults(faults: Sequence[Finding], n_faulty: int, n_rows: int, findings: list[Finding]) -> None:
    """Add the faults of single rows of a table to the findings, as warnings if most rows are intact.

    If more than half of the ``n_rows`` are faulty, the faults stay errors; so does a recording outside the folder of
    stimuli.
    """
    for fault in faults:
        if 2 * n_faulty > n_rows or fault.code == "stimulus-outside":
            findings.append(fault)
        else:
            findings.append(replace(fault, severity="warning", what=f"{fault.what}; left out"))
