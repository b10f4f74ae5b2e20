"""An exponential moving average (EMA) of the weights of models in training."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class EMA:
    """Averaged copies of models: weights ← d · weights + (1 - d) · new weights; buffers are copied.

    After n updates d = min(decay, (1 + n) / (10 + n)), so that the random initial weights are soon forgotten. Codebooks
    of quantizers are buffers because the average of a code and its replacement is neither.

    Parameters
    ----------
    models : dict of str to torch.nn.Module
        Models to average, by name.
    decay : float
        Decay d after many updates.
    device : torch.device
        Device of the copies.
    """

    def __init__(self, models: Mapping[str, nn.Module], decay: float, device: torch.device) -> None:
        copies = {name: copy.deepcopy(model).to(device) for name, model in models.items()}
        self.copies = {name: model.eval().requires_grad_(False) for name, model in copies.items()}
        self.decay, self.updates = decay, 0

    @torch.no_grad()
    def update(self, models: Mapping[str, nn.Module]) -> None:
        """Update the averages with the present weights of the models."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        for name, average in self.copies.items():
            weights: list[Tensor] = list(models[name].parameters())
            if weights:
                torch._foreach_lerp_(list(average.parameters()), weights, 1 - decay)
            for averaged_buffer, buffer in zip(average.buffers(), models[name].buffers(), strict=True):
                averaged_buffer.copy_(buffer)

    @contextmanager
    def evaluation_models(self, models: Mapping[str, nn.Module]) -> Iterator[dict[str, nn.Module]]:
        """Models in eval mode, averaged copies in place of those that have one; back in training mode afterwards."""
        for model in models.values():
            model.eval()
        try:
            yield {**models, **self.copies}
        finally:
            for model in models.values():
                model.train()
