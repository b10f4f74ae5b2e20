"""Checks of gaps in recordings that are to be filled."""

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ..._utils.errors import InputError

SHORTEST_GAP_S = 0.02
"""Shortest gap that can be filled, a latent frame or two."""
LEAST_KNOWN_S = 1.0
"""Seconds of a recording that have to remain, to go by."""


def check_gap(start_s: Any, stop_s: Any, samples: int, sample_rate: int, file: Path | None = None) -> tuple[int, int]:
    """Check a gap, and give its first sample and the one after its last.

    Parameters
    ----------
    start_s, stop_s : float
        The gap in seconds.
    samples, sample_rate : int
        Of the recording.
    file : Path, optional
        Its file, to be named in errors.

    Returns
    -------
    tuple of int
        First sample of the gap, and first after it.

    Raises
    ------
    InputError
        It is not inside the recording, has no length, or leaves too little to go by.

    Examples
    --------
    >>> check_gap(1.0, 2.0, 44100, 8820)
    (8820, 17640)
    """
    duration = samples / sample_rate
    for name, value in (("start", start_s), ("end", stop_s)):
        if not isinstance(value, int | float | np.number) or not math.isfinite(value):
            raise InputError(f"the {name} of the gap is {value!r}", file, "give seconds")
    first, last = round(float(start_s) * sample_rate), round(float(stop_s) * sample_rate)
    if first < 0 or last > samples + 1:
        what = f"the gap from {start_s:g} to {stop_s:g} s is not inside the recording of {duration:.2f} s"
        raise InputError(what, file, "check its start and end")
    last = min(last, samples)
    if (last - first) / sample_rate < SHORTEST_GAP_S:
        what = f"a gap from {start_s:g} to {stop_s:g} s has nothing to fill"
        raise InputError(what, file, f"let it end {SHORTEST_GAP_S:g} s after its start, or later")
    if (samples - (last - first)) / sample_rate < LEAST_KNOWN_S:
        left = (samples - (last - first)) / sample_rate
        what = f"the gap leaves {left:.2f} s of the recording to go by"
        raise InputError(what, file, f"leave {LEAST_KNOWN_S:g} s, or generate music")
    return first, last


def check_gaps(
    regions: Sequence[tuple[float, float]], samples: int, sample_rate: int, file: Path | None = None
) -> list[tuple[int, int]]:
    """Check several gaps, and give the first sample of each and the one after its last, in order.

    Parameters
    ----------
    regions : sequence of (float, float)
        Start and end of each gap in seconds.
    samples, sample_rate, file
        As for :func:`check_gap`.

    Returns
    -------
    list of (int, int)
        First sample of each gap, and first after it.

    Raises
    ------
    InputError
        There are none, two meet, one is not inside, or together they leave too little to go by.

    Examples
    --------
    >>> check_gaps([(3.0, 4.0), (1.0, 2.0)], 44100, 8820)
    [(8820, 17640), (26460, 35280)]
    """
    ordered = sorted(regions)
    if not ordered:
        raise InputError("there is no region to fill", file, "give its start and end in seconds")
    for (_, stop), (start, _) in pairwise(ordered):
        if start <= stop:
            raise InputError(f"two regions meet at {start:g} s", file, "give one that spans both")
    gaps = [check_gap(start, stop, samples, sample_rate, file) for start, stop in ordered]
    if (left := (samples - sum(last - first for first, last in gaps)) / sample_rate) < LEAST_KNOWN_S:
        raise InputError(f"the gaps leave {left:.2f} s of the recording to go by", file, f"leave {LEAST_KNOWN_S:g} s")
    return gaps
