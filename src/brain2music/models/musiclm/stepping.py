"""Sampling from a stage: through its pattern step by step, with a cache and with what is known already."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .condition import Condition
from .exact import ExactLogits
from .patterns import Layout, collect
from .sampling import CodeSampler, apply_guidance
from .transformer import Cache

if TYPE_CHECKING:
    from .stage import MusicLMStage

Choice = Callable[[int, Float[Tensor, "batch slots codes"]], Int[Tensor, "batch slots"]]
"""From (step, logits) to the codes of the step's slots."""


def step_through(
    stage: "MusicLMStage",
    condition: Condition | None,
    upstream: Int[Tensor, "batch upstream_quantizers upstream_frames"] | None,
    frames: int,
    choice: Choice,
    known: Int[Tensor, "batch quantizers known_frames"] | None,
    guidance: float,
) -> Int[Tensor, "batch quantizers frames"]:
    """Step through the pattern of a stage; see :meth:`.stage.MusicLMStage.step_through`."""
    exact = ExactLogits(stage, condition, upstream, frames, guidance)
    if condition is not None and guidance != 1.0:
        condition, upstream = condition.with_null(), stage.with_null(upstream)
    table, twice = stage._layout(frames), 2 if guidance != 1.0 else 1
    prefix, aligned = stage.prefix(condition, upstream), stage._aligned(condition, upstream, table)
    steps, fixed, first = _plan(stage, table, frames, known, len(prefix) // twice)
    cache = stage.transformer.new_cache(len(prefix), prefix.shape[1] + len(table.code))
    echoed = stage.echoed_steps(upstream, table) if stage.config.echoes and upstream is not None else None
    inputs = stage._inputs(steps, first + 1).repeat(twice, 1, 1) + aligned[:, : first + 1]
    if echoed is not None:
        inputs = inputs + stage.echo(steps.repeat(twice, 1, 1), echoed[:, :, : first + 1])
    hidden = stage.transformer(torch.cat([prefix, inputs], dim=1), cache)[:, -1]
    for step in range(first, len(table.code)):
        logits = stage._logits(hidden, step)
        codes = choice(step, apply_guidance(logits, guidance) if twice == 2 else logits)
        if isinstance(choice, CodeSampler):
            codes = choice.recheck_close(codes, exact.after(steps, step))
        steps[:, step] = torch.where(fixed[step], steps[:, step], codes + _offsets(stage, step))
        if step + 1 < len(table.code):
            added = aligned[:, min(step + 1, aligned.shape[1] - 1)]
            if echoed is not None:
                added = added + stage.echo(steps.repeat(twice, 1, 1), echoed[:, :, step + 1 : step + 2])[:, 0]
            hidden = _advance(stage, cache, steps[:, step], added, twice)
    return collect(steps, table) - _first_ids(stage)[:, None]


def _plan(
    stage: "MusicLMStage", table: Layout, frames: int, known: Tensor | None, batch: int
) -> tuple[Int[Tensor, "batch steps slots"], Bool[Tensor, "steps slots"], int]:
    """The steps so far, which of their slots are fixed (known or empty), and the first step to fill."""
    device = stage.heads.device
    grid = torch.zeros(batch, stage.config.n_quantizers, frames, dtype=torch.long, device=device)
    done = 0 if known is None else known.shape[2]
    if known is not None:
        grid[:, :, :done] = known
    fixed = (table.code < 0) | (table.code % frames < done)
    open_steps = (~fixed).any(1).nonzero()
    if len(open_steps) == 0:
        raise ValueError("all frames are known already")
    return stage._arrange(grid, table), fixed.to(device), int(open_steps[0])


def _advance(
    stage: "MusicLMStage",
    cache: Cache,
    tokens: Int[Tensor, "batch slots"],
    aligned: Float[Tensor, "items width"],
    twice: int,
) -> Float[Tensor, "all width"]:
    inputs = stage.lift(stage.table(tokens).flatten(1))
    return cache.step((inputs if twice == 1 else inputs.repeat(2, 1)) + aligned)


def _offsets(stage: "MusicLMStage", step: int) -> Int[Tensor, " slots"]:
    ids = _first_ids(stage)
    return ids[step % stage.config.n_quantizers][None] if stage.config.pattern == "flattened" else ids


def _first_ids(stage: "MusicLMStage") -> Int[Tensor, " quantizers"]:
    """Id of code 0 of each predicted quantizer."""
    zeros = torch.zeros(stage.config.n_quantizers, 1, dtype=torch.long, device=stage.heads.device)
    return stage.space.encode(stage.config.family, zeros, stage.config.first_quantizer)[:, 0]
