"""Checks of whether a text encoder knows the words of a text, as its vectors would be meaningless otherwise.

An encoder embeds any text: words that it does not know all become the same token, letters of a script that is rare in
its training data become letters instead of words, and long texts are truncated. None of that shows in the vector.
"""

import re
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

from .._utils.errors import Brain2MusicWarning, InputError

_SHOWN = 5
_INSIDE = re.compile(r"[/,;|()\[\]–—-]+")
_NEGATION = re.compile(r"\b(?:no(?!\s+wave\b|\.)|without|not|never|lacking|minus|free of)\s+[\w'-]+", re.IGNORECASE)


class Coverage(NamedTuple):
    """The words of a text that an encoder knows and does not know, and where the text is truncated, if it is."""

    known: list[str]
    unknown: list[str]
    truncated: list[str]


def require_known(
    texts: Sequence[str],
    tokens_of: Callable[[str], Sequence[str]],
    unknown: str | None,
    longest: int,
    english: bool = True,
) -> None:
    """Refuse texts without any known word, and warn of unknown words, truncation and negation.

    Parameters
    ----------
    texts : sequence of str
    tokens_of : callable
        Gives the tokens of a word.
    unknown : str or None
        The token of unknown words; None if there is none.
    longest : int
        The most tokens of a text, without special tokens; what follows is truncated.
    english : bool
        Whether the encoder was trained on English only, so that words in other scripts than Latin are unknown.

    Raises
    ------
    InputError
        If no word of a text is known, or it has none.
    """
    tokens_of = cache(tokens_of)
    found = [_coverage(text, tokens_of, unknown, longest, english) for text in texts]
    for number, (text, coverage) in enumerate(zip(texts, found, strict=True), start=1):
        if not coverage.known:
            which = f"text {number} of {len(texts)}" if len(texts) > 1 else "the text"
            what = f"no word of {which} is known: {_quoted(coverage.unknown) or repr(text[:40])}"
            raise InputError(what, hint="describe the music in English words" if english else "describe it in words")
    _warn_of_words("not known to the text encoder, and left out", [coverage.unknown for coverage in found])
    _warn_of_words("too long for the text encoder, and cut from", [coverage.truncated for coverage in found])
    negated = [_NEGATION.findall(text) for text in texts]
    _warn_of_words("the text encoder does not understand negation: say what there is, not", negated)


def require_known_to(tokeniser: Any, texts: Sequence[str], longest: int, english: bool = True) -> None:
    """Check texts as :func:`require_known`, using a tokeniser of transformers; ``longest`` includes special tokens."""
    longest -= tokeniser.num_special_tokens_to_add()
    require_known(texts, tokeniser.tokenize, tokeniser.unk_token, longest, english)


def _coverage(
    text: str, tokens_of: Callable[[str], Sequence[str]], unknown: str | None, longest: int, english: bool
) -> Coverage:
    coverage, length = Coverage([], [], []), 0
    words = text.split()
    for place, word in enumerate(words):
        length += len(tokens_of(word))
        if length > longest:
            coverage.truncated.append(f"{' '.join(words[place : place + 3])} (word {place + 1} of {len(words)})")
            break
        for part in _INSIDE.split(word):
            if unknown in tokens_of(part) or (english and _is_foreign(part)):
                coverage.unknown.append(part)
            elif tokens_of(part) and any(_is_meaningful(sign) for sign in part):
                coverage.known.append(part)
    return coverage


def _is_foreign(word: str) -> bool:
    """Whether a word has letters of another script than Latin."""
    return any(sign.isalpha() and "LATIN" not in unicodedata.name(sign, "LATIN") for sign in word)


def _is_meaningful(sign: str) -> bool:
    """Whether a character is a letter, a digit or a symbol, not punctuation, space or invisible."""
    return unicodedata.category(sign)[0] in "LN" or unicodedata.category(sign) == "So"


def _warn_of_words(what: str, words: list[list[str]]) -> None:
    some = [each for each in words if each]
    if not some:
        return
    where = f"in {len(some)} of {len(words)} texts, " if len(words) > 1 else ""
    shown = _quoted([word for each in some for word in each])
    warnings.warn(f"{where}{what}: {shown}", Brain2MusicWarning, stacklevel=4)


def _quoted(words: Sequence[str]) -> str:
    different = list(dict.fromkeys(words))
    rest = f" and {len(different) - _SHOWN} more" if len(different) > _SHOWN else ""
    return ", ".join(repr(word[:60]) for word in different[:_SHOWN]) + rest
