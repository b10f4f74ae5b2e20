"""What the generators of this package share: one way to ask for music, checked once.

A generator says its abilities and answers a :class:`PieceRequest`. So all take the same arguments, and refuse the same
things in the same words; those that edit, too, are in :mod:`.base_editor`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from .._utils.progress import Advance
from ..audio.sound import Reconstruction
from ..embeddings.embeddings import Embeddings
from .abilities import Abilities
from .generator_parts.inputs import AudioInput, Rows
from .generator_parts.prompts import check_draws, check_guidance, check_seed, check_steps


@dataclass(frozen=True)
class PieceRequest:
    """What pieces are asked for: the arguments of :meth:`BaseGenerator.generate`."""

    embedding: Any = None
    text: Any = None
    like: Any = None
    seconds: float = 15.0
    seed: int = 0
    n_samples: int = 1
    first_item: int = 0
    guidance: float | None = None
    rows: Rows | None = None
    steps: int | None = None
    tempo: float | None = None
    progress: Advance | None = None


class BaseGenerator(ABC):
    """Generator whose arguments are checked before it makes its pieces, one by one.

    The attribute ``name`` is the name of the model.
    """

    name: str

    @property
    @abstractmethod
    def abilities(self) -> Abilities:
        """What it takes and makes."""

    @abstractmethod
    def _pieces(self, request: PieceRequest) -> Iterator[Reconstruction]:
        """Pieces of a request whose numbers are checked; what it asks for is checked here, before the first is made."""

    def generate(
        self,
        embedding: Embeddings | Float[np.ndarray, "..."] | Path | None = None,
        text: str | Sequence[str] | None = None,
        like: AudioInput | Sequence[AudioInput] | None = None,
        *,
        seconds: float = 15.0,
        seed: int = 0,
        n_samples: int = 1,
        first_item: int = 0,
        guidance: float | None = None,
        rows: Rows | None = None,
        steps: int | None = None,
        tempo: float | None = None,
        progress: Advance | None = None,
    ) -> list[Reconstruction]:
        """Generate music from embeddings, texts or recordings.

        A piece depends on its item, the seed, and the numbers of item and sample, and not on how many other pieces are
        generated with it (but for rounding).

        Parameters
        ----------
        embedding : Embeddings, ndarray or Path, optional
            Embeddings in the space of the generator, which are averaged over windows; an array of shape (dims,) of one
            item, (items, windows, dims), or (rows, dims) with ``rows``; or a file of either.
        text : str or sequence of str, optional
            Descriptions of the music, one per item, instead of an embedding. A JEN-1 takes one with an embedding or a
            recording, too: one for all items, or one per item.
        like : (ndarray, int), Path, str, or sequence of these, optional
            Recordings to be like, as waveform and sample rate in Hz or as files, instead of an embedding.
        seconds : float, default 15.0
            Duration of a piece in seconds, within the limits of ``abilities``.
        seed : int, default 0
            Seed of the random numbers.
        n_samples : int, default 1
            Number of pieces per item; none is chosen among them.
        first_item : int, default 0
            Number of the first item, where these are some of many.
        guidance : float, optional
            Weight of classifier-free guidance, 0 to 100; default that of the model.
        rows : {"items", "windows"}, optional
            Whether the rows of a two-dimensional array are items, or windows of one item.
        steps : int, optional
            Sampling steps, of models whose ``abilities`` have them; default the model's.
        tempo : float, optional
            Beats per minute, 40 to 230, of models with a beat clock; default what fits the embedding.
        progress : callable, optional
            Called as ``progress(done, total)``.

        Returns
        -------
        list of Reconstruction
            ``n_samples`` pieces per item, all of the first item first.

        Raises
        ------
        InputError
            What is asked for is not taken, or cannot be used.
        """
        asked: dict[str, Any] = {"seconds": seconds, "seed": seed, "n_samples": n_samples, "first_item": first_item}
        asked |= {"guidance": guidance, "rows": rows, "steps": steps, "tempo": tempo, "progress": progress}
        return list(self.pieces(embedding, text, like, **asked))

    def pieces(
        self, embedding: Any = None, text: Any = None, like: Any = None, **asked: Any
    ) -> Iterator[Reconstruction]:
        """Generate music as :meth:`generate` does, yielding each piece when it is done; errors are raised at once.

        Parameters
        ----------
        embedding, text, like, **asked
            As for :meth:`generate`.

        Returns
        -------
        iterator of Reconstruction
            The pieces.
        """
        request = PieceRequest(embedding, text, like, **asked)
        seconds = self.abilities.check_seconds(self.name, request.seconds)
        self.abilities.check_settings(self.name, steps=request.steps, tempo=request.tempo)
        check_draws(request.n_samples)
        check_guidance(request.guidance)
        check_seed(request.seed)
        check_steps(request.steps)
        return self._pieces(replace(request, seconds=seconds))
