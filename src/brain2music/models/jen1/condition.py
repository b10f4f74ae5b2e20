"""What the diffusion model is conditioned on: token states of a text, a joint embedding, both, or neither."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..generator_parts.clock import hide_clock, without_clock


@dataclass(frozen=True)
class DiffusionCondition:
    """Conditions of a batch; what an item does not have is not shown, and its values there do not matter.

    Attributes
    ----------
    text : (batch, tokens, text_dim)
        Token states of a text.
    words : (batch, tokens)
        Which of the tokens are of the text, not padding.
    embedding : (batch, embedding_dim)
        Joint embedding, of unit length.
    shown : (batch, 2)
        Whether the text and the embedding are shown.
    clock : (batch, rows, frames), optional
        Beat clock of every frame (:func:`.beats.clock_of`); None where the beat is not known.

    Examples
    --------
    >>> from brain2music.models.jen1 import DiffusionCondition
    >>> null = DiffusionCondition.null(2, text_dim=8, embedding_dim=4)
    >>> null.shown.any().item(), len(null)
    (False, 2)
    """

    text: Float[Tensor, "batch tokens text_dim"]
    words: Bool[Tensor, "batch tokens"]
    embedding: Float[Tensor, "batch embedding_dim"]
    shown: Bool[Tensor, "batch 2"]
    clock: Int[Tensor, "batch rows frames"] | None = None

    @classmethod
    def null(cls, batch: int, text_dim: int, embedding_dim: int) -> "DiffusionCondition":
        """The condition of nothing.

        Parameters
        ----------
        batch : int
            Items.
        text_dim, embedding_dim : int
            Dimensions of both conditions, as the network has them.

        Returns
        -------
        DiffusionCondition
            Nothing of it is shown.
        """
        return cls(
            torch.zeros(batch, 1, text_dim),
            torch.zeros(batch, 1, dtype=torch.bool),
            torch.zeros(batch, embedding_dim),
            torch.zeros(batch, 2, dtype=torch.bool),
        )

    @classmethod
    def stack(cls, conditions: Sequence["DiffusionCondition"]) -> "DiffusionCondition":
        """One batch of several, with texts padded to the longest.

        Parameters
        ----------
        conditions : sequence of DiffusionCondition
            At least one.

        Returns
        -------
        DiffusionCondition
            The items of all, in order.
        """
        longest = max(each.text.shape[1] for each in conditions)
        padded = []
        for each in conditions:
            missing = longest - each.text.shape[1]
            text = torch.nn.functional.pad(each.text, (0, 0, 0, missing))
            words = torch.nn.functional.pad(each.words, (0, missing))
            padded.append(replace(each, text=text, words=words))
        values = [[getattr(each, name.name) for each in padded] for name in fields(cls)]
        joined: list[Any] = [None if column[0] is None else torch.cat(column) for column in values]
        return cls(*joined)

    def __len__(self) -> int:
        """Items."""
        return len(self.shown)

    def __getitem__(self, rows: slice | list[int] | Int[Tensor, " chosen"]) -> "DiffusionCondition":
        """The conditions of some items."""
        return self._each(lambda value: value[rows])

    def to(self, device: torch.device | str) -> "DiffusionCondition":
        """The same on a device."""
        return self._each(lambda value: value.to(device))

    def hidden(self) -> "DiffusionCondition":
        """The same conditions, none of them shown: what guidance compares with."""
        clock = None if self.clock is None else without_clock(self.clock)
        return replace(self, shown=torch.zeros_like(self.shown), clock=clock)

    def during(self, first: int, stop: int) -> "DiffusionCondition":
        """The conditions of some of the frames."""
        return self if self.clock is None else replace(self, clock=self.clock[:, :, first:stop])

    def dropped(
        self, shares: tuple[float, float, float], clock_shares: tuple[float, float, float] = (0.0, 0.0, 0.0)
    ) -> "DiffusionCondition":
        """Hide conditions at random for training, item by item, with torch's global generator.

        Parameters
        ----------
        shares : tuple of float
            Probabilities that an item is shown nothing, its text only, and its embedding only; otherwise it is shown
            all that it has. An item that lacks the one is shown the other.
        clock_shares : tuple of float
            Probabilities that the clock is hidden of an item that is shown something, of one that is shown nothing, and
            that only its bar is.

        Returns
        -------
        DiffusionCondition
            The same values with less shown.
        """
        nothing, text_only, embedding_only = shares
        draw = torch.rand(len(self), device=self.shown.device)
        has_text, has_embedding = self.shown.unbind(1)
        hide_embedding = (draw >= nothing) & (draw < nothing + text_only) & has_text
        hide_text = (draw >= nothing + text_only) & (draw < nothing + text_only + embedding_only) & has_embedding
        kept = self.shown & ~torch.stack([hide_text, hide_embedding], dim=1)
        shown = kept & (draw >= nothing)[:, None]
        clock = None if self.clock is None else hide_clock(self.clock, ~shown.any(dim=1), clock_shares)
        return replace(self, shown=shown, clock=clock)

    def _each(self, change: Callable[[Tensor], Tensor]) -> "DiffusionCondition":
        values = [getattr(self, field.name) for field in fields(self)]
        changed: list[Any] = [None if value is None else change(value) for value in values]
        return DiffusionCondition(*changed)
