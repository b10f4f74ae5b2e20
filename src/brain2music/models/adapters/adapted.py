"""What adapters of public generators share: checks of what is asked for, items, draws, lengths, peaks and origins.

An adapter says its abilities and makes one piece of one condition; :class:`AdaptedGenerator` does all the rest, so that
every adapter refuses the same things in the same words.
"""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32

from ... import __version__
from ..._utils.errors import InputError
from ..._utils.progress import StepCounter
from ...audio.sound import Reconstruction, scale_peak
from ...embeddings.embeddings import EmbeddingSpace
from ...embeddings.texts import as_texts
from ..abilities import Abilities, ConditionKind
from ..base_generator import BaseGenerator, PieceRequest
from ..embedding_input import EmbeddingInput
from ..generator_parts.inputs import Rows, Waveform
from ..generator_parts.prompts import (
    prompts_from_audio,
    prompts_from_embeddings,
    read_recordings,
    seeded_generator,
)


class Draw(NamedTuple):
    """Numbers that a piece's randomness depends on: of the seed, the item and the sample."""

    seed: int
    item: int
    sample: int

    def numpy(self) -> np.random.Generator:
        """Generator of numpy of this draw alone."""
        return np.random.default_rng([self.seed, self.item, self.sample])

    def torch(self, device: str | torch.device = "cpu") -> torch.Generator:
        """Generator of torch of this draw alone."""
        return seeded_generator(self.seed, self.item, torch.device(device), self.sample)

    @property
    def number(self) -> int:
        """A seed of 32 bits of this draw alone, for libraries that take a number."""
        return int(np.random.SeedSequence([self.seed, self.item, self.sample]).generate_state(1)[0])


@dataclass(frozen=True)
class Conditioning:
    """What one piece is made from.

    Attributes
    ----------
    kind : {"embedding", "text", "sound", "melody"}
        What was given.
    vector : ndarray of float32, of shape (dims,), or None
        Of an embedding, or of a sound that was embedded.
    text : str or None
        Of a text.
    sound : (ndarray, int) or None
        Of a melody, or of a sound where the generator has no space.
    origin : dict
        What is said of it in the origin of the piece.
    """

    kind: ConditionKind
    vector: Float32[np.ndarray, " dims"] | None = None
    text: str | None = None
    sound: Waveform | None = None
    origin: Any = None


class AdaptedGenerator(BaseGenerator):
    """Generator with public weights.

    Parameters
    ----------
    name : str
        Name in the registry.
    abilities : Abilities
        What it takes and makes.
    space : EmbeddingSpace or None
        Space of the embeddings that it takes.
    device : str, default "cpu"
        Device on which it computes.
    """

    checkpoint: str = ""
    """What the weights are, in the origin of pieces; default the name."""

    def __init__(self, name: str, abilities: Abilities, space: EmbeddingSpace | None, device: str = "cpu") -> None:
        self.name, self._abilities, self.space, self.device = name, abilities, space, device

    @property
    def abilities(self) -> Abilities:
        """What it takes and makes; a checkpoint may narrow what is listed."""
        return self._abilities

    @abilities.setter
    def abilities(self, found: Abilities) -> None:
        self._abilities = found

    @property
    @abstractmethod
    def sha256(self) -> str:
        """Digest of all that decides its outputs."""

    @abstractmethod
    def make(
        self, condition: Conditioning, seconds: float, draw: Draw, guidance: float | None
    ) -> tuple[Float32[np.ndarray, "channels samples"], dict[str, Any]]:
        """Make one piece; it is cut to its length here, and scaled where its peak passes 1.

        Parameters
        ----------
        condition : Conditioning
            Checked.
        seconds : float
            Duration, which was checked.
        draw : Draw
            Source of all randomness.
        guidance : float or None
            None for the model's own.

        Returns
        -------
        (channels, samples)
            At least ``round(seconds * sample_rate)`` samples, unless the origin says ``ends_early``.
        dict
            Further lines of the origin, as JSON types: settings of the sampler above all.
        """

    @property
    def sample_rate(self) -> int:
        """Sample rate of the generated sound in Hz."""
        return self.abilities.sample_rate

    @property
    def channels(self) -> int:
        """Channels of the generated sound."""
        return self.abilities.channels

    def _pieces(self, request: PieceRequest) -> Iterator[Reconstruction]:
        given = request.embedding, request.text, request.like
        kind = self.abilities.check_condition(self.name, *given)
        conditions = self.conditions(kind, *given, request.rows)
        counted = StepCounter(request.progress, len(conditions) * request.n_samples)

        def each() -> Iterator[Reconstruction]:
            for number in range(len(conditions) * request.n_samples):
                item, sample = divmod(number, request.n_samples)
                draw = Draw(request.seed, request.first_item + item, sample)
                wave, more = self.make(conditions[item], request.seconds, draw, request.guidance)
                counted()
                yield self.piece(wave, request.seconds, draw, "generate", request.guidance, conditions[item], more)

        return each()

    def conditions(
        self, kind: ConditionKind, embedding: Any = None, text: Any = None, like: Any = None, rows: Rows | None = None
    ) -> list[Conditioning]:
        """Check and read what pieces are made from, one of each item."""
        if kind == "text":
            return [Conditioning("text", text=each, origin={"text": each}) for each in self.texts(text)]
        if kind == "melody" or (kind == "sound" and self.space is None):
            return [Conditioning(kind, sound=sound, origin=origin) for sound, origin in read_recordings(like, "like")]
        if self.space is None:
            raise InputError(f"{self.name} takes no embeddings", hint=f"give {self.abilities.given}")
        taken = EmbeddingInput(self.space)
        if kind == "sound":
            prompts = prompts_from_audio(like, taken)
        else:
            prompts = prompts_from_embeddings(embedding, taken, rows)
        return [
            Conditioning(kind, vector=vector, origin=origin)
            for vector, origin in zip(prompts.vectors.numpy(), prompts.origins, strict=True)
        ]

    def texts(self, text: Any) -> list[str]:
        """Check texts: at least one, none empty."""
        found = as_texts(text)
        if not found or not all(each.strip() for each in found):
            raise InputError("there is no text", hint="describe the music in a few words")
        return list(found)

    def piece(
        self,
        wave: Float[np.ndarray, "channels samples"],
        seconds: float,
        draw: Draw,
        command: str,
        guidance: float | None,
        condition: Conditioning,
        more: dict[str, Any],
    ) -> Reconstruction:
        """A piece of the asked duration, its peak at most 1, with its origin."""
        length = round(seconds * self.sample_rate)
        if wave.ndim != 2 or len(wave) != self.channels or (wave.shape[1] < length and "ends_early" not in more):
            what = f"{self.name} made sound of the shape {wave.shape}, not ({self.channels}, {length})"
            raise InputError(what, hint="its weights are not those that it names, or damaged: fetch them again")
        waveform, gain = scale_peak(wave[:, :length].astype(np.float32))
        origin = {
            **{"generator": self.name, "checkpoint": self.checkpoint or self.name, "checkpoint_sha256": self.sha256},
            **{"command": command, "version": __version__, "device": self.device, "seed": int(draw.seed)},
            **{"item": draw.item, "draw": draw.sample, "condition": condition.kind, **(condition.origin or {})},
            **({} if guidance is None else {"guidance": float(guidance)}),
            **self.abilities.terms.origin,
        }
        if self.abilities.fixed_s is not None:
            origin["cut_from_s"] = self.abilities.fixed_s
        return Reconstruction(waveform, self.sample_rate, {**origin, "gain": gain, **more})
