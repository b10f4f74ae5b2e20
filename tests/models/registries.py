"""Registries of models as they were before a test registered any."""

from collections.abc import Iterator
from contextlib import contextmanager

from brain2music.models import plugins
from brain2music.models.catalogue import EMBEDDINGS
from brain2music.models.codecs import ADAPTERS, CODEC_DESCRIPTIONS
from brain2music.models.generators import GENERATORS


@contextmanager
def kept_registries() -> Iterator[None]:
    """Take back, in the end, what was registered meanwhile."""
    kept = [(each, dict(each)) for each in (EMBEDDINGS, ADAPTERS, CODEC_DESCRIPTIONS, GENERATORS)]
    begun = set(plugins._begun)
    yield
    for registry, entries in kept:
        registry.clear()
        registry.update(entries)
    plugins._begun.clear()
    plugins._begun.update(begun)
