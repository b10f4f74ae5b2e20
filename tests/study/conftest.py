"""A tiny BIDS study on disk, whole, for tests to break."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from .tiny_study import RUNS, STIM_FILE, TR, TinyStudy, Write, voxels


@pytest.fixture
def tiny(tmp_path: Path) -> TinyStudy:
    return TinyStudy(tmp_path / "tiny")


@pytest.fixture
def listening(tmp_path: Path) -> Write:
    """Writes a study of runs of one task from the rows of their events."""

    def write(*runs: Sequence[str], header: str = STIM_FILE, n_volumes: int = 40) -> TinyStudy:
        tiny = TinyStudy(tmp_path / "listening")
        shutil.rmtree(tiny.func)
        for name, rows in zip(RUNS, runs, strict=False):
            tiny.write_events(name, [header, *rows])
            tiny.write_json(tiny.sidecar(name), {"RepetitionTime": TR})
            tiny.write_image(name, voxels(n_volumes, seed=len(name)))
        return tiny

    return write
