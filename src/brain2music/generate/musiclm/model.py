"""MusicLM whole: an embedding, a text or a recording in, music out.

Agostinelli et al., "MusicLM: generating music from text" (2023, arXiv 2301.11325). Brain2Music conditions it on the
embedding decoded from the brain. Three stages write tokens, one after the other, and a codec makes them sound (a model
of a single stage writes the acoustic tokens at once, and may do so for a codec of any frame rate)::

    embedding ─► semantic tokens ─► coarse acoustic tokens ─► fine acoustic tokens ─► waveform
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor

from ...codec.codes import Codes, TokenCodec
from ...codec.mel_tokens import MelTokenCodec
from ...embed.embeddings import Embeddings, Space
from ...embed.windows import mono_at
from ...errors import InputError
from ..reconstruction import Reconstruction
from .condition import Conditioner
from .config import SEMANTIC_RATE, Plan, StageName
from .folder import codec_digest, describe, read_parts
from .postfilter import Postfilter
from .prompts import Sound, check_length, embed_sounds, embed_texts, seeded
from .refiner import FOLDER as REFINER
from .refiner import Refiner
from .sampling import Sampling
from .semantic import MusicnnFrames, SemanticTokenizer
from .stage import Condition, Stage
from .windows import SECTION_S, Window, windows

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
        for stage in stages.values():
            stage.eval()

    @property
    def rate(self) -> int:
        """Hz of what it makes."""
        return self.codec.rate

    @property
    def space(self) -> Space:
        """Of the embeddings it takes."""
        return self.conditioner.space

    @property
    def device(self) -> torch.device:
        """Where the stages are."""
        return next(iter(self.stages.values())).heads.device

    def generate(
        self,
        embedding: Embeddings | Float[np.ndarray, "*items dims"] | None = None,
        text: Sequence[str] | None = None,
        like: Sequence[Sound] | None = None,
        *,
        seconds: float = 15.0,
        seed: int = 0,
        draws: int = 1,
        guidance: float | None = None,
    ) -> list[Reconstruction]:
        """New music, one piece an item and draw (all draws of the first item first).

        Parameters
        ----------
        embedding : (items, 128) or (128,) in :attr:`conditioner`'s space, or :class:`Embeddings`, which say their
            space and are averaged over windows. text : prompts. like : sounds to be like.
        seconds : 1 to 600; beyond 30 each further 15 continue the 15 before.
        draws : pieces for each item; none is chosen among them.
        guidance : classifier-free guidance of the first two stages; the checkpoint's own by default.

        Raises
        ------
        InputError : not exactly one of the three is given, or it cannot be used.
        """
        check_length(seconds, draws)
        vectors, what = self._vectors(embedding, text, like)
        made = self._batched([vectors], seconds, seed, draws, guidance)
        labels = [label for label in what for _ in range(draws)]
        return [self._reconstruction(made[i], seed, i % draws, label, guidance) for i, label in enumerate(labels)]

    def story(
        self, texts: Sequence[str], seconds: float | None = None, seed: int = 0, guidance: float | None = None
    ) -> Reconstruction:
        """One piece whose prompt changes every 15 s, each part continuing the one before (story mode)."""
        if not texts:
            raise InputError("the story has no prompts", mend="give at least one")
        seconds = SECTION_S * len(texts) if seconds is None else seconds
        check_length(seconds)
        vectors = embed_texts(texts, self.conditioner)
        made = self._batched([row[None] for row in vectors], seconds, seed, 1, guidance)
        return self._reconstruction(made[0], seed, 0, {"story": list(texts)}, guidance)

    def continuation(
        self,
        sound: Sound,
        seconds: float = 15.0,
        seed: int = 0,
        text: str | None = None,
        guidance: float | None = None,
    ) -> Reconstruction:
        """A recording followed by ``seconds`` of music that goes on from its last 15 s.

        The condition is the recording's own embedding, or a text's. Its own part stays as it was, in mono at the
        codec's rate.
        """
        check_length(seconds)
        own = mono_at(*sound, self.rate)
        if len(own) < self.rate:
            raise InputError(
                f"a recording of {len(own) / self.rate:.2f} s cannot be continued", mend="give 1 s or more"
            )
        end = own[-round(SECTION_S * self.rate) :]
        unit = 2 * self.codec.frame  # a semantic token spans two frames of the codec
        end = end[len(end) % unit :]
        if text is not None:
            vectors = embed_texts([text], self.conditioner)
        else:
            vectors = embed_sounds([(end, self.rate)], self.conditioner)
        prompt = self._prompt(end)
        length = len(end) / self.rate + seconds
        made = self._batched([vectors], length, seed, 1, guidance, prompt)[0][len(end) :]
        label = {"continues_s": len(own) / self.rate, "text": text}
        return self._reconstruction(np.concatenate([own, made]), seed, 0, label, guidance)

    @torch.inference_mode()
    def tokens(
        self,
        conditions: Sequence[Condition],
        seconds: float,
        generator: torch.Generator,
        guidance: float | None = None,
        prompt: tuple[Tensor | None, Tensor] | None = None,
    ) -> Int[Tensor, "batch levels frames"]:
        """Acoustic codes of all levels; a condition a section of 15 s, or one for all of it.

        ``prompt`` holds the semantic (batch, 1, n) and acoustic (batch, levels, 2 n) codes to go on from.
        """
        known_semantic, known = prompt or (None, None)
        if "acoustic" in self.stages:
            frames = math.ceil(seconds * self.rate / self.codec.frame)
            return self._fill("acoustic", conditions, None, frames, generator, guidance, known)
        count = round(seconds * SEMANTIC_RATE)
        coarse = self.stages["coarse"].config.levels
        semantic = self._fill("semantic", conditions, None, count, generator, guidance, known_semantic)
        first = None if known is None else known[:, :coarse]
        rough = self._fill("coarse", conditions, semantic, 2 * count, generator, guidance, first)
        return torch.cat([rough, self._refine(rough, generator)], dim=1)

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

    def _vectors(
        self, embedding: Embeddings | np.ndarray | None, text: Sequence[str] | None, like: Sequence[Sound] | None
    ) -> tuple[Float[Tensor, "items dims"], list[dict[str, Any]]]:
        if sum(each is not None for each in (embedding, text, like)) != 1:
            raise InputError("give exactly one of an embedding, a text and a recording to be like")
        if text is not None:
            return embed_texts(text, self.conditioner), [{"text": each} for each in text]
        if like is not None:
            return embed_sounds(like, self.conditioner), [{"like": "a recording"}] * len(like)
        if isinstance(embedding, Embeddings):
            vectors = self.conditioner.check(embedding.mean, embedding.space)
        else:
            vectors = self.conditioner.check(np.asarray(embedding))
        return vectors, [{"embedding": self.conditioner.space.name}] * len(vectors)

    def _batched(
        self,
        sections: Sequence[Float[Tensor, "items dims"]],
        seconds: float,
        seed: int,
        draws: int,
        guidance: float | None,
        prompt: tuple[Tensor | None, Tensor] | None = None,
    ) -> list[Float32[np.ndarray, " samples"]]:
        """Waveforms of every item and draw, a batch at a time."""
        device = self.device
        conditions = [self.conditioner(part).repeat(draws).to(device) for part in sections]
        made: list[np.ndarray] = []
        for number, first in enumerate(range(0, len(conditions[0].vector), BATCH)):
            part = [Condition(*(each[first : first + BATCH] for each in condition)) for condition in conditions]
            codes = self.tokens(part, seconds, seeded(seed, number, device), guidance, prompt)
            made += [self.sound_of(row) for row in codes]
        length = round(seconds * self.rate)
        return [np.pad(wave[:length], (0, max(0, length - len(wave)))) for wave in made]

    def _fill(
        self,
        name: StageName,
        conditions: Sequence[Condition],
        given: Int[Tensor, "batch given_levels given_frames"] | None,
        frames: int,
        generator: torch.Generator,
        guidance: float | None,
        known: Int[Tensor, "batch levels known_frames"] | None,
    ) -> Int[Tensor, "batch levels frames"]:
        """A stage's codes of all frames, window after window."""
        stage, sampling = self.stages[name], self.sampling[name]
        config = stage.config
        if guidance is not None:
            sampling = replace(sampling, guidance=guidance)
        batch = len(conditions[0].vector)
        done = _nothing(batch, config.levels, stage) if known is None else known
        section = round(SECTION_S * config.rate) if len(conditions) > 1 else None
        stride, crop = round(config.stride_s * config.rate), config.frames
        for window in windows(frames, crop, stride, done.shape[2], section):
            condition = conditions[min(window.section, len(conditions) - 1)]
            seen = _given(given, window, config.given_repeat)
            prefix = done[:, :, window.start : window.first]
            new = stage.sample(condition, seen, window.stop - window.start, sampling, generator, prefix)
            done = torch.cat([done, new[:, :, window.first - window.start :]], dim=2)
        return done

    def _refine(
        self, coarse: Int[Tensor, "batch coarse_levels frames"], generator: torch.Generator
    ) -> Int[Tensor, "batch fine_levels frames"]:
        """Fine levels, in chunks of 3 s that know nothing of each other and are made side by side (AudioLM)."""
        stage, (batch, _, frames) = self.stages["fine"], coarse.shape
        chunk = min(frames, stage.config.frames)
        padded = torch.cat([coarse, coarse[:, :, -1:].expand(-1, -1, -frames % chunk)], dim=2)
        chunks = padded.unflatten(2, (-1, chunk)).transpose(1, 2).flatten(0, 1)
        fine = stage.sample(None, chunks, chunk, self.sampling["fine"], generator)
        return fine.unflatten(0, (batch, -1)).transpose(1, 2).flatten(2)[:, :, :frames]

    def codes_of(self, sound: Float32[np.ndarray, " samples"]) -> Int[Tensor, "levels frames"]:
        """Acoustic codes of mono sound at :attr:`rate`."""
        return torch.from_numpy(self.codec.encode(sound[None], self.rate).values.T.astype(np.int64))

    def sound_of(self, codes: Int[Tensor, "levels frames"], drawn: bool = True) -> Float32[np.ndarray, " samples"]:
        """Mono sound at :attr:`rate` of acoustic codes; ``drawn`` ones pass refiner and postfilter, where they are."""
        given = self.as_codes(codes)
        if not drawn or not isinstance(self.codec, MelTokenCodec):
            return self.codec.decode(given)[0]
        mel = self.refined(self.codec.spectrogram(given))
        return self.codec.sing(mel if self.postfilter is None else self.postfilter(mel), given.samples)[0]

    def refined(self, mel: Float32[np.ndarray, "frames 80"]) -> Float32[np.ndarray, "frames 80"]:
        """What the refiner, where there is one, makes of a spectrogram of drawn codes."""
        return mel if self.refiner is None else self.refiner.refine(mel)

    def as_codes(self, codes: Int[Tensor, "levels frames"]) -> Codes:
        """Acoustic codes as the codec takes them."""
        values = codes.T.cpu().numpy().astype(np.int16)
        return Codes(self.codec.name, values, len(values) * self.codec.frame)

    def _prompt(self, end: Float32[np.ndarray, " samples"]) -> tuple[Tensor | None, Tensor]:
        """Semantic (where there is such a stage) and acoustic codes of the end of a recording."""
        acoustic = self.codes_of(end)[None].to(self.device)
        if self.semantic is None:
            return None, acoustic
        semantic = self.semantic.encode(end, self.rate, MusicnnFrames(self.device))[: acoustic.shape[2] // 2]
        return semantic[None, None], acoustic

    def _reconstruction(
        self, wave: Float32[np.ndarray, " samples"], seed: int, draw: int, what: dict[str, Any], guidance: float | None
    ) -> Reconstruction:
        source = {"generator": "musiclm", "checkpoint": self.name, "seed": seed, "draw": draw, **what}
        if guidance is not None:
            source["guidance"] = guidance
        return Reconstruction(np.ascontiguousarray(wave[None], dtype=np.float32), self.rate, source)


def _nothing(batch: int, levels: int, stage: Stage) -> Int[Tensor, "batch levels 0"]:
    """No codes yet."""
    return torch.zeros(batch, levels, 0, dtype=torch.long, device=stage.heads.device)


def _given(given: Tensor | None, window: Window, repeat: int) -> Tensor | None:
    """What a window sees of the tokens given to its stage."""
    return None if given is None else given[:, :, window.start // repeat : -(-window.stop // repeat)]
