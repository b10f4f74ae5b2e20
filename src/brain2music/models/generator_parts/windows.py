"""Windows with which a stage covers more time than its crop."""

from typing import NamedTuple

SECTION_S = 15.0
"""Story mode changes the prompt this often, and long music is made in strides of it (MusicLM, section 5)."""


class Window(NamedTuple):
    """A window of frames ``start`` to ``stop``, known before ``first``, in a ``section`` of the story."""

    start: int
    first: int
    stop: int
    section: int


def windows(total: int, crop: int, stride: int, known: int = 0, section: int | None = None) -> list[Window]:
    """Windows of at most ``crop`` frames that fill frames ``known`` to ``total``, each continuing the one before.

    The first fills a crop; each later one advances by ``stride`` with the ``crop - stride`` frames before as its
    prefix. With ``section`` (frames), no window fills frames of two sections.
    """
    result, first = [], known
    while first < total:
        stop = min(total, max(first + stride, crop))
        if section is not None:
            stop = min(stop, (first // section + 1) * section)
        result.append(Window(max(0, stop - crop), first, stop, 0 if section is None else first // section))
        first = stop
    return result
