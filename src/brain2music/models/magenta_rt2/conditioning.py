"""What a frame of Magenta RealTime 2 is conditioned on: 144 whole numbers.

They are 12 tokens of MusicCoCa, 128 pitches, drums, and the strengths of guidance by style, notes and drums, each plus
7, because the first 7 ids are reserved; -1 means unknown (magenta_rt/config.py of Google's repository).
"""

import numpy as np
from jaxtyping import Int32, Int64

from ..._utils.errors import InputError

N_STYLE, N_PITCHES = 12, 128
LENGTH = N_STYLE + N_PITCHES + 1 + 3
OFFSET = 7
_UNKNOWN = -1
LEAST_GUIDANCE, MOST_GUIDANCE = -1.0, 7.0
NOTES_GUIDANCE = DRUMS_GUIDANCE = 1.0


def conditioning_vector(
    tokens: Int32[np.ndarray, " levels"],
    guidance: float,
    drums: bool | None = None,
) -> Int64[np.ndarray, "1 1 144"]:
    """Numbers that condition a frame on a style, without notes.

    Parameters
    ----------
    tokens : ndarray of int32, of shape (levels,)
        Tokens of MusicCoCa; levels that are not given are unknown.
    guidance : float
        Strength of guidance by style, -1 to 7; the vendor's is 3.
    drums : bool, optional
        Whether there are drums; default unknown.

    Returns
    -------
    ndarray of int64, of shape (1, 1, 144)
        For the encoder.

    Raises
    ------
    InputError
        The guidance is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> vector = conditioning_vector(np.array([0, 1023], np.int32), 3.0)[0, 0]
    >>> vector[:3].tolist(), vector[12:14].tolist(), vector[-4:].tolist()
    ([7, 1030, 6], [6, 6], [6, 27, 17, 9])
    """
    if not LEAST_GUIDANCE <= guidance <= MOST_GUIDANCE:
        what = f"a guidance of {guidance:g} is none of magenta-rt2"
        raise InputError(what, hint=f"choose {LEAST_GUIDANCE:g} to {MOST_GUIDANCE:g}")
    values = np.full(LENGTH, _UNKNOWN, np.int64)
    values[: len(tokens)] = tokens
    values[N_STYLE + N_PITCHES] = _UNKNOWN if drums is None else int(drums)
    values[-3:] = _fine_code(guidance), _fine_code(NOTES_GUIDANCE), round(DRUMS_GUIDANCE + 1)
    return (values + OFFSET)[None, None]


def _fine_code(guidance: float) -> int:
    """Code of a strength in steps of 0.2, from -1."""
    return round((guidance + 1.0) / 0.2)
