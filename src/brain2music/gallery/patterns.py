"""Which tracks a user means: by id, by path, by name, or by a pattern with shell wildcards."""

import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from fnmatch import translate

import numpy as np
from jaxtyping import Bool

from ..audio.paths import shown


def matching(values: Sequence[str], patterns: Iterable[str]) -> tuple[Bool[np.ndarray, " n"], list[str]]:
    """Which values equal or match one of some patterns, and the patterns that no value matches; case does not count."""
    folded = [_plain(value).casefold() for value in values]
    mask, unmatched = np.zeros(len(folded), bool), []
    for pattern in patterns:
        plain = _plain(pattern).casefold()
        found = re.compile(translate(plain)).match
        hits = np.array([value == plain or found(value) is not None for value in folded], dtype=bool)
        mask |= hits
        if not hits.any():
            unmatched.append(pattern)
    return mask, unmatched


def matching_tracks(
    ids: Sequence[str], paths: Sequence[str], patterns: Iterable[str]
) -> tuple[Bool[np.ndarray, " n"], list[str]]:
    """Which tracks are meant, and the patterns that mean none.

    A pattern is a track's id, its path, a folder ("rock/"), or the end of one of these from a "/" on, such as the name
    of the file, with its suffix or without; or it matches one of these with wildcards. A path that exists is taken
    from the current folder too.
    """
    names = [
        {_plain(id_), _plain(path), _plain(os.path.splitext(path)[0])} for id_, path in zip(ids, paths, strict=True)
    ]
    given = list(patterns)
    wanted = [_wanted(pattern) for pattern in given]
    by_name: dict[str, list[int]] = {}
    for number, ways in enumerate(wanted):
        for name in ways:
            by_name.setdefault(name, []).append(number)
    wild = [(number, found) for number, ways in enumerate(wanted) if (found := _wild(ways)) is not None]
    mask, used = np.zeros(len(names), bool), set[int]()
    for row, known in enumerate(names if given else ()):
        hits = {number for name in known for end in _ends(name) for number in by_name.get(end, ())}
        hits |= {number for number, found in wild if any(found.match(name) for name in known)}
        mask[row] = bool(hits)
        used |= hits
    return mask, [pattern for number, pattern in enumerate(given) if number not in used]


def _wanted(pattern: str) -> set[str]:
    """What a pattern may be written as."""
    wanted = {_plain(pattern).removeprefix("./")}
    if pattern.endswith("/"):
        wanted = {f"{name}*" for name in wanted}
    if os.path.exists(pattern):
        below = "/*" if os.path.isdir(pattern) else ""
        wanted |= {_plain(place(pattern)) + below for place in (os.path.abspath, os.path.realpath)}
    return wanted


def _wild(wanted: Iterable[str]) -> re.Pattern[str] | None:
    """What matches those with wildcards, or their part after a "/"; None where there are none."""
    signs = [translate(name) for name in sorted(wanted) if any(sign in name for sign in "*?[")]
    return re.compile(f"(?s:.*/)?(?:{'|'.join(signs)})") if signs else None


def _ends(name: str) -> Iterable[str]:
    """The name, and what follows each of its "/"."""
    yield name
    for place, sign in enumerate(name):
        if sign == "/":
            yield name[place + 1 :]


def _plain(text: str) -> str:
    """As it can be typed: accents composed, bytes that are not UTF-8 as they are shown."""
    return unicodedata.normalize("NFC", shown(text))
