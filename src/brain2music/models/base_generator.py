"""What the generators of this package share: one way to ask for music and for edits, checked once.

A generator says its abilities and answers a :class:`PieceRequest`; one that edits answers an :class:`EditRequest`, too.
So all take the same arguments and refuse the same things in the same words.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from .._utils.errors import InputError
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


@dataclass(frozen=True)
class EditRequest:
    """What an edit is asked to be like: the arguments that :meth:`BaseEditor.fill` and ``extend`` share."""

    embedding: Any = None
    text: str | None = None
    seed: int = 0
    n_samples: int = 1
    guidance: float | None = None
    steps: int | None = None
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


class BaseEditor(BaseGenerator):
    """Generator that also edits recordings, in the ways that its abilities name."""

    def _fill(
        self, sound: AudioInput, regions: Sequence[tuple[float, float]], request: EditRequest
    ) -> list[Reconstruction]:
        """Fill regions, of models whose abilities say so."""
        raise NotImplementedError

    def _extend(self, sound: AudioInput, seconds: float, request: EditRequest) -> Reconstruction:
        """Continue a recording, of models whose abilities say so."""
        raise NotImplementedError

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
        """Fill gaps of a recording, as every :class:`~brain2music.models.Editor` does.

        The rest of the recording keeps its channels, its sample rate and its samples, but for a cross-fade of 10 ms at
        both ends of a gap. What a gap held before is not read.

        Parameters
        ----------
        sound : (ndarray, int), Path or str
            Recording, as waveform and sample rate in Hz or as a file.
        regions : sequence of (float, float)
            Start and end of each gap in seconds.
        embedding : Embeddings or ndarray, optional
            What the gaps are to be like, one item.
        text : str, optional
            The same in words; default what is around them, where the model can tell.
        seed, n_samples, guidance, steps, progress
            As for :meth:`generate`.

        Returns
        -------
        list of Reconstruction
            ``n_samples`` whole recordings.

        Raises
        ------
        InputError
            The model fills no gaps, or a gap is not inside the recording, has no length, or is too long.
        """
        self.abilities.check_edit(self.name, "fill")
        request = EditRequest(embedding, text, seed, n_samples, guidance, steps, progress)
        return self._fill(sound, regions, self._checked(request))

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
        """Continue a recording, as every :class:`~brain2music.models.Editor` does.

        The recording keeps its channels, its sample rate and its samples; what is new stands in every channel at that
        channel's level, and joins without a click (:func:`brain2music.audio.joining.join`).

        Parameters
        ----------
        sound : (ndarray, int), Path or str
            Recording of 1 s or more, as for :meth:`fill`.
        seconds : float
            Duration of the new music in seconds.
        embedding : Embeddings or ndarray, optional
            What it is to be like, one item.
        text : str, optional
            The same in words; default what the recording's end is like, where the model can tell.
        seed, guidance, steps, progress
            As for :meth:`generate`.

        Returns
        -------
        Reconstruction
            The recording and its continuation.

        Raises
        ------
        InputError
            The model continues no recordings, or the recording is shorter than 1 s or cannot be read.
        """
        self.abilities.check_edit(self.name, "continue")
        request = EditRequest(embedding, text, seed, 1, guidance, steps, progress)
        return self._extend(sound, seconds, self._checked(request))

    def inpaint(
        self,
        sound: AudioInput,
        start_s: float,
        stop_s: float,
        text: str | None = None,
        *,
        seed: int = 0,
        guidance: float | None = None,
        steps: int | None = None,
        progress: Advance | None = None,
    ) -> Reconstruction:
        """Fill one gap of a recording: :meth:`fill` with one region and one sample.

        Parameters
        ----------
        sound : (ndarray, int), Path or str
            Recording, as for :meth:`fill`.
        start_s, stop_s : float
            The gap in seconds.
        text, seed, guidance, steps, progress
            As for :meth:`fill`.

        Returns
        -------
        Reconstruction
            The whole recording.
        """
        given: dict[str, Any] = {"text": text, "seed": seed, "guidance": guidance, "steps": steps, "progress": progress}
        return self.fill(sound, [(start_s, stop_s)], **given)[0]

    def continuation(
        self,
        sound: AudioInput,
        seconds: float = 15.0,
        seed: int = 0,
        text: str | None = None,
        guidance: float | None = None,
        progress: Advance | None = None,
        steps: int | None = None,
    ) -> Reconstruction:
        """Continue a recording by 15 s: :meth:`extend` with a duration that may be left out.

        Parameters
        ----------
        sound : (ndarray, int), Path or str
            Recording, as for :meth:`extend`.
        seconds : float, default 15.0
            Duration of the new music in seconds.
        seed, text, guidance, progress, steps
            As for :meth:`extend`.

        Returns
        -------
        Reconstruction
            The recording and its continuation.
        """
        given: dict[str, Any] = {"text": text, "seed": seed, "guidance": guidance, "steps": steps, "progress": progress}
        return self.extend(sound, seconds, **given)

    def _checked(self, request: EditRequest) -> EditRequest:
        self.abilities.check_settings(self.name, steps=request.steps)
        check_draws(request.n_samples)
        check_seed(request.seed)
        check_guidance(request.guidance)
        check_steps(request.steps)
        if request.embedding is not None and request.text is not None:
            raise InputError("give a text or an embedding for what is new, not both")
        return request
