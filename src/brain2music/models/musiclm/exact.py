"""What a stage says of one piece, as exactly as matters, whatever was computed beside it."""

import copy
from collections.abc import Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .sampling import guided

if TYPE_CHECKING:
    from .stage import Condition, Stage


class ExactLogits:
    """Logits of single items in double precision, from all tokens before: the same whatever batch an item is in.

    Parameters
    ----------
    condition, given, frames, guidance : as of :meth:`Stage.walk`.
    """

    def __init__(
        self, stage: "Stage", condition: "Condition | None", given: Tensor | None, frames: int, guidance: float
    ) -> None:
        self._stage, self._condition, self._given = stage, condition, given
        self._table, self._guidance = stage._layout(frames), guidance

    def after(self, steps: Int[Tensor, "batch steps slots"], step: int) -> Callable[[int], Tensor]:
        """Item -> (slots, codes), the logits of a step after the steps before it."""
        return partial(self._of, steps, step)

    @cached_property
    def _double(self) -> "Stage":
        return copy.deepcopy(self._stage).double()

    def _of(self, steps: Int[Tensor, "batch steps slots"], step: int, item: int) -> Float[Tensor, "slots codes"]:
        one, stage = slice(item, item + 1), self._double
        condition = None if self._condition is None else self._condition.item(item).double()
        given, before = None if self._given is None else self._given[one], steps[one]
        is_guided = condition is not None and self._guidance != 1.0
        if condition is not None and is_guided:
            condition, before = condition.beside_null(), before.repeat(2, 1, 1)
            given = None if given is None else given.repeat(2, 1, 1)
        prefix, aligned = stage.prefix(condition, given), stage._aligned(condition, given, self._table)
        inputs = stage._inputs(before, step + 1) + aligned[:, : step + 1]
        logits = stage._logits(stage.transformer(torch.cat([prefix, inputs], dim=1))[:, -1], step)
        return (guided(logits, self._guidance) if is_guided else logits)[0]
