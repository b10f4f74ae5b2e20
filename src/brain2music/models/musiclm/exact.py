"""Logits of single items in double precision, independent of the batch they are computed in."""

import copy
from collections.abc import Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .sampling import apply_guidance

if TYPE_CHECKING:
    from .condition import Condition
    from .stage import MusicLMStage


class ExactLogits:
    """Logits of single items in double precision, from all tokens before; independent of the batch.

    Parameters
    ----------
    condition, upstream, frames, guidance : as for :meth:`.stage.MusicLMStage.step_through`.
    """

    def __init__(
        self,
        stage: "MusicLMStage",
        condition: "Condition | None",
        upstream: Tensor | None,
        frames: int,
        guidance: float,
    ) -> None:
        self._stage, self._condition, self._upstream = stage, condition, upstream
        self._table, self._guidance = stage._layout(frames), guidance

    def after(self, steps: Int[Tensor, "batch steps slots"], step: int) -> Callable[[int], Tensor]:
        """A function from an item to (slots, codes), its logits of a step after the steps before it."""
        return partial(self._of, steps, step)

    @cached_property
    def _double(self) -> "MusicLMStage":
        return copy.deepcopy(self._stage).double()

    def _of(self, steps: Int[Tensor, "batch steps slots"], step: int, item: int) -> Float[Tensor, "slots codes"]:
        row, stage = slice(item, item + 1), self._double
        condition = None if self._condition is None else self._condition.item(item).double()
        upstream, before = None if self._upstream is None else self._upstream[row], steps[row]
        is_guided = condition is not None and self._guidance != 1.0
        if condition is not None and is_guided:
            condition, before = condition.with_null(), before.repeat(2, 1, 1)
            upstream = stage.with_null(upstream)
        prefix, aligned = stage.prefix(condition, upstream), stage._aligned(condition, upstream, self._table)
        inputs = stage._inputs(before, step + 1) + aligned[:, : step + 1]
        if stage.config.echoes and upstream is not None:
            inputs = inputs + stage.echo(before, stage.echoed_steps(upstream, self._table)[:, :, : step + 1])
        logits = stage._logits(stage.transformer(torch.cat([prefix, inputs], dim=1))[:, -1], step)
        return (apply_guidance(logits, self._guidance) if is_guided else logits)[0]
