"""Selection of tracks by id, path or name, or by patterns with shell wildcards."""

import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from fnmatch import translate

import numpy as np
from jaxtyping import Bool

from ..audio.paths import as_text


def matching(values: Sequence[str], patterns: Iterable[str]) -> tuple[Bool[np.ndarray, " n"], list[str]]:
    """Mark values that match one of several patterns, regardless of case; also returns patterns without any match."""
    folded = [_typed_form(value).casefold() for value in values]
    mask, unmatched = np.zeros(len(folded), bool), []
    for pattern in patterns:
        plain = _typed_form(pattern).casefold()
        found = re.compile(translate(plain)).match
        hits = np.array([value == plain or found(value) is not None for value in folded], dtype=bool)
        mask |= hits
        if not hits.any():
            unmatched.append(pattern)
    return mask, unmatched


def matching_tracks(
    ids: Sequence[str], paths: Sequence[str], patterns: Iterable[str]
) -> tuple[Bool[np.ndarray, " n"], list[str]]:
    """Mark tracks that match one of several patterns; also returns patterns without any match.

    A pattern is the id of a track, its path, a folder ("rock/"), or the end of one of these after a "/", such as the
    name of the file, with or without suffix; or it matches one of these with wildcards. A path that exists may also be
    relative to the current folder.
    """
    names = [
        {_typed_form(id_), _typed_form(path), _typed_form(os.path.splitext(path)[0])}
        for id_, path in zip(ids, paths, strict=True)
    ]
    listed = list(patterns)
    forms_of = [_spellings(pattern) for pattern in listed]
    by_name: dict[str, list[int]] = {}
    for number, forms in enumerate(forms_of):
        for name in forms:
            by_name.setdefault(name, []).append(number)
    wild = [(number, found) for number, forms in enumerate(forms_of) if (found := _wild(forms)) is not None]
    mask, used = np.zeros(len(names), bool), set[int]()
    for row, names_of_track in enumerate(names if listed else ()):
        hits = {number for name in names_of_track for end in _ends(name) for number in by_name.get(end, ())}
        hits |= {number for number, found in wild if any(found.match(name) for name in names_of_track)}
        mask[row] = bool(hits)
        used |= hits
    return mask, [pattern for number, pattern in enumerate(listed) if number not in used]


def _spellings(pattern: str) -> set[str]:
    """The forms in which a pattern may be written."""
    forms = {_typed_form(pattern).removeprefix("./")}
    if pattern.endswith("/"):
        forms = {f"{name}*" for name in forms}
    if os.path.exists(pattern):
        below = "/*" if os.path.isdir(pattern) else ""
        forms |= {_typed_form(absolute(pattern)) + below for absolute in (os.path.abspath, os.path.realpath)}
    return forms


def _wild(forms: Iterable[str]) -> re.Pattern[str] | None:
    """A regular expression of the forms with wildcards, also after a "/"; None if there are none."""
    expressions = [translate(name) for name in sorted(forms) if any(sign in name for sign in "*?[")]
    return re.compile(f"(?s:.*/)?(?:{'|'.join(expressions)})") if expressions else None


def _ends(name: str) -> Iterable[str]:
    """A name, and its parts after each "/"."""
    yield name
    for place, sign in enumerate(name):
        if sign == "/":
            yield name[place + 1 :]


def _typed_form(text: str) -> str:
    """Normalise a text as it can be typed: accents composed, bytes that are not UTF-8 escaped."""
    return unicodedata.normalize("NFC", as_text(text))
