"""Names that are safe as file names on every system, and stay apart where what they name is apart."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping

LONGEST = 120
"""Bytes that a name takes at most: suffixes and sidecars still fit into a file system's 255."""
_UNSAFE = re.compile(r"[^\w.-]+")
_DIGITS = (8, 16, 64)


def safe_name(text: str) -> str:
    """The text with a dash for whatever is no letter, digit, dot, dash or underscore; letters of any script stay.

    Not unique: use :func:`file_name` or :func:`unique_names` where two texts must not meet. "" where nothing of
    the text remains.
    """
    return _UNSAFE.sub("-", unicodedata.normalize("NFC", text)).strip("-.")


def file_name(text: str) -> str:
    """A safe name of its own for every text: the text itself where that is safe, else with a digest of it.

    Capital letters count as unsafe: there are file systems that do not tell them from small ones.
    """
    plain = safe_name(text)
    own = plain == text and plain == plain.lower() and len(plain.encode()) <= LONGEST
    return plain if own else _with_digest(plain, text, _DIGITS[0])


def unique_names(texts: Mapping[str, str]) -> dict[str, str]:
    """Safe names that stay apart, also where capitals or the composition of accents do not count.

    Parameters
    ----------
    texts : what is named (a key that tells it apart from all else) -> the text that its name is made of.

    Returns
    -------
    key -> name: the safe form of its text where no other has it; else, and where it is empty or too long, that form
    with a digest of the key. Depends on the set, not on its order.
    """
    safe = {key: safe_name(text) for key, text in texts.items()}
    for digits in _DIGITS:
        taken = Counter(_folded(name) for name in safe.values())
        crowded = [key for key, name in safe.items() if taken[_folded(name)] > 1 or not _fits(name)]
        if not crowded:
            break
        for key in crowded:
            safe[key] = _with_digest(safe_name(texts[key]), key, digits)
    return safe


def _fits(name: str) -> bool:
    return name != "" and len(name.encode()) <= LONGEST


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


def _with_digest(plain: str, text: str, digits: int) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:digits]
    room = plain.encode()[: LONGEST - digits - 1].decode(errors="ignore").rstrip("-.")
    return f"{room}-{digest}" if room else digest
