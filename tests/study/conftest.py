"""A tiny BIDS study on disk, whole, for tests to break."""

from pathlib import Path

import pytest
from tiny_study import TinyStudy


@pytest.fixture
def tiny(tmp_path: Path) -> TinyStudy:
    return TinyStudy(tmp_path / "tiny")
