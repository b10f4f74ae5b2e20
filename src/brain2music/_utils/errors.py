"""Errors and warnings. Everything that a user can cause is an :class:`InputError`; anything else is a bug."""

import warnings
from pathlib import Path
from typing import Any


class Brain2MusicWarning(UserWarning):
    """Category of warnings about results that should be checked before they are trusted.

    Examples
    --------
    >>> import warnings
    >>> import brain2music as b2m
    >>> warnings.simplefilter("error", b2m.Brain2MusicWarning)  # stop at what would only be printed
    >>> issubclass(b2m.Brain2MusicWarning, UserWarning)
    True
    >>> warnings.simplefilter("default", b2m.Brain2MusicWarning)
    """


class InputError(Exception):
    """Error in what the user gave: what is wrong, in which file, and what to do about it.

    Commands show it as one line, and exit with code 1.

    Parameters
    ----------
    what : str
        What is wrong, with the offending value.
    file : str or Path, optional
        The file or folder in which it was found.
    hint : str, optional
        What to do next, as an imperative.

    Examples
    --------
    >>> import brain2music as b2m
    >>> try:
    ...     b2m.Decoder("lasso").fit([[0.0]], [[0.0]])
    ... except b2m.InputError as error:
    ...     print(error.what)
    there is no decoder 'lasso'
    >>> print(b2m.InputError("the recording is missing", "blues.wav", "put it there"))
    blues.wav: the recording is missing. Put it there.
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
        end = "" if self.hint.endswith("?") else "."
        then = f". {self.hint[0].upper()}{self.hint[1:]}{end}" if self.hint else "."
        return " ".join(f"{where}{self.what}{then}".split())


class LeakageError(InputError):
    """Error of training and test data that share what they must not share.

    Parameters
    ----------
    what : str
        What is shared.
    file : str or Path, optional
        The file or folder in which it was found.
    hint : str, optional
        What to do next, as an imperative.

    See Also
    --------
    brain2music.metrics.check_split : Finds everything that is shared.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> from brain2music.study import Clip
    >>> clips = tuple(Clip("blues.00001", 10.0 * i, 10.0 * i + 5.0) for i in range(4))  # four excerpts of one song
    >>> ones = np.ones(4, dtype=int)
    >>> bold = b2m.Responses("01", np.zeros((4, 1, 3), np.float32), clips, ones, tr=5.0, lag_tr=0, n_repeats=ones)
    >>> from sklearn.model_selection import KFold
    >>> try:
    ...     b2m.cross_validate(b2m.Decoder(), bold, np.zeros((4, 1, 2)), cv=KFold(2))
    ... except b2m.LeakageError as error:
    ...     print(error.what)
    a fold divides 1 recordings (or songs, artists, runs) between training and test
    """


def short_warnings() -> None:
    """Format the warnings of this package as one line on stderr from now on; others stay as they are."""
    library_format = warnings.formatwarning

    def one_line(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> str:
        if issubclass(category, Brain2MusicWarning):
            return f"warning: {message}\n"
        return library_format(message, category, *rest, **more)

    warnings.formatwarning = one_line
