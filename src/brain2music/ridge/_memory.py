"""Memory that is free, given back to the system."""

import ctypes
import sys


def give_back() -> None:
    """Have glibc hand over what it keeps free; nothing happens where there is no glibc.

    It keeps what was freed in pieces of up to 32 MB, in case more are wanted. Where pieces of all sizes came and went,
    as they do while penalties are ruled out, large ones fit in none of the gaps: 0.8 GB lay idle beside 60,000 targets.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
