"""How a stage covers more time than its crop: what each window is given, already knows, and has to fill."""

from typing import NamedTuple

SECTION_S = 15.0
"""Story mode changes the prompt this often, and long music is made in strides of it (MusicLM, section 5)."""


class Window(NamedTuple):
    """Frames ``start`` to ``stop``, of which those before ``first`` are known; ``section`` of the story it is in."""

    start: int
    first: int
    stop: int
    section: int


def windows(total: int, crop: int, stride: int, known: int = 0, section: int | None = None) -> list[Window]:
    """Windows of at most ``crop`` frames, each continuing the one before, that fill frames ``known`` to ``total``.

    The first fills a crop; each later one advances by ``stride`` with the ``crop - stride`` frames before as its
    prefix. With ``section`` (frames), no window fills frames of two sections.
    """
    found, first = [], known
    while first < total:
        stop = min(total, max(first + stride, crop))
        if section is not None:
            stop = min(stop, (first // section + 1) * section)
        found.append(Window(max(0, stop - crop), first, stop, 0 if section is None else first // section))
        first = stop
    return found
