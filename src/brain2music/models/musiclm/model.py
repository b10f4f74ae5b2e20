"""MusicLM whole: an embedding, a text or a recording in, music out.

Agostinelli et al., "MusicLM: generating music from text" (2023, arXiv 2301.11325). Brain2Music conditions it on the
embedding decoded from the brain. Three stages write tokens, one after the other, and a codec makes them sound (a model
of a single stage writes the acoustic tokens at once, and may do so for a codec of any frame rate)::

    embedding ─► semantic tokens ─► coarse acoustic tokens ─► fine acoustic tokens ─► waveform
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor

from ..._utils.errors import InputError
from ..._utils.progress import Advance
from ...audio.sound import Reconstruction, limited
from ...embeddings.embeddings import Embeddings, EmbeddingSpace
from ...embeddings.texts import as_texts
from ..codec_parts.codes import Codes, TokenCodec
from ..mel_tokens.model import MelTokenCodec
from .condition import Conditioner
from .config import Plan, StageName
from .continuing import continued
from .folder import codec_digest, describe, read_parts
from .origin import origin
from .postfilter import Postfilter
from .prompts import (
    Prompts,
    Recording,
    Rows,
    check_guidance,
    check_length,
    check_seed,
    embed_texts,
    of_embeddings,
    of_sounds,
    of_texts,
    seeded,
)
from .refiner import FOLDER as REFINER
from .refiner import Refiner
from .sampling import Randomness, Sampling
from .semantic import MusicnnFrames, SemanticTokenizer
from .stage import Condition, Stage
from .windows import SECTION_S
from .writer import Counted, Prompt, Writer

BATCH = 16
"""Pieces made at once; more take more memory and little less time each."""


class MusicLM:
    """The stages, what conditions them, and the codec.

    Parameters
    ----------
    stages : by name: the paper's three, or "acoustic" alone. conditioner : of the embedding.
    semantic : tokens of recordings, for continuing them; a single stage needs none.
    codec : whose codes the stages were trained on. sampling : of each stage.
    refiner, postfilter : of the spectrograms of drawn tokens, where the codec is of mel tokens; one after the other.
    name : what the outputs say they come from. sha256 : digest of all that decides what it makes, "none" before that
        is saved.
    """

    def __init__(
        self,
        stages: dict[StageName, Stage],
        conditioner: Conditioner,
        semantic: SemanticTokenizer | None,
        codec: TokenCodec,
        sampling: dict[StageName, Sampling] | None = None,
        refiner: Refiner | None = None,
        postfilter: Postfilter | None = None,
        name: str = "musiclm",
        sha256: str = "none",
    ) -> None:
        self.stages, self.conditioner, self.semantic, self.codec = stages, conditioner, semantic, codec
        configs = {name: stage.config for name, stage in stages.items()}
        own = {name: Sampling(config.temperature, guidance=config.guidance) for name, config in configs.items()}
        self.sampling: dict[StageName, Sampling] = {**own, **(sampling or {})}
        self.refiner, self.postfilter, self.name, self.sha256 = refiner, postfilter, name, sha256
        self.writer = Writer(stages, self.sampling, codec.sample_rate, codec.hop_length)
        for stage in stages.values():
            stage.eval()

    @property
    def sample_rate(self) -> int:
        """Hz of what it makes."""
        return self.codec.sample_rate

    @property
    def space(self) -> EmbeddingSpace:
        """Of the embeddings it takes."""
        return self.conditioner.space

    @property
    def device(self) -> torch.device:
        """Where the stages are."""
        return next(iter(self.stages.values())).heads.device

    def generate(
        self,
        embedding: Embeddings | Float[np.ndarray, "..."] | Path | None = None,
        text: str | Sequence[str] | None = None,
        like: Recording | Sequence[Recording] | None = None,
        *,
        seconds: float = 15.0,
        seed: int = 0,
        draws: int = 1,
        guidance: float | None = None,
        rows: Rows | None = None,
        first_item: int = 0,
        progress: Advance | None = None,
    ) -> list[Reconstruction]:
        """New music, one piece an item and draw (all draws of the first item first).

        A piece follows from its item, the seed, and the numbers of item and draw: it does not depend on how many items
        and draws are made with it.

        Parameters
        ----------
        embedding : in :attr:`conditioner`'s space: :class:`Embeddings`, which say their space and are averaged over
            windows; an array (128,) of one item or (items, windows, 128); (rows, 128) with ``rows``; or a file.
        text : a prompt, or several. like : a sound to be like, or several; a sound is (waveform, sample_rate), or a
            file.
        seconds : 1 to 600; beyond 30 each further 15 continue the 15 before.
        draws : pieces for each item; none is chosen among them.
        guidance : classifier-free guidance of the first two stages, 0 to 100; the checkpoint's own by default.
        rows : what the rows of a two-dimensional embedding are: "items", or "windows" of one item.
        first_item : the number of the first item, where these are some of many.
        progress : called as ``progress(done, total)``.

        Raises
        ------
        InputError : not exactly one of the three is given, or it cannot be used.
        """
        asked: Any = {"seconds": seconds, "seed": seed, "draws": draws, "guidance": guidance}
        return list(self.pieces(embedding, text, like, **asked, rows=rows, first_item=first_item, progress=progress))

    def pieces(
        self,
        embedding: Embeddings | Float[np.ndarray, "..."] | Path | None = None,
        text: str | Sequence[str] | None = None,
        like: Recording | Sequence[Recording] | None = None,
        *,
        seconds: float = 15.0,
        seed: int = 0,
        draws: int = 1,
        guidance: float | None = None,
        rows: Rows | None = None,
        first_item: int = 0,
        progress: Advance | None = None,
    ) -> Iterator[Reconstruction]:
        """What :meth:`generate` gives, each as soon as it is made; what cannot be used is refused before the first."""
        check_length(seconds, draws)
        check_guidance(guidance)
        check_seed(seed)
        prompts = self._prompts(embedding, text, like, rows)
        made = self.waves([prompts.vectors], seconds, seed, draws, guidance, first_item, progress)

        def each() -> Iterator[Reconstruction]:
            for number, wave in enumerate(made):
                item, draw = divmod(number, draws)
                own = {"item": first_item + item, "draw": draw, **prompts.origins[item]}
                yield self.piece(wave, "generate", seed, guidance, own)

        return each()

    def story(
        self,
        texts: str | Sequence[str],
        seconds: float | None = None,
        seed: int = 0,
        guidance: float | None = None,
        progress: Advance | None = None,
    ) -> Reconstruction:
        """One piece whose prompt changes every 15 s, each part continuing the one before (story mode)."""
        texts = as_texts(texts)
        if not texts:
            raise InputError("the story has no prompts", hint="give at least one")
        seconds = SECTION_S * len(texts) if seconds is None else seconds
        check_length(seconds)
        check_guidance(guidance)
        vectors = embed_texts(texts, self.conditioner)
        made = self.waves([row[None] for row in vectors], seconds, seed, 1, guidance, 0, progress)
        return self.piece(next(made), "story", seed, guidance, {"item": 0, "draw": 0, "story": texts})

    def continuation(
        self,
        sound: Recording,
        seconds: float = 15.0,
        seed: int = 0,
        text: str | None = None,
        guidance: float | None = None,
        progress: Advance | None = None,
    ) -> Reconstruction:
        """A recording followed by ``seconds`` of music that goes on from its last 15 s.

        The condition is the recording's own embedding, or a text's. The recording keeps its channels, its sample rate
        and its samples; what is new is made in mono, stands in every channel at that channel's level, and joins without
        a click (:func:`..joining.join`).

        Parameters
        ----------
        sound : (waveform, sample_rate), the waveform mono or (channels, samples); or a file.
        """
        return continued(self, sound, seconds, seed, text, guidance, progress)

    def tokens(
        self,
        conditions: Sequence[Condition],
        seconds: float,
        generator: Randomness,
        guidance: float | None = None,
        prompt: Prompt | None = None,
        advance: Callable[[], None] | None = None,
    ) -> Int[Tensor, "batch levels frames"]:
        """Acoustic codes of all levels: see :meth:`.writer.Writer.tokens`."""
        return self.writer.tokens(conditions, seconds, generator, guidance, prompt, advance)

    def save_pretrained(self, folder: str | Path, codec: str, provenance: dict[str, Any] | None = None) -> Path:
        """Write the model as a folder: a sub-folder a stage, in half precision; the codec is named, not copied."""
        folder = Path(folder)
        for name, stage in self.stages.items():
            stage.save_pretrained(folder / name, half=True)
        self.conditioner.save(folder)
        if self.semantic is not None:
            self.semantic.save(folder)
        if self.refiner is not None:
            self.refiner.save_pretrained(folder / REFINER, half=True)
        if self.postfilter is not None:
            self.postfilter.save(folder)
        plan: Plan = "single" if "acoustic" in self.stages else "three"
        describe(folder, plan, codec, codec_digest(codec), provenance or {}, self.sampling)
        return folder

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        device: str | torch.device = "cpu",
        codec: str | Path | None = None,
        vocoder: str | None = None,
    ) -> "MusicLM":
        """A shipped model by its name, or one in a folder.

        Parameters
        ----------
        codec : where its codec lies, if elsewhere. vocoder : of mel tokens, if another than the model's own.

        Raises
        ------
        InputError : there is no such model, it is incomplete, or its codec is not the one it was trained with.
        """
        return cls(**read_parts(name, device, codec, vocoder))

    def _prompts(self, embedding: Any, text: Any, like: Any, rows: Rows | None) -> Prompts:
        if sum(each is not None for each in (embedding, text, like)) != 1:
            raise InputError("give exactly one of an embedding, a text and a recording to be like")
        if text is not None:
            return of_texts(text, self.conditioner)
        if like is not None:
            return of_sounds(like, self.conditioner)
        return of_embeddings(embedding, self.conditioner, rows)

    def waves(
        self,
        sections: Sequence[Float[Tensor, "items dims"]],
        seconds: float,
        seed: int,
        draws: int,
        guidance: float | None,
        first_item: int = 0,
        progress: Advance | None = None,
        prompt: Prompt | None = None,
    ) -> Iterator[Float32[np.ndarray, " samples"]]:
        """Waveforms of every item and draw, some at a time, each by randomness of its own."""
        if isinstance(self.codec, MelTokenCodec):
            self.codec.vocoder  # noqa: B018 (that it is not here is said before the work)
        items, length = len(sections[0]), round(seconds * self.sample_rate)
        pieces = [(item, draw) for item in range(items) for draw in range(draws)]
        conditions = [Condition.stack([self.conditioner(row[None]) for row in part]) for part in sections]
        counted = Counted(progress, self.writer.steps(seconds, prompt, len(sections)) * -(-len(pieces) // BATCH))
        for first in range(0, len(pieces), BATCH):
            some = pieces[first : first + BATCH]
            rows = [item for item, _ in some]
            part = [Condition(*(each[rows] for each in condition)).to(self.device) for condition in conditions]
            cpu = torch.device("cpu")  # the same numbers on every device
            generators = [seeded(seed, first_item + item, cpu, draw) for item, draw in some]
            for codes in self.tokens(part, seconds, generators, guidance, prompt, counted):
                wave = self.sound_of(codes)[:length]
                yield np.pad(wave, (0, length - len(wave)))

    def codes_of(self, sound: Float32[np.ndarray, " samples"]) -> Int[Tensor, "levels frames"]:
        """Acoustic codes of mono sound at :attr:`rate`."""
        return torch.from_numpy(self.codec.encode(sound[None], self.sample_rate).values.T.astype(np.int64))

    def sound_of(self, codes: Int[Tensor, "levels frames"], drawn: bool = True) -> Float32[np.ndarray, " samples"]:
        """Mono sound at :attr:`rate` of acoustic codes; ``drawn`` ones pass refiner and postfilter, where they are."""
        given = self.as_codes(codes)
        if not drawn or not isinstance(self.codec, MelTokenCodec):
            return self.codec.decode(given)[0]
        mel = self.refined(self.codec.spectrogram(given))
        return self.codec.vocode(mel if self.postfilter is None else self.postfilter(mel), given.samples)[0]

    def refined(self, mel: Float32[np.ndarray, "frames 80"]) -> Float32[np.ndarray, "frames 80"]:
        """What the refiner, where there is one, makes of a spectrogram of drawn codes."""
        return mel if self.refiner is None else self.refiner.refine(mel)

    def as_codes(self, codes: Int[Tensor, "levels frames"]) -> Codes:
        """Acoustic codes as the codec takes them."""
        values = codes.T.cpu().numpy().astype(np.int16)
        return Codes(self.codec.name, values, len(values) * self.codec.hop_length)

    def prompt(self, end: Float32[np.ndarray, " samples"]) -> Prompt:
        """Semantic (where there is such a stage) and acoustic codes of the end of a recording."""
        acoustic = self.codes_of(end)[None].to(self.device)
        if self.semantic is None:
            return None, acoustic
        semantic = self.semantic.encode(end, self.sample_rate, MusicnnFrames(self.device))[: acoustic.shape[2] // 2]
        return semantic[None, None], acoustic

    def piece(
        self, wave: Float32[np.ndarray, "*channels samples"], command: str, seed: int, guidance: float | None, own: Any
    ) -> Reconstruction:
        """A waveform that this model made, with all that decides it."""
        waveform, gain = limited(np.atleast_2d(wave))
        return Reconstruction(
            waveform, self.sample_rate, {**origin(self, command, seed, guidance), "gain": gain, **own}
        )
