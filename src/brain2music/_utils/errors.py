"""Errors and warnings. Everything that a user can cause is an :class:`InputError`; anything else is a bug."""

import warnings
from pathlib import Path
from typing import Any


class Brain2MusicWarning(UserWarning):
    """Category of warnings about results that should be checked before they are trusted."""


class InputError(Exception):
    """Raised for invalid input; shown as one line on stderr, with exit code 1.

    Parameters
    ----------
    what : str
        What is wrong, with the offending value.
    file : path or None
        The file or folder where it was found.
    hint : str
        What to do next, as an imperative.
    """

    def __init__(self, what: str, file: str | Path | None = None, hint: str = "") -> None:
        self.what, self.file, self.hint = (
            what.rstrip("."),
            None if file is None else Path(file),
            hint.rstrip("."),
        )
        super().__init__(str(self))

    def __str__(self) -> str:
        where = f"{self.file}: " if self.file is not None else ""
        then = f". {self.hint[0].upper()}{self.hint[1:]}." if self.hint else "."
        return " ".join(f"{where}{self.what}{then}".split())


class LeakageError(InputError):
    """Raised if training and test data share what they must not share."""


def short_warnings() -> None:
    """Format the warnings of this package as one line on stderr from now on; others stay as they are."""
    library_format = warnings.formatwarning

    def one_line(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> str:
        if issubclass(category, Brain2MusicWarning):
            return f"warning: {message}\n"
        return library_format(message, category, *rest, **more)

    warnings.formatwarning = one_line
