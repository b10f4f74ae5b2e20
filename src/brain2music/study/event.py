"""The noun of a table of events: a clip at its time in a run."""

from collections.abc import Callable
from dataclasses import dataclass

from .study import Clip

Lengths = Callable[[Clip], float | None]
"""Seconds of a clip's whole recording; None where it is not at hand."""


@dataclass(frozen=True)
class Event:
    """A clip presented from ``onset`` for ``duration`` seconds of its run; ``line`` is its line in the table.

    ``measured`` : the clip's end, and of sections its start, were taken from the times of the run. ``placed`` : the
    table says where in its recording the clip starts.
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
