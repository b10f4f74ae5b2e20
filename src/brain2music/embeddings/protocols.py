"""Protocols of embedders: of sound, of text, and of AudioSet's classes."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from ..audio.waveforms import AnyWaveform
from .embeddings import EmbeddingSpace


@runtime_checkable
class Embedder(Protocol):
    """Anything that embeds sound in a space.

    A class needs no base class to be one: an object with these attributes is used wherever an embedder is asked for.

    Attributes
    ----------
    space : EmbeddingSpace
        The space of the vectors.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.embeddings import Embedder, EmbeddingSpace
    >>> class Loudness:
    ...     space = EmbeddingSpace("loudness", "1", "none", dims=1, window_s=1.0, step_s=1.0, sample_rate=16_000)
    ...     def embed(self, waveform, sample_rate):
    ...         seconds = np.array_split(np.ravel(waveform), max(1, len(waveform) // sample_rate))
    ...         return np.array([[np.sqrt(np.mean(second**2))] for second in seconds], np.float32)
    >>> isinstance(Loudness(), Embedder), Loudness().embed(np.ones(32_000), 16_000).shape
    (True, (2, 1))
    """

    space: EmbeddingSpace

    def embed(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, "windows dims"]:
        """Embed a waveform, mono or stereo; a sound shorter than a window has one window.

        Parameters
        ----------
        waveform : array of shape (samples,) or (channels, samples)
            The sound.
        sample_rate : int
            Its sample rate in Hz.

        Returns
        -------
        ndarray of shape (windows, dims)
            One vector per window.
        """
        ...


@runtime_checkable
class TextEmbedder(Protocol):
    """Anything that embeds text in the same space as sound.

    Attributes
    ----------
    space : EmbeddingSpace
        The space of the vectors.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.embeddings import EmbeddingSpace, TextEmbedder
    >>> class Speed:
    ...     space = EmbeddingSpace("speed", "1", "none", dims=2, window_s=1.0, step_s=1.0, sample_rate=16_000)
    ...     def embed_text(self, texts):
    ...         texts = [texts] if isinstance(texts, str) else texts
    ...         return np.array([[1, 0] if "slow" in text else [0, 1] for text in texts], np.float32)
    >>> isinstance(Speed(), TextEmbedder), Speed().embed_text("a slow waltz").tolist()
    (True, [[1.0, 0.0]])
    """

    space: EmbeddingSpace

    def embed_text(self, texts: str | Sequence[str]) -> Float32[np.ndarray, "texts dims"]:
        """Embed texts as rows of unit length.

        Parameters
        ----------
        texts : str or sequence of str
            One text or several.

        Returns
        -------
        ndarray of shape (texts, dims)
            One vector per text.

        Raises
        ------
        InputError
            A text is empty.
        """
        ...


@runtime_checkable
class Tagger(Protocol):
    """Anything that predicts the probabilities of AudioSet's classes in a sound.

    Attributes
    ----------
    space : EmbeddingSpace
        The space of the tagger's embedding.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.embeddings import EmbeddingSpace, Tagger
    >>> class OnlyJazz:
    ...     space = EmbeddingSpace("only-jazz", "1", "none", dims=2, window_s=1.0, step_s=1.0, sample_rate=16_000)
    ...     class_names = ("Jazz", "Disco")
    ...     def classes(self, waveform, sample_rate):
    ...         return np.array([1, 0], np.float32)
    >>> isinstance(OnlyJazz(), Tagger)
    True
    """

    space: EmbeddingSpace

    @property
    def class_names(self) -> tuple[str, ...]:
        """Display names of AudioSet, in the order of :meth:`classes`."""
        ...

    def classes(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, " classes"]:
        """Predict the probability of each class in the whole sound.

        Parameters
        ----------
        waveform : array of shape (samples,) or (channels, samples)
            The sound.
        sample_rate : int
            Its sample rate in Hz.

        Returns
        -------
        ndarray of shape (classes,)
            Probabilities from 0 to 1.
        """
        ...
