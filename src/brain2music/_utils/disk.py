"""Free space on disks, and sizes in words."""

import shutil
from pathlib import Path


def free_bytes(path: Path) -> int:
    """Bytes that are free on the disk where a path is, or will be."""
    absolute = Path(path).absolute()
    there = next(folder for folder in (absolute, *absolute.parents) if folder.exists())
    return shutil.disk_usage(there).free


def readable_bytes(size: int) -> str:
    """Format a number of bytes in powers of 1000, such as "46.5 GB"."""
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"
