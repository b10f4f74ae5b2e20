"""Interfaces of generators: making music, and editing recordings."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from .._utils.progress import Advance
from ..audio.sound import Reconstruction
from ..embeddings.embeddings import Embeddings, EmbeddingSpace
from .abilities import Abilities
from .generator_parts.inputs import AudioInput


@runtime_checkable
class Generator(Protocol):
    """Generator of music from an embedding, a text or a recording.

    This is the protocol of what :func:`get_generator` returns. ``name`` and ``sha256`` are in the origin of its
    outputs; ``abilities`` says which conditions it takes.

    Attributes
    ----------
    name : str
        Name of the model.
    sha256 : str
        Digest of all that decides its outputs.
    sample_rate : int
        Sample rate of the generated sound in Hz.
    space : EmbeddingSpace or None
        Space of the embeddings that condition it; None where it takes no embeddings.
    abilities : Abilities
        What it takes and makes.

    Examples
    --------
    >>> import brain2music as b2m
    >>> from brain2music.models import Generator
    >>> isinstance(b2m.get_codec("opus-6k"), Generator)  # a codec does not generate
    False
    """

    name: str
    sha256: str

    @property
    def sample_rate(self) -> int:
        """Sample rate of the generated sound in Hz."""
        ...

    @property
    def space(self) -> EmbeddingSpace | None:
        """Space of the embeddings that condition it; None where it takes no embeddings."""
        ...

    @property
    def abilities(self) -> Abilities:
        """What it takes and makes."""
        ...

    def generate(
        self,
        embedding: Embeddings | Float[np.ndarray, "..."] | None = None,
        text: str | Sequence[str] | None = None,
        like: AudioInput | Sequence[AudioInput] | None = None,
        *,
        seconds: float = 15.0,
        seed: int = 0,
        n_samples: int = 1,
        first_item: int = 0,
        guidance: float | None = None,
    ) -> list[Reconstruction]:
        """Generate music from exactly one condition.

        A piece depends only on its item, the seed and the numbers of item and sample.

        Parameters
        ----------
        embedding : Embeddings or ndarray, optional
            Embeddings in the space of the generator; an array is (dims,) for one item, or (items, windows, dims).
        text : str or sequence of str, optional
            Descriptions of the music, instead of an embedding.
        like : (ndarray, int), Path, str, or sequence of these, optional
            Recordings to be like, as waveform and sample rate in Hz or as files, instead of an embedding.
        seconds : float, default 15.0
            Duration of each piece in seconds.
        seed : int, default 0
            Seed of the random numbers.
        n_samples : int, default 1
            Number of pieces per item.
        first_item : int, default 0
            Number of the first item.
        guidance : float, optional
            How closely the condition is followed, on the model's own scale; default the checkpoint's.

        Returns
        -------
        list of Reconstruction
            ``n_samples`` pieces per item, all of the first item first.

        Raises
        ------
        InputError
            Not exactly one condition is given, or it is not taken, or of another space.
        """
        ...


@runtime_checkable
class Editor(Protocol):
    """Generator that also edits recordings: gaps are filled, and ends continued.

    Which of both it does is in ``abilities.edits``. What is kept of a recording keeps its channels, its sample rate and
    its samples, to the bit but for a short cross-fade at the seams of a filled gap.

    Examples
    --------
    >>> from brain2music.models import Editor
    >>> from brain2music.models.jen1 import JEN1
    >>> issubclass(JEN1, Editor)
    True
    """

    def fill(
        self,
        sound: AudioInput,
        regions: Sequence[tuple[float, float]],
        *,
        embedding: Embeddings | Float[np.ndarray, "..."] | None = None,
        text: str | None = None,
        seed: int = 0,
        n_samples: int = 1,
        guidance: float | None = None,
        steps: int | None = None,
        progress: Advance | None = None,
    ) -> list[Reconstruction]:
        """Fill regions of a recording; what they held before is not read.

        Parameters
        ----------
        sound : (ndarray, int), Path or str
            Recording, as waveform and sample rate in Hz or as a file.
        regions : sequence of (float, float)
            Start and end of each region in seconds.
        embedding, text : optional
            What the regions are to be like, one of them; default what is around them, where the model can tell.
        seed, n_samples, guidance
            As for :meth:`Generator.generate`.
        steps : int, optional
            Sampling steps, where ``abilities.settings`` has them; else None.
        progress : callable, optional
            Called as ``progress(done, total)``.

        Returns
        -------
        list of Reconstruction
            ``n_samples`` whole recordings.
        """
        ...

    def extend(
        self,
        sound: AudioInput,
        seconds: float,
        *,
        embedding: Embeddings | Float[np.ndarray, "..."] | None = None,
        text: str | None = None,
        seed: int = 0,
        guidance: float | None = None,
        steps: int | None = None,
        progress: Advance | None = None,
    ) -> Reconstruction:
        """Continue a recording: the recording, followed by ``seconds`` of new music.

        Parameters
        ----------
        sound : (ndarray, int), Path or str
            Recording, as for :meth:`fill`.
        seconds : float
            Seconds of new music.
        embedding, text, seed, guidance, steps, progress
            As for :meth:`fill`.

        Returns
        -------
        Reconstruction
            The recording and its continuation.
        """
        ...
