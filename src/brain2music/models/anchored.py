"""Anchored generation: music made from what was retrieved, so that it keeps what the embedding said.

A generator that is told an embedding follows its prior where the embedding says little; retrieval loses nothing, but
finds only music that exists. Between them (RAG-Audio 2026, Ciferri et al. 2025): retrieve tracks by the decoded
embedding, and

* ``vary`` one: begin its diffusion at the track's latents with noise;
* ``inpaint`` between the beginning of one and the end of the next, or of the same where one is retrieved;
* ``continue`` one, and keep what is new; what is made follows the embedding in all three;
* choose among several results by the likelihood of the measured response under an encoding model (:mod:`.choosing`).

How near a result is to its anchor is reported with it, so that a copy is called a copy.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float32

from .._utils.errors import InputError
from .._utils.files import digest_text
from .._utils.progress import StepCounter
from ..audio.io import read_audio, resample
from ..audio.sound import Reconstruction
from ..embeddings.embeddings import EmbeddingSpace
from ..embeddings.windows import mono_at
from .abilities import Abilities, EditKind, abilities_of
from .base_generator import BaseGenerator, PieceRequest
from .choosing import choose as choose
from .choosing import encoding_likelihood as encoding_likelihood
from .embedding_input import EmbeddingInput
from .generator_parts.inputs import Waveform
from .generator_parts.prompts import embed_sounds, prompts_from_embeddings
from .generator_protocols import Generator
from .jen1.model import JEN1
from .jen1.variation import vary_sound as vary_sound

Anchoring = Literal["vary", "inpaint", "continue"]
_EDITS: dict[Anchoring, EditKind] = {"inpaint": "fill", "continue": "continue"}
Retrieve = Callable[[Float32[np.ndarray, "items dims"]], Sequence[Sequence["Anchor"]]]
"""Finds anchors for embeddings: for each item at least one, the nearest first."""


@dataclass(frozen=True)
class Anchor:
    """A track that was retrieved.

    Attributes
    ----------
    file : Path
        Its sound file.
    similarity : float
        Cosine similarity of its embedding with the one that it was retrieved by.
    start_s : float
        Where to begin in it.

    Examples
    --------
    >>> Anchor(Path("song.ogg"), 0.8).start_s
    0.0
    """

    file: Path
    similarity: float
    start_s: float = 0.0

    def sound(self, seconds: float) -> Waveform:
        """Its first seconds, mono, at its own sample rate, and silence where it is shorter.

        Parameters
        ----------
        seconds : float
            How many.

        Returns
        -------
        tuple
            Waveform and sample rate.
        """
        wave, sample_rate = read_audio(self.file, start=self.start_s, duration=seconds)
        return np.pad(wave, (0, max(0, round(seconds * sample_rate) - len(wave)))), sample_rate


class AnchoredGenerator(BaseGenerator):
    """Generator that retrieves an anchor for every embedding and makes music from it.

    Parameters
    ----------
    generator : Generator
        A JEN-1, or, to ``inpaint`` or ``continue`` anchors only, another one of embeddings whose abilities say so.
    retrieve : callable
        Finds the anchors of embeddings, such as a search of a gallery.
    how : {"vary", "inpaint", "continue"}
        What is made of the anchor.
    strength : float, default 0.6
        For ``vary``, the share of the diffusion that the anchor is taken through: 0 is the anchor through the codec, 1
        no anchor.
    digest : str, default ""
        Of what is retrieved from, which decides the result, too.

    Raises
    ------
    InputError
        The strength is not in 0 to 1, or the generator cannot do this.

    Examples
    --------
    >>> anchored = AnchoredGenerator(get_generator("out/jen1/model"), retrieve)  # doctest: +SKIP
    >>> anchored.generate(decoded)[0].source["anchor_similarity"]  # doctest: +SKIP
    0.91
    """

    def __init__(
        self,
        generator: Generator,
        retrieve: Retrieve,
        how: Anchoring = "vary",
        strength: float = 0.6,
        digest: str = "",
    ) -> None:
        if not 0.0 < strength <= 1.0:
            raise InputError(f"the strength is {strength:g}", hint="choose a number above 0, and at most 1")
        able = isinstance(generator, JEN1) if how == "vary" else _EDITS[how] in abilities_of(generator).edits
        if not able:
            raise InputError(f"{generator.name} cannot {how} music", hint="continue anchors, or take a JEN-1")
        if generator.space is None:
            raise InputError(f"{generator.name} takes no embeddings, by which anchors are retrieved")
        self.space: EmbeddingSpace = generator.space
        self.inner, self.retrieve, self.how, self.strength = generator, retrieve, how, strength
        self.name = f"{generator.name}+{how}"
        self.sha256 = digest_text(f"{generator.sha256} {how} towards it, {strength} {digest}")

    @property
    def sample_rate(self) -> int:
        """Sample rate of the generated sound in Hz."""
        return self.inner.sample_rate

    @property
    def abilities(self) -> Abilities:
        """Those of the generator, but from embeddings alone."""
        return replace(abilities_of(self.inner), conditions=("embedding",), edits=(), settings=())

    def _pieces(self, request: PieceRequest) -> Iterator[Reconstruction]:
        """Pieces of the nearest anchors of every item, taken in turn.

        Origins name the anchor (and ``anchor_after``, whose end what was inpainted keeps), and have
        ``anchor_similarity``, the cosine similarity of the result with its anchor in the space of the generator, and
        ``anchor_correlation``, the largest correlation of their waveforms at any lag.
        """
        if request.embedding is None or request.text is not None or request.like is not None:
            raise InputError("anchors are retrieved by an embedding", hint="give one, and no text or recording")
        if request.guidance is not None:
            raise InputError("anchored music follows its anchor, without guidance", hint="leave the guidance out")
        prompts = prompts_from_embeddings(request.embedding, EmbeddingInput(self.space), request.rows)
        found = self.retrieve(prompts.vectors.numpy())
        if not all(found):
            raise InputError("nothing was retrieved to begin at", hint="search among more music")
        counted = StepCounter(request.progress, len(found) * request.n_samples)

        def each() -> Iterator[Reconstruction]:
            for item, anchors in enumerate(found):
                for sample in range(request.n_samples):
                    anchor, after = (anchors[(sample + i) % len(anchors)] for i in range(2))
                    number = request.first_item + item
                    asked = request.seconds, request.seed, number, sample
                    piece, sound = self._make(anchor, after, prompts.vectors[item], *asked)
                    counted()
                    origin = {
                        **{"item": number, "draw": sample, **prompts.origins[item]},
                        **{"anchor": anchor.file.name, "anchored": self.how, "retrieved_by": float(anchor.similarity)},
                        **self._nearness(piece, sound),
                    }
                    origin |= {"strength": self.strength} if self.how == "vary" else {}
                    origin |= {"anchor_after": after.file.name} if self.how == "inpaint" else {}
                    yield replace(piece, source={**piece.source, **origin})

        return each()

    def _make(
        self, anchor: Anchor, after: Anchor, vector: torch.Tensor, seconds: float, seed: int, item: int, sample: int
    ) -> tuple[Reconstruction, Waveform]:
        """A piece of an anchor, or of two, and the sound of anchors that it is compared with."""
        own_seed = int(np.random.SeedSequence([seed, item, sample]).generate_state(1)[0])
        sound = anchor.sound(seconds)
        model: Any = self.inner
        asked = {"embedding": vector.numpy(), "seed": own_seed}
        if self.how == "continue":
            whole = model.extend(sound, seconds, **asked)
            new = whole.waveform[:, -round(seconds * whole.sample_rate) :]
            return self._at_own_rate(replace(whole, waveform=new), seconds), sound
        if self.how == "inpaint":
            sound = sound if after is anchor else _half_and_half(sound, after.sound(seconds))
            (made,) = model.fill(sound, [(seconds / 4, 3 * seconds / 4)], **asked)
            return self._at_own_rate(made, seconds), sound
        return vary_sound(model, sound, vector, self.strength, seed, item, sample), sound

    def _at_own_rate(self, piece: Reconstruction, seconds: float) -> Reconstruction:
        """The piece at the sample rate of the generator, exactly so long."""
        count = round(seconds * self.sample_rate)
        wave = np.atleast_2d(resample(piece.waveform, piece.sample_rate, self.sample_rate))[:, :count]
        wave = np.pad(wave, ((0, 0), (0, count - wave.shape[1])))
        return replace(piece, waveform=wave, sample_rate=self.sample_rate)

    def _nearness(self, piece: Reconstruction, anchor: Waveform) -> dict[str, float]:
        sound: Waveform = (piece.waveform.mean(axis=0), piece.sample_rate)
        embedded = embed_sounds([sound, anchor], EmbeddingInput(self.space))
        made, true = torch.nn.functional.normalize(embedded, dim=1)
        correlation = waveform_correlation(sound, anchor)
        return {"anchor_similarity": float(made @ true), "anchor_correlation": correlation}


def _half_and_half(first: Waveform, second: Waveform) -> Waveform:
    """The first half of one sound and the second half of another, at the sample rate of the first."""
    wave, sample_rate = first
    middle, other = len(wave) // 2, mono_at(*second, sample_rate)
    return np.concatenate([wave[:middle], other[middle : len(wave)]]), sample_rate


def waveform_correlation(first: Waveform, second: Waveform, sample_rate: int = 8000) -> float:
    """Largest absolute correlation of two sounds at any lag: near 1 for a copy.

    Parameters
    ----------
    first, second : tuple
        Waveforms and their sample rates.
    sample_rate : int, default 8000
        Rate at which they are compared.

    Returns
    -------
    float
        0 to 1.

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    >>> round(waveform_correlation((noise, 8000), (np.roll(noise, 100), 8000)), 2) > 0.95
    True
    """
    from scipy.signal import correlate

    one, other = (mono_at(*sound, sample_rate) for sound in (first, second))
    norm = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(np.abs(correlate(one, other, method="fft")).max()) / norm if norm > 0 else 0.0
