"""Validation of texts to embed."""

from collections.abc import Iterable
from typing import Any

from .._utils.errors import InputError


def as_texts(texts: Any) -> list[str]:
    """Convert one text or several to a list of texts.

    Raises
    ------
    InputError
        If one is empty or not a text.
    """
    single = isinstance(texts, str | bytes) or not isinstance(texts, Iterable)
    listed: list[Any] = [texts] if single else list(texts)
    for text in listed:
        if not isinstance(text, str):
            raise InputError(f"{text!r} is no text", hint="give a string, or several")
        if not text.strip():
            raise InputError("a text to embed is empty", hint="write what the music is like")
    return listed
