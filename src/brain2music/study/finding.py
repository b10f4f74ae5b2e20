"""One problem of a study: what is wrong, where, and what to do about it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from .._utils.errors import InputError


@dataclass(frozen=True)
class Finding:
    """A problem of a study. An error keeps the study from being read or run; a warning is read around.

    ``code`` names the kind ("tr-mismatch"), ``what`` the problem with its value, ``hint`` what to do. ``subject`` is
    set where the problem concerns that subject alone: an error then costs the subject, not the study.
    """

    severity: Literal["error", "warning"]
    code: str
    file: Path | None
    what: str
    hint: str
    subject: str | None = None

    def as_error(self) -> InputError:
        """The finding as the exception that reading raises."""
        return InputError(self.what, self.file, self.hint)

    def __str__(self) -> str:
        return f"{self.severity} [{self.code}] {self.as_error()}"


def error(code: str, file: Path | None, what: str, hint: str, subject: str | None = None) -> Finding:
    """A finding that stops the study, or the one subject."""
    return Finding("error", code, file, what, hint, subject)


def warning(code: str, file: Path | None, what: str, hint: str, subject: str | None = None) -> Finding:
    """A finding that is read around."""
    return Finding("warning", code, file, what, hint, subject)


def of_subject(findings: Iterable[Finding], subject: str) -> list[Finding]:
    """The findings, those at the subject's own files (``sub-<label>_…``) marked as the subject's."""
    own = f"sub-{subject}_"
    return [
        replace(finding, subject=subject) if finding.file and finding.file.name.startswith(own) else finding
        for finding in findings
    ]


def settle_faults(faults: Sequence[Finding], lost: int, of: int, findings: list[Finding]) -> None:
    """Add what is wrong with single rows of a table, ``lost`` of the ``of`` that count.

    A row at fault costs that row: a warning. Where most rows are at fault the table is, and they stay errors; so
    does a recording outside the folder of stimuli.
    """
    for fault in faults:
        if 2 * lost > of or fault.code == "stimulus-outside":
            findings.append(fault)
        else:
            findings.append(replace(fault, severity="warning", what=f"{fault.what}; left out"))
