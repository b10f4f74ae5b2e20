"""The small generator of the tests of runs."""

from tests.pipeline.conftest import generator

__all__ = ["generator"]
