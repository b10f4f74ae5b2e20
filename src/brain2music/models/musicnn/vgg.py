"""The VGG taggers of the musicnn package, another architecture on the same music: judges that conditioned nothing.

Choi, Fazekas & Sandler 2016 (arXiv 1606.00298), as Pons & Serra 2019 (arXiv 1909.06654) trained it for comparison: five
convolutions of 3 x 3 with maximum pooling, on the same patches of 187 log-mel frames (3 s) as musicnn itself.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32
from torch.nn import functional

from .network import PATCH_FRAMES, Affine, weight_tensor

WIDTH, TAGS = 128, 50
_POOLING = (((4, 1), (2, 2)), ((2, 2), (2, 2)), ((2, 2), (2, 2)), ((2, 2), (2, 2)), ((4, 4), (4, 4)))
_POSITIONS = 2  # of the last layer, in time
_PATCH_BATCH = 8


class VggFeatures(NamedTuple):
    """Outputs of the network per patch: the last layer averaged over time, and tags in [0, 1]."""

    mean_pool: Float32[torch.Tensor, "patches 128"]
    tags: Float32[torch.Tensor, "patches 50"]


class VggNetwork:
    """VGG tagger at inference, in plain tensors without module state.

    Parameters
    ----------
    variables : variables of the checkpoint by name; :class:`ValueError` where one is missing or misshapen.
    """

    dims = WIDTH

    def __init__(self, variables: Mapping[str, np.ndarray]) -> None:
        for name, shape in vgg_shapes().items():
            if name not in variables or variables[name].shape != shape:
                raise ValueError(f"variable {name!r} is missing or misshapen")
        layers = range(1, len(_POOLING) + 1)
        self._kernels = [weight_tensor(variables[f"{layer}CNN/kernel"]).permute(3, 2, 0, 1) for layer in layers]
        self._biases = [weight_tensor(variables[f"{layer}CNN/bias"]) for layer in layers]
        self._norms = [Affine(variables, layer) for layer in (0, *layers)]
        self._out = weight_tensor(variables["dense/kernel"]), weight_tensor(variables["dense/bias"])

    @torch.inference_mode()
    def __call__(self, frames: Float32[torch.Tensor, "frames 96"], starts: list[int]) -> VggFeatures:
        """Compute the features of the patches of log-mel ``frames`` that begin at ``starts``."""
        parts = [starts[first : first + _PATCH_BATCH] for first in range(0, len(starts), _PATCH_BATCH)]
        found = [self._patches(torch.stack([frames[start : start + PATCH_FRAMES] for start in part])) for part in parts]
        return VggFeatures(*(torch.cat(column) for column in zip(*found, strict=True)))

    def _patches(self, patches: Float32[torch.Tensor, "patches 187 96"]) -> tuple[torch.Tensor, torch.Tensor]:
        x = self._norms[0](patches)[:, None]
        for kernel, bias, norm, (size, stride) in zip(
            self._kernels, self._biases, self._norms[1:], _POOLING, strict=True
        ):
            rectified = functional.relu(functional.conv2d(x, kernel, bias, padding=1))
            scaled = rectified * norm.scale[:, None, None] + norm.shift[:, None, None]
            x = functional.max_pool2d(scaled, size, stride)
        last = x.squeeze(3).transpose(1, 2)  # patches, positions in time, channels
        kernel, bias = self._out
        return last.mean(dim=1), torch.sigmoid(last.flatten(1) @ kernel + bias)


def vgg_shapes() -> dict[str, tuple[int, ...]]:
    """Shapes of all variables of the network."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(1, len(_POOLING) + 1):
        shapes[f"{layer}CNN/kernel"] = (3, 3, 1 if layer == 1 else WIDTH, WIDTH)
        shapes[f"{layer}CNN/bias"] = (WIDTH,)
    for number in range(len(_POOLING) + 1):
        prefix = f"batch_normalization_{number}".removesuffix("_0")
        statistics = ("gamma", "beta", "moving_mean", "moving_variance")
        shapes |= {f"{prefix}/{statistic}": (WIDTH if number else 1,) for statistic in statistics}
    return shapes | {"dense/kernel": (_POSITIONS * WIDTH, TAGS), "dense/bias": (TAGS,)}
