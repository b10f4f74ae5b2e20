"""Simulated studies kept in the cache folder, for examples and first attempts."""

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from ... import __version__
from ..._utils.files import cache_folder, digest_file, digest_text
from ..._utils.locks import locked
from .dataset import simulate


def simulate_cached(*, progress: Callable[[int, int], None] | None = None, **arguments: Any) -> Path:
    """Simulate a study in the cache folder, or find the one that the same arguments gave before.

    A study is found again as long as its arguments and the simulator are the same. Of several processes one simulates,
    while the others wait for it.

    Parameters
    ----------
    progress : callable, optional
        Called with the numbers of steps done and in total.
    **arguments
        Of :func:`brain2music.simulation.brain.simulate`, except for ``out``, ``stimuli`` and ``events``.

    Returns
    -------
    Path
        The folder of the study, ``simulated/DIGEST`` in ``$XDG_CACHE_HOME/brain2music``
        (``~/.cache/brain2music``); it may be removed at any time.

    Raises
    ------
    InputError
        An argument is not valid, or the cache folder cannot be written to.
    """
    identity = {name: value for name, value in arguments.items() if name != "n_jobs"}
    digest = digest_text(json.dumps([identity, _digest_of_simulator()], sort_keys=True, default=asdict))[:12]
    folder = cache_folder() / "simulated" / digest
    with locked(folder.with_name(f".{folder.name}.lock"), "simulating a study"):
        if not folder.is_dir():
            simulate(folder, progress=progress, **arguments)
    return folder


@cache
def _digest_of_simulator() -> str:
    """Digest of the code and tables from which studies are simulated, which may change within a version."""
    files = [path for path in Path(__file__).parents[1].rglob("*") if path.suffix in (".py", ".toml")]
    return digest_text(" ".join([__version__, *map(digest_file, sorted(files))]))
