"""Conversion between paths and text, because file names may hold bytes that are not UTF-8."""

import os
import re
from pathlib import Path


def as_text(path: str | Path) -> str:
    r"""Convert a path to text that can be printed and stored: bytes that are not UTF-8 become "\x85"."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def as_path(text: str | Path) -> Path:
    r"""Convert text from :func:`as_text` back to a path: "mod\x85.wav" is that byte unless such a file exists."""
    path = Path(text)
    if r"\x" not in str(path) or os.path.lexists(path):
        return path
    return Path(os.fsdecode(re.sub(rb"\\x([89a-f][0-9a-f])", _escaped_byte, os.fsencode(path))))


def _escaped_byte(escaped: re.Match[bytes]) -> bytes:
    return bytes([int(escaped[1], 16)])
