"""An exponential moving average of models' weights (EMA)."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Averages:
    """Averaged copies of models: weights ← d · weights + (1 − d) · new ones; buffers are copied as they are.

    d = min(decay, (1 + n) / (10 + n)) after n updates, so that the first random weights are soon forgotten. A
    quantiser's codebooks are buffers: an average of two of them, where a code was replaced in between, is neither.
    """

    def __init__(self, models: Mapping[str, nn.Module], decay: float, device: torch.device) -> None:
        copies = {name: copy.deepcopy(model).to(device) for name, model in models.items()}
        self.copies = {name: model.eval().requires_grad_(False) for name, model in copies.items()}
        self.decay, self.updates = decay, 0

    @torch.no_grad()
    def update(self, models: Mapping[str, nn.Module]) -> None:
        """Take the models' present weights into the average."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        for name, average in self.copies.items():
            weights: list[Tensor] = list(models[name].parameters())
            if weights:
                torch._foreach_lerp_(list(average.parameters()), weights, 1 - decay)
            for mine, theirs in zip(average.buffers(), models[name].buffers(), strict=True):
                mine.copy_(theirs)

    @contextmanager
    def standing_in(self, models: Mapping[str, nn.Module]) -> Iterator[dict[str, nn.Module]]:
        """The models in eval mode, averaged ones in their place; back in training mode afterwards."""
        for model in models.values():
            model.eval()
        try:
            yield {**models, **self.copies}
        finally:
            for model in models.values():
                model.train()
