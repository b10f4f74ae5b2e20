"""What the editors of this package share: one way to ask for a gap that is filled, or an end that is continued."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from .._utils.errors import InputError
from .._utils.progress import Advance
from ..audio.sound import Reconstruction
from ..embeddings.embeddings import Embeddings
from .base_generator import BaseGenerator
from .generator_parts.inputs import AudioInput
from .generator_parts.prompts import check_draws, check_guidance, check_seed, check_steps


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
