"""What of a text its encoder knows, said before there are vectors that mean nothing.

An encoder makes a vector of anything: words that it does not know become one token, in whatever they differ; letters
of a script that it hardly saw become letters, not words; what is too long is cut. None of that shows in the vector.
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


class Read(NamedTuple):
    """A text as its encoder reads it: words that it knows, words that it does not, and where it is cut, if it is."""

    known: list[str]
    unknown: list[str]
    cut: list[str]


def require_known(
    texts: Sequence[str],
    tokens_of: Callable[[str], Sequence[str]],
    unknown: str | None,
    longest: int,
    english: bool = True,
) -> None:
    """Refuse texts of which nothing is known, and warn of what else is not read as it is meant, a line for each reason.

    Parameters
    ----------
    tokens_of : word -> its tokens. unknown : the token of what is not known; None where there is none.
    longest : tokens of a text, its special ones left out; what follows is cut.
    english : the encoder learned English alone: words in other scripts than the Latin are not known.

    Raises
    ------
    InputError : of a text no word is known, or it has none.
    """
    tokens_of = cache(tokens_of)
    found = [_read(text, tokens_of, unknown, longest, english) for text in texts]
    for number, (text, read) in enumerate(zip(texts, found, strict=True), start=1):
        if not read.known:
            which = f"text {number} of {len(texts)}" if len(texts) > 1 else "the text"
            what = f"of {which} no word is known: {_listed(read.unknown) or repr(text[:40])}"
            raise InputError(what, hint="describe the music in English words" if english else "describe it in words")
    _warn("not known to the text encoder, and left out", [read.unknown for read in found])
    _warn("too long for the text encoder, and cut from", [read.cut for read in found])
    negated = [_NEGATION.findall(text) for text in texts]
    _warn("the text encoder does not understand negation: say what there is, not", negated)


def require_known_to(tokeniser: Any, texts: Sequence[str], longest: int, english: bool = True) -> None:
    """The same with a tokeniser of transformers, ``longest`` including its special tokens."""
    longest -= tokeniser.num_special_tokens_to_add()
    require_known(texts, tokeniser.tokenize, tokeniser.unk_token, longest, english)


def _read(
    text: str, tokens_of: Callable[[str], Sequence[str]], unknown: str | None, longest: int, english: bool
) -> Read:
    read, length = Read([], [], []), 0
    words = text.split()
    for place, word in enumerate(words):
        length += len(tokens_of(word))
        if length > longest:
            read.cut.append(f"{' '.join(words[place : place + 3])} (word {place + 1} of {len(words)})")
            break
        for part in _INSIDE.split(word):
            if unknown in tokens_of(part) or (english and _is_foreign(part)):
                read.unknown.append(part)
            elif tokens_of(part) and any(_means(sign) for sign in part):
                read.known.append(part)
    return read


def _is_foreign(word: str) -> bool:
    """Whether a word has letters of another script than the Latin."""
    return any(sign.isalpha() and "LATIN" not in unicodedata.name(sign, "LATIN") for sign in word)


def _means(sign: str) -> bool:
    """Whether a sign is a letter, a digit or a picture: no punctuation, no space, nothing invisible."""
    return unicodedata.category(sign)[0] in "LN" or unicodedata.category(sign) == "So"


def _warn(what: str, words: list[list[str]]) -> None:
    some = [each for each in words if each]
    if not some:
        return
    where = f"in {len(some)} of {len(words)} texts, " if len(words) > 1 else ""
    shown = _listed([word for each in some for word in each])
    warnings.warn(f"{where}{what}: {shown}", Brain2MusicWarning, stacklevel=4)


def _listed(words: Sequence[str]) -> str:
    different = list(dict.fromkeys(words))
    rest = f" and {len(different) - _SHOWN} more" if len(different) > _SHOWN else ""
    return ", ".join(repr(word[:60]) for word in different[:_SHOWN]) + rest
