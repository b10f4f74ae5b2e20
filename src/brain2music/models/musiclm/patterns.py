"""Patterns: the order in which the codes of a grid (n_quantizers, frames) are predicted.

A pattern places each code in a (step, slot) of a table; one step of the transformer predicts one row of it.

=========  ==============  ==============================  ============================================================
pattern    slots per step  code (quantizer q, frame t) at  source
=========  ==============  ==============================  ============================================================
flattened  1               step t · n_quantizers + q       AudioLM's row-major order, which the papers use
delay      n_quantizers    step t + q, slot q              MusicGen (arXiv 2306.05284): each quantizer one step later
parallel   n_quantizers    step t, slot q                  all quantizers of a frame at once
=========  ==============  ==============================  ============================================================
"""

from functools import cache
from typing import Literal, NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

Pattern = Literal["flattened", "delay", "parallel"]


class Layout(NamedTuple):
    """The layout of a pattern on a grid.

    Attributes
    ----------
    step, slot : where each code is. code : which code (level · frames + frame) is in each slot, -1 where none is.
    frame : the newest frame of each step; what is known of it may condition the step.
    """

    step: Int[Tensor, "quantizers frames"]
    slot: Int[Tensor, "quantizers frames"]
    code: Int[Tensor, "steps slots"]
    frame: Int[Tensor, " steps"]


@cache
@torch.inference_mode(False)  # kept for training too
def layout(pattern: Pattern, n_quantizers: int, frames: int) -> Layout:
    """Layout of a pattern for a grid of the given size; cached, on the CPU."""
    level = torch.arange(n_quantizers)[:, None].expand(n_quantizers, frames)
    frame = torch.arange(frames)[None].expand(n_quantizers, frames)
    if pattern == "flattened":
        step, slot = frame * n_quantizers + level, torch.zeros_like(level)
    elif pattern == "delay":
        step, slot = frame + level, level
    elif pattern == "parallel":
        step, slot = frame, level
    else:
        raise ValueError(f"there is no pattern {pattern!r}")
    code = torch.full((int(step.max()) + 1, int(slot.max()) + 1), -1)
    code[step, slot] = level * frames + frame
    newest = torch.arange(len(code)) // (n_quantizers if pattern == "flattened" else 1)
    return Layout(step.contiguous(), slot.contiguous(), code, newest.clamp(max=frames - 1))


def arrange(
    grid: Int[Tensor, "batch quantizers frames"], table: Layout, empty: int
) -> Int[Tensor, "batch steps slots"]:
    """Arrange the codes of a grid in steps; slots without a code hold ``empty``."""
    flat = torch.cat([grid.flatten(1), grid.new_full((len(grid), 1), empty)], dim=1)
    return flat[:, table.code.to(grid.device)]


def collect(steps: Int[Tensor, "batch steps slots"], table: Layout) -> Int[Tensor, "batch quantizers frames"]:
    """Collect the grid from its steps, the inverse of :func:`arrange`."""
    return steps[:, table.step.to(steps.device), table.slot.to(steps.device)]
