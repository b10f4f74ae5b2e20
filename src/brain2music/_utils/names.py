"""Names that are safe as file names on every system, and distinct for distinct things."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping

LONGEST = 120
"""The most bytes of a name, so that suffixes and sidecars fit into the 255 of file systems."""
_UNSAFE = re.compile(r"[^\w.-]+")
_DIGITS = (8, 16, 64)


def safe_name(text: str) -> str:
    """Replace everything but letters (of any script), digits, dots, dashes and underscores by dashes.

    The result may be empty, and is not unique: use :func:`file_name` or :func:`unique_names` for distinct names.
    """
    return _UNSAFE.sub("-", unicodedata.normalize("NFC", text)).strip("-.")


def file_name(text: str) -> str:
    """Make a safe and distinct name for every text: the text itself if it is safe, else with a digest of it.

    Capital letters count as unsafe, as some file systems are not case-sensitive.
    """
    plain = safe_name(text)
    own = plain == text and plain == plain.lower() and len(plain.encode()) <= LONGEST
    return plain if own else _with_digest(plain, text, _DIGITS[0])


def unique_names(texts: Mapping[str, str]) -> dict[str, str]:
    """Make safe names that are distinct even if case and the composition of accents are ignored.

    Parameters
    ----------
    texts : dict of str to str
        The text for the name of each key, which identifies what is named.

    Returns
    -------
    dict of str to str
        The name of each key: the safe form of its text if it is unique; otherwise, or if it is empty or too long, that
        form with a digest of the key. Independent of the order.
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
