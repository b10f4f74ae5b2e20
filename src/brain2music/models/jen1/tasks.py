"""The three tasks that one model is trained on, a third of each batch (JEN-1, section 4.3), and their masks.

* text to music: nothing is known; in both modes.
* inpainting: a contiguous part of 20 to 80 % is missing, somewhere; bidirectional.
* continuation: the end, 20 to 80 %, is missing; causal.

Each item has a mask of its own.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

SHORTEST_GAP, LONGEST_GAP = 0.2, 0.8
"""Shares of the frames that inpainting and continuation leave out."""


class TaskBatch(NamedTuple):
    """Rows of a batch that share a mode, and their masks (rows, 1, frames), 1 where latents are known."""

    rows: list[int]
    mask: Float[Tensor, "rows 1 frames"]
    causal: bool


@dataclass(frozen=True)
class TaskMix:
    """Which of JEN-1's tasks and modes are trained: the switches of its ablation (table 2).

    Attributes
    ----------
    causal : bool
        Whether half of text to music is trained causally; without it that mode is never seen there.
    inpainting, continuation : bool
        Whether a third of the batch is that task; without it these items are text to music.

    Examples
    --------
    >>> [(len(part.rows), part.causal) for part in TaskMix().divide(12, 100, torch.Generator().manual_seed(0))]
    [(6, False), (6, True)]
    >>> TaskMix(causal=False, inpainting=False, continuation=False).divide(12, 100, torch.Generator())[0].mask.sum()
    tensor(0.)
    """

    causal: bool = True
    inpainting: bool = True
    continuation: bool = True

    def divide(self, batch: int, frames: int, generator: torch.Generator) -> list[TaskBatch]:
        """Deal the items of a batch to tasks, and draw their masks.

        Parameters
        ----------
        batch : int
            Items; a multiple of six gives every task its third.
        frames : int
            Frames of an item.
        generator : torch.Generator
            Of the masks.

        Returns
        -------
        list of TaskBatch
            The rows of each mode that occurs; every row occurs once.
        """
        modes: dict[bool, list[tuple[int, Tensor]]] = {False: [], True: []}
        for row in range(batch):
            task, mask = row % 3, torch.zeros(frames)
            is_causal = self.causal and row // 3 % 2 == 1
            if task == 1 and self.inpainting:
                mask, is_causal = inpainting_mask(frames, generator), False
            elif task == 2 and self.continuation:
                mask, is_causal = continuation_mask(frames, generator), True
            modes[is_causal].append((row, mask))
        return [
            TaskBatch([row for row, _ in items], torch.stack([mask for _, mask in items])[:, None], is_causal)
            for is_causal, items in modes.items()
            if items
        ]


def inpainting_mask(frames: int, generator: torch.Generator) -> Float[Tensor, " frames"]:
    """Mask of a gap of 20 to 80 % of the frames at a random place.

    Parameters
    ----------
    frames : int
        Frames of the item.
    generator : torch.Generator
        Of length and place.

    Returns
    -------
    (frames,)
        1 where latents are known, 0 in the gap.

    Examples
    --------
    >>> mask = inpainting_mask(100, torch.Generator().manual_seed(0))
    >>> 20 <= int((mask == 0).sum()) <= 80
    True
    """
    gap = _gap(frames, generator)
    first = int(torch.randint(0, frames - gap + 1, (), generator=generator))
    mask = torch.ones(frames)
    mask[first : first + gap] = 0
    return mask


def continuation_mask(frames: int, generator: torch.Generator) -> Float[Tensor, " frames"]:
    """Mask of a missing end of 20 to 80 % of the frames.

    Parameters
    ----------
    frames : int
        Frames of the item.
    generator : torch.Generator
        Of the length.

    Returns
    -------
    (frames,)
        1 where latents are known, 0 after that.

    Examples
    --------
    >>> continuation_mask(10, torch.Generator().manual_seed(0)).diff().abs().sum()
    tensor(1.)
    """
    mask = torch.ones(frames)
    mask[frames - _gap(frames, generator) :] = 0
    return mask


def _gap(frames: int, generator: torch.Generator) -> int:
    """Length of a gap, uniform over the frames that 20 to 80 % allow."""
    least, most = round(SHORTEST_GAP * frames), round(LONGEST_GAP * frames)
    return int(torch.randint(max(1, least), max(1, most) + 1, (), generator=generator))
