"""Paths as text: names of files may hold bytes that are not UTF-8, which tables, JSON and screens cannot."""

import os
import re
from pathlib import Path


def shown(path: str | Path) -> str:
    r"""A path as text that can be printed and stored: bytes of a name that are not UTF-8 as "\x85"."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def as_path(text: str | Path) -> Path:
    r"""The path that is shown so: where there is no file "mod\x85.wav" by name, the one with that byte."""
    path = Path(text)
    if r"\x" not in str(path) or os.path.lexists(path):
        return path
    return Path(os.fsdecode(re.sub(rb"\\x([89a-f][0-9a-f])", _escaped_byte, os.fsencode(path))))


def _escaped_byte(escaped: re.Match[bytes]) -> bytes:
    return bytes([int(escaped[1], 16)])
