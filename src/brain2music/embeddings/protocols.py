"""Protocols of embedders: of sound, of text, and of AudioSet's classes."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from ..audio.waveforms import AnyWaveform
from .embeddings import EmbeddingSpace


@runtime_checkable
class Embedder(Protocol):
    """Anything that embeds sound in a space."""

    space: EmbeddingSpace

    def embed(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, "windows dims"]:
        """Embed a waveform, mono or stereo, as (windows, dims); one window if it is shorter than a window."""
        ...


@runtime_checkable
class TextEmbedder(Protocol):
    """Anything that embeds text in the same space as sound."""

    space: EmbeddingSpace

    def embed_text(self, texts: str | Sequence[str]) -> Float32[np.ndarray, "texts dims"]:
        """Embed texts as (texts, dims) with rows of unit length; :class:`InputError` if a text is empty."""
        ...


@runtime_checkable
class Tagger(Protocol):
    """Anything that predicts the probabilities of AudioSet's classes in a sound."""

    space: EmbeddingSpace

    @property
    def class_names(self) -> tuple[str, ...]:
        """Display names of AudioSet, in the order of :meth:`classes`."""
        ...

    def classes(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, " classes"]:
        """Predict the probability of each class in the whole sound."""
        ...
