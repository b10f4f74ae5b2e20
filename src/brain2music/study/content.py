"""What files contain in place of what their names say: pages of servers, and pointers of git-annex and git LFS."""

import html
import json
import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["annex", "lfs", "page", "empty"]
UNFETCHED = "content that git-annex has not fetched"
MOST_FOLDERS = 8
"""Most folders that one command names."""
_HEAD = 4096
_ANNEX = re.compile(rb"^(?:\.\./)*(?:\.git)?/annex/objects/\S+")
_LFS = b"version https://git-lfs.github.com/spec/"
_TAGS = (b"<!doctype html", b"<html", b"<head", b"<body", b"<?xml", b"<error>")
_TITLE = re.compile(r"<(title|h1|code|message)\b[^>]*>(.*?)</\1", re.IGNORECASE | re.DOTALL)
_TEXTS = (".html", ".htm", ".xml", ".xhtml", ".svg", ".gii")
"""Suffixes of files that are markup themselves."""


@dataclass(frozen=True)
class Foreign:
    """What a file is in place of its content.

    Attributes
    ----------
    kind : of which kind it is.
    what : the same in words, to follow the name of the file.
    hint : what to do about it, with the command that fetches the content.
    """

    kind: Kind
    what: str
    hint: str

    @property
    def is_unfetched(self) -> bool:
        """Whether the content is elsewhere, and can be fetched."""
        return self.kind in ("annex", "lfs")


def foreign_content(path: Path, name: str | None = None) -> Foreign | None:
    """Find out whether a file holds something other than its name promises; None if it does not seem so.

    Recognised are links of git-annex to content that is not here, its pointer files, those of git LFS, empty files, and
    pages that a server sent in place of the file. At most 4 KiB are read.

    Parameters
    ----------
    path : the file. name : what it will be called; default as it is.
    """
    if path.is_symlink() and not path.exists():
        return _dangling(path)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return None
    if not head:
        return Foreign("empty", "the file is empty", "copy or download it again")
    return _pointer(path, head) or _page(head, name or path.name)


def page_in(head: bytes, name: str) -> str | None:
    """Describe the page that bytes are the beginning of, for a file of this name; None if they are no page.

    JSON is a page only if the name does not end in ``.json`` and it reports an error.
    """
    suffix = Path(name).suffix.lower()
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if suffix not in _TEXTS and text.lower().startswith(_TAGS):
        return _describe(text, "a web page")
    if suffix != ".json" and text.startswith(b"{") and (message := _error_message(text)):
        return f"an error message of a server ({message})"
    return None


def fetch_command(root: Path, paths: Sequence[Path]) -> str:
    """Write the command that fetches the content of files of git-annex, or, of many, of their folders.

    It is that of DataLad, unless the data set around ``root`` is one of git-annex only.
    """
    named = list(paths) if len(paths) == 1 else sorted({path.parent for path in paths})
    named = named if len(named) <= MOST_FOLDERS else [root]
    dataset = _dataset_root(root)
    if dataset is not None and not (dataset / ".datalad").is_dir():
        inside = " ".join(_shell_quoted(os.path.relpath(os.path.abspath(each), dataset)) for each in named)
        return f"git -C {_shell_quoted(str(dataset))} annex get {inside}"
    of = f"-d {_shell_quoted(str(dataset))} " if dataset is not None else ""
    return f"datalad get {of}{' '.join(_shell_quoted(str(each)) for each in named)}"


def _dangling(path: Path) -> Foreign:
    target = os.readlink(path)
    if "annex/objects/" not in target.replace(os.sep, "/"):
        what = f"this is a link to {target}, where nothing is"
        return Foreign("annex", what, "put the file there, or copy it in place of the link")
    return _unfetched(path, f"a link to {UNFETCHED}")


def _unfetched(path: Path, what: str) -> Foreign:
    return Foreign("annex", f"this is {what}", f"run `{fetch_command(path.parent, [path])}`")


def _pointer(path: Path, head: bytes) -> Foreign | None:
    if _ANNEX.match(head):
        return _unfetched(path, f"a pointer to {UNFETCHED}")
    if head.startswith(_LFS):
        root = _dataset_root(path.parent) or path.parent
        inside = _shell_quoted(os.path.relpath(os.path.abspath(path), root))
        command = f"git -C {_shell_quoted(str(root))} lfs pull --include {inside}"
        return Foreign("lfs", "this is a pointer to content that git LFS has not fetched", f"run `{command}`")
    return None


def _page(head: bytes, name: str) -> Foreign | None:
    page = page_in(head, name)
    if page is None:
        return None
    return Foreign("page", f"this is {page}, saved under that name", "delete it and download the file again")


def _describe(text: bytes, kind: str) -> str:
    found = _TITLE.search(text.decode("utf-8", errors="replace"))
    title = " ".join(re.sub(r"<[^>]*>", " ", html.unescape(found[2])).split()) if found else ""
    return f"{kind} ({title[:80]})" if title else kind


def _error_message(text: bytes) -> str:
    """The error that a JSON object reports; "" if it reports none or is not complete."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    for key in ("message", "error", "errors", "detail"):
        if isinstance(value, dict) and (found := value.get(key)):
            return " ".join(str(found).split())[:80]
    return ""


def _dataset_root(folder: Path) -> Path | None:
    """The closest folder, this one or above it, that has ``.git``."""
    here = Path(os.path.abspath(folder))
    return next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), None)


def _shell_quoted(text: str) -> str:
    return shlex.quote(text)
