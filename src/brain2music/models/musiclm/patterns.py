"""In which order the codes of a frame grid (levels, frames) are predicted: patterns as data.

A pattern places each code in a (step, slot) of a table; one step of the transformer predicts one row of it.

=========  =============  ==========================  ===================================================
pattern    slots a step   code (level q, frame t) at  source
=========  =============  ==========================  ===================================================
flattened  1              step t · levels + q         AudioLM's row-major order: what the papers use
delay      levels         step t + q, slot q          MusicGen (arXiv 2306.05284): each level a step later
parallel   levels         step t, slot q              all levels of a frame at once
=========  =============  ==========================  ===================================================
"""

from functools import cache
from typing import Literal, NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

Pattern = Literal["flattened", "delay", "parallel"]


class Layout(NamedTuple):
    """A pattern on a grid.

    Attributes
    ----------
    step, slot : where each code is. code : which code (level · frames + frame) is in each slot, -1 where none is.
    frame : the newest frame of each step; what is known of it may condition the step.
    """

    step: Int[Tensor, "levels frames"]
    slot: Int[Tensor, "levels frames"]
    code: Int[Tensor, "steps slots"]
    frame: Int[Tensor, " steps"]


@cache
@torch.inference_mode(False)  # kept for training too
def layout(pattern: Pattern, levels: int, frames: int) -> Layout:
    """The pattern's table for a grid of so many levels and frames; on the CPU, kept."""
    level = torch.arange(levels)[:, None].expand(levels, frames)
    frame = torch.arange(frames)[None].expand(levels, frames)
    if pattern == "flattened":
        step, slot = frame * levels + level, torch.zeros_like(level)
    elif pattern == "delay":
        step, slot = frame + level, level
    elif pattern == "parallel":
        step, slot = frame, level
    else:
        raise ValueError(f"there is no pattern {pattern!r}")
    code = torch.full((int(step.max()) + 1, int(slot.max()) + 1), -1)
    code[step, slot] = level * frames + frame
    newest = torch.arange(len(code)) // (levels if pattern == "flattened" else 1)
    return Layout(step.contiguous(), slot.contiguous(), code, newest.clamp(max=frames - 1))


def arrange(grid: Int[Tensor, "batch levels frames"], table: Layout, empty: int) -> Int[Tensor, "batch steps slots"]:
    """Put a grid into its steps; slots without a code hold ``empty``."""
    flat = torch.cat([grid.flatten(1), grid.new_full((len(grid), 1), empty)], dim=1)
    return flat[:, table.code.to(grid.device)]


def collect(steps: Int[Tensor, "batch steps slots"], table: Layout) -> Int[Tensor, "batch levels frames"]:
    """The grid that :func:`arrange` put into steps."""
    return steps[:, table.step.to(steps.device), table.slot.to(steps.device)]
