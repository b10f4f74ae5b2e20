"""Pages that are written before Sphinx reads its sources, and only where they change, so that builds stay short."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path


def write_pages(folder: Path, pages: Mapping[str, str]) -> None:
    """Make a folder's ``.rst`` files those given by name, without touching any that are the same already."""
    folder.mkdir(parents=True, exist_ok=True)
    for gone in set(folder.glob("*.rst")) - {folder / f"{name}.rst" for name in pages}:
        gone.unlink()
    for name, text in pages.items():
        path = folder / f"{name}.rst"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def heading(text: str, underline: str = "=") -> str:
    """A heading of a page."""
    return f"{text}\n{underline * len(text)}\n"


def plain(text: str) -> str:
    """A sentence of a help text as reStructuredText: what is in backticks is code, and other marks are themselves."""
    parts = re.split(r"(`[^`]+`)", " ".join(text.split()))
    return "".join(f"`{part}`" if part.startswith("`") else re.sub(r"([*|\\_])", r"\\\1", part) for part in parts)


def indented(lines: Iterable[str], by: int = 3) -> str:
    """Lines, each moved to the right, empty ones left empty."""
    return "\n".join(" " * by + line if line else "" for line in lines)


def toctree(names: Iterable[str]) -> str:
    """A hidden table of contents."""
    return f".. toctree::\n   :hidden:\n\n{indented(names)}\n"
