"""The data class of a row of a table of events: a clip at its time in a run."""

from collections.abc import Callable
from dataclasses import dataclass

from .study import Clip

Lengths = Callable[[Clip], float | None]
"""Gives the duration in seconds of a clip's whole recording; None if the file is not available."""


@dataclass(frozen=True)
class Event:
    """A clip presented from ``onset`` for ``duration`` seconds of its run; ``line`` is its line in the table.

    ``measured`` : whether the end of the clip (for sections, also the start) comes from the times of the run.
    ``placed`` : whether the table says where in its recording the clip starts.
    """

    clip: Clip
    onset: float
    duration: float
    line: int
    measured: bool = False
    placed: bool = True

    @property
    def end(self) -> float:
        """Seconds of the run at which the clip ends."""
        return self.onset + self.duration
