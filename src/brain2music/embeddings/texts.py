"""Texts that are to be embedded: one, or several; or refused by name."""

from collections.abc import Iterable
from typing import Any

from .._utils.errors import InputError


def as_texts(texts: Any) -> list[str]:
    """A list of texts; a single string is one text, not as many as it has letters.

    Raises
    ------
    InputError : one is empty, or is no text.
    """
    single = isinstance(texts, str | bytes) or not isinstance(texts, Iterable)
    listed: list[Any] = [texts] if single else list(texts)
    for text in listed:
        if not isinstance(text, str):
            raise InputError(f"{text!r} is no text", hint="give a string, or several")
        if not text.strip():
            raise InputError("a text to embed is empty", hint="write what the music is like")
    return listed
