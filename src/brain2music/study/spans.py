"""The data class that says how pieces are cut: clips of one length at a step, and blocks with gaps."""

import math
from dataclasses import dataclass

from .._utils.errors import InputError

SLACK_S = 0.1
"""Seconds that a piece may lack of its last clip, as durations are logged."""


@dataclass(frozen=True)
class Cutting:
    """How pieces are cut into clips.

    Attributes
    ----------
    clip_s, step_s : float
        Seconds of a clip, and from one to the next.
    block_s, gap_s : float or None
        Seconds of a block of a piece, and between blocks; None where recordings are undivided.

    Raises
    ------
    InputError
        A block holds no clip.

    Examples
    --------
    >>> from brain2music.study import Cutting
    >>> cutting = Cutting(clip_s=15.0, step_s=15.0, block_s=30.0, gap_s=20.0)
    >>> print(cutting)
    clips of 15 s, in blocks of 30 s with 20 s between them
    >>> cutting.spans(0.0, 100.0)
    [(0, 0.0, 15.0), (0, 15.0, 30.0), (1, 50.0, 65.0), (1, 65.0, 80.0)]
    """

    clip_s: float
    step_s: float
    block_s: float | None = None
    gap_s: float | None = None

    def __post_init__(self) -> None:
        if self.block_s is not None and self.block_s < self.clip_s:
            what = f"blocks of {self.block_s:g} s hold no clip of {self.clip_s:g} s"
            raise InputError(what, hint="give a larger events.block_s or a smaller events.clip_s")

    def __str__(self) -> str:
        every = "" if self.step_s == self.clip_s else f" every {self.step_s:g} s"
        blocks = "" if self.block_s is None else f", in blocks of {self.block_s:g} s with {self.gap_s:g} s between them"
        return f"clips of {self.clip_s:g} s{every}{blocks}"

    def spans(self, start: float, end: float) -> list[tuple[int | None, float, float]]:
        """List the clips of a piece, or of an excerpt of it.

        Parameters
        ----------
        start, end : float
            Limits of what was presented, in seconds of the recording.

        Returns
        -------
        list of (int or None, float, float)
            Block, start and end of each clip, in seconds of the recording, from whose start blocks count.
        """
        found: list[tuple[int | None, float, float]] = []
        for block, first, last in self._parts(start, end):
            count = math.floor((last - first - self.clip_s) / self.step_s + 1e-6) + 1
            starts = (round(first + number * self.step_s, 6) for number in range(max(count, 0)))
            found += [(block, begin, round(begin + self.clip_s, 6)) for begin in starts]
        return found

    def _parts(self, start: float, end: float) -> list[tuple[int | None, float, float]]:
        """The blocks of an excerpt; a clip may lack a little where the excerpt ends, but reach into no gap."""
        whole = end + SLACK_S
        if self.block_s is None or self.gap_s is None:
            return [(None, start, whole)]
        period = self.block_s + self.gap_s
        numbers = range(math.floor(start / period), math.floor(end / period) + 1)
        parts = ((n, max(start, n * period), min(whole, n * period + self.block_s)) for n in numbers)
        return [(n, first, last) for n, first, last in parts if last > first]
