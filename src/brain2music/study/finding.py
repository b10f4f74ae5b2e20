"""One problem of a study: what is wrong, where, and how to mend it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import InputError


@dataclass(frozen=True)
class Finding:
    """A problem of a study. An error keeps the study from being read or run; a warning is read around.

    ``code`` names the kind ("tr-mismatch"), ``what`` the problem with its value, ``mend`` what to do.
    """

    severity: Literal["error", "warning"]
    code: str
    file: Path
    what: str
    mend: str

    def as_error(self) -> InputError:
        """The finding as the exception that reading raises."""
        return InputError(self.what, self.file, self.mend)

    def __str__(self) -> str:
        return f"{self.severity} [{self.code}] {self.as_error()}"


def error(code: str, file: Path, what: str, mend: str) -> Finding:
    """A finding that stops the study."""
    return Finding("error", code, file, what, mend)


def warning(code: str, file: Path, what: str, mend: str) -> Finding:
    """A finding that is read around."""
    return Finding("warning", code, file, what, mend)
