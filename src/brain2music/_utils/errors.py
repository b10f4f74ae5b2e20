"""What users are told. Everything a user can cause is an :class:`InputError`; anything else is our own bug."""

import warnings
from pathlib import Path
from typing import Any


class Brain2MusicWarning(UserWarning):
    """A result that is computed but should be looked at before it is believed."""


class InputError(Exception):
    """The input is at fault. Shown as one line on stderr, exit code 1.

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
    """Training and test data share something they must not share."""


def short_warnings() -> None:
    """Show our own warnings as one line on stderr, from now on; those of libraries stay as they are."""
    library_format = warnings.formatwarning

    def one_line(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> str:
        if issubclass(category, Brain2MusicWarning):
            return f"warning: {message}\n"
        return library_format(message, category, *rest, **more)

    warnings.formatwarning = one_line
