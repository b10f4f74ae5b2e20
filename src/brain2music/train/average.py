"""An exponential moving average of models' weights (EMA)."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn


class Averages:
    """Averaged copies of models: weights ← d · weights + (1 − d) · new ones, buffers of floats likewise.

    d = min(decay, (1 + n) / (10 + n)) after n updates, so that the first random weights are soon forgotten.
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
            mine, theirs = average.state_dict(), models[name].state_dict()
            floats = [key for key, value in mine.items() if value.is_floating_point()]
            torch._foreach_lerp_([mine[key] for key in floats], [theirs[key] for key in floats], 1 - decay)
            for key in mine.keys() - set(floats):
                mine[key].copy_(theirs[key])

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
