"""What every embedding of sound can do, and what some can besides: embed text, or name AudioSet's classes."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from ..audio.arrays import AnyWaveform
from .embeddings import EmbeddingSpace


@runtime_checkable
class Embedder(Protocol):
    """Anything that turns sound into vectors of one space."""

    space: EmbeddingSpace

    def embed(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, "windows dims"]:
        """(windows, dims) float32 of a waveform, mono or stereo; one window where it is shorter than a window."""
        ...


@runtime_checkable
class TextEmbedder(Protocol):
    """Anything that turns text into vectors of the space its sound side lives in."""

    space: EmbeddingSpace

    def embed_text(self, texts: str | Sequence[str]) -> Float32[np.ndarray, "texts dims"]:
        """(texts, dims) float32, unit rows; :class:`InputError` where a text is empty."""
        ...


@runtime_checkable
class Tagger(Protocol):
    """Anything that says how probable each of AudioSet's classes is in a sound."""

    space: EmbeddingSpace

    @property
    def class_names(self) -> tuple[str, ...]:
        """AudioSet's display names, in the order of :meth:`classes`."""
        ...

    def classes(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, " classes"]:
        """(classes,) probabilities, of the whole sound."""
        ...
