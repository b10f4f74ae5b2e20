"""Fixtures by theme: random numbers, and the real data where it is at hand."""

import os
from pathlib import Path

import numpy as np
import pytest

from tests import shapes

shapes.install()

REAL_DATA = Path(os.environ.get("BRAIN2MUSIC_REAL_DATA", Path(__file__).parents[1] / "../shared/data")).resolve()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip ``real_data`` tests, in one line, where the data is absent."""
    if not REAL_DATA.is_dir():
        absent = pytest.mark.skip(reason=f"real data is not at hand in {REAL_DATA} (set BRAIN2MUSIC_REAL_DATA)")
        for item in items:
            if "real_data" in item.keywords:
                item.add_marker(absent)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def real_data() -> Path:
    return REAL_DATA
