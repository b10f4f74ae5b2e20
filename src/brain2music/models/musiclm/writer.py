"""The cascade of stages: tokens of any length, window after window, one stage after the other."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from ..generator_parts.windows import SECTION_S, Window, windows
from .condition import Condition
from .config import SEMANTIC_FRAME_RATE
from .sampling import Randomness, Sampling
from .stage import MusicLMStage
from .stage_config import StageName

Prompt = tuple[Tensor | None, Tensor]
"""Semantic (batch, 1, n) and acoustic (batch, n_quantizers, 2 n) codes to continue; a single stage needs the latter."""


class Writer:
    """Sampler of acoustic codes with a cascade of stages.

    Parameters
    ----------
    stages : by name: the paper's three, or "acoustic" alone. sampling : parameters of each stage.
    sample_rate, hop_length : of the codec: Hz, and samples per frame.
    """

    def __init__(
        self,
        stages: Mapping[StageName, MusicLMStage],
        sampling: Mapping[StageName, Sampling],
        sample_rate: int,
        hop_length: int,
    ) -> None:
        self.stages, self.sampling, self.sample_rate, self.hop_length = stages, sampling, sample_rate, hop_length

    @torch.inference_mode()
    def tokens(
        self,
        conditions: Sequence[Condition],
        seconds: float,
        generator: Randomness,
        guidance: float | None = None,
        prompt: Prompt | None = None,
        advance: Callable[[], None] | None = None,
        clock: Int[Tensor, "batch rows frames"] | None = None,
    ) -> Int[Tensor, "batch quantizers frames"]:
        """Sample acoustic codes of all quantizers, with one condition per section of 15 s, or one for all.

        Parameters
        ----------
        generator : one for all items together, or one per item: then no item depends on the others.
        prompt : codes to continue. advance : called after each of :meth:`steps`. clock : of all frames, for a single
            stage that was trained with one; None for music without a pulse.
        """
        known_semantic, known = prompt or (None, None)
        if "acoustic" in self.stages:
            frames = self.frames(seconds)
            return self._fill("acoustic", conditions, clock, frames, generator, guidance, known, advance)
        count = round(seconds * SEMANTIC_FRAME_RATE)
        coarse = self.stages["coarse"].config.n_quantizers
        semantic = self._fill("semantic", conditions, None, count, generator, guidance, known_semantic, advance)
        first = None if known is None else known[:, :coarse]
        rough = self._fill("coarse", conditions, semantic, 2 * count, generator, guidance, first, advance)
        return torch.cat([rough, self._fine_tokens(rough, generator)], dim=1)

    def steps(self, seconds: float, prompt: Prompt | None = None, sections: int = 1) -> int:
        """Number of windows that :meth:`tokens` fills, of the stages that take long."""
        known_semantic, known = prompt or (None, None)
        if "acoustic" in self.stages:
            return len(self._windows("acoustic", self.frames(seconds), known, sections))
        count = round(seconds * SEMANTIC_FRAME_RATE)
        first = self._windows("semantic", count, known_semantic, sections)
        return len(first) + len(self._windows("coarse", 2 * count, known, sections))

    def frames(self, seconds: float) -> int:
        """Number of acoustic frames of so many seconds."""
        return math.ceil(seconds * self.sample_rate / self.hop_length)

    def _windows(self, name: StageName, frames: int, known: Tensor | None, sections: int) -> list[Window]:
        config = self.stages[name].config
        section = round(SECTION_S * config.frame_rate) if sections > 1 else None
        stride, done = round(config.stride_s * config.frame_rate), 0 if known is None else known.shape[2]
        return windows(frames, config.frames, stride, done, section)

    def _fill(
        self,
        name: StageName,
        conditions: Sequence[Condition],
        upstream: Int[Tensor, "batch upstream_quantizers upstream_frames"] | None,
        frames: int,
        generator: Randomness,
        guidance: float | None,
        known: Int[Tensor, "batch quantizers known_frames"] | None,
        advance: Callable[[], None] | None,
    ) -> Int[Tensor, "batch quantizers frames"]:
        """Sample a stage's codes of all frames, window after window."""
        stage, sampling = self.stages[name], self.sampling[name]
        if guidance is not None:
            sampling = replace(sampling, guidance=guidance)
        done = _no_codes(len(conditions[0].vector), stage) if known is None else known
        for window in self._windows(name, frames, known, len(conditions)):
            condition = conditions[min(window.section, len(conditions) - 1)]
            visible = _upstream(upstream, window, stage.config.frames_per_upstream)
            prefix = done[:, :, window.start : window.first]
            new = stage.sample(condition, visible, window.stop - window.start, sampling, generator, prefix)
            done = torch.cat([done, new[:, :, window.first - window.start :]], dim=2)
            if advance is not None:
                advance()
        return done

    def _fine_tokens(
        self, coarse: Int[Tensor, "batch coarse_quantizers frames"], generator: Randomness
    ) -> Int[Tensor, "batch fine_quantizers frames"]:
        """Fine tokens, in independent chunks of 3 s that are sampled in parallel (AudioLM)."""
        stage, (batch, _, frames) = self.stages["fine"], coarse.shape
        chunk = min(frames, stage.config.frames)
        padded = torch.cat([coarse, coarse[:, :, -1:].expand(-1, -1, -frames % chunk)], dim=2)
        chunks = padded.unflatten(2, (-1, chunk)).transpose(1, 2).flatten(0, 1)
        fine = stage.sample(None, chunks, chunk, self.sampling["fine"], generator)
        return fine.unflatten(0, (batch, -1)).transpose(1, 2).flatten(2)[:, :, :frames]


def _no_codes(batch: int, stage: MusicLMStage) -> Int[Tensor, "batch quantizers 0"]:
    """Codes of zero frames."""
    return torch.zeros(batch, stage.config.n_quantizers, 0, dtype=torch.long, device=stage.heads.device)


def _upstream(upstream: Tensor | None, window: Window, repeat: int) -> Tensor | None:
    """Upstream tokens of a window."""
    return None if upstream is None else upstream[:, :, window.start // repeat : -(-window.stop // repeat)]
