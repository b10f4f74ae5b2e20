"""Counts in sentences."""


def counted(count: int, noun: str) -> str:
    """A count with its noun in the singular or the plural: "1 clip", "1,200 clips"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
