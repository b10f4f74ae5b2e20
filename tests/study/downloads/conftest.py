"""A server, a client that does not wait, and bytes to download."""

from collections.abc import Iterator

import numpy as np
import pytest

from brain2music.study.downloads import Patience, Servers
from brain2music.study.downloads.client import HttpClient

from .server import Site, serving


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as server:
        yield server


@pytest.fixture
def servers(site: Site) -> Servers:
    return Servers(
        openneuro=f"{site.url}/crn/graphql",
        openneuro_files=f"{site.url}/openneuro.org",
        zenodo=f"{site.url}/api/records",
        kaggle=f"{site.url}/api/v1/datasets",
        fma=f"{site.url}/fma",
    )


@pytest.fixture
def patience() -> Patience:
    return Patience(timeout_s=1.0, attempts=3, backoff_s=0.0)


@pytest.fixture
def client(patience: Patience) -> HttpClient:
    return HttpClient(patience)


@pytest.fixture
def body() -> bytes:
    return np.random.default_rng(0).bytes(3_000_000)
