"""Network of musicnn at inference, in plain tensors.

It reads patches of 187 log-mel frames (3 s). Overlapping patches share the outputs of filters, except for the frames at
both ends of a patch, where filters read zeros; the results are those of separate patches.
"""

import copy
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float32
from torch.nn import functional

PATCH_FRAMES = 187
DIMS = 753
_EPSILON = 1e-3
_TIMBRAL, _TEMPORAL = (0, 1), (2, 3, 4)
_PATCH_BATCH = 16  # limits the memory for long recordings
_LONGEST_SHARED = (
    32  # frames on one side of a filter; with longer filters most frames of a patch read zeros beyond its ends
)


class Features(NamedTuple):
    """Outputs of the network per patch: pooled features, the penultimate layer, and tags in [0, 1]."""

    mean_pool: Float32[torch.Tensor, "patches 753"]
    max_pool: Float32[torch.Tensor, "patches 753"]
    penultimate: Float32[torch.Tensor, "patches 200"]
    tags: Float32[torch.Tensor, "patches 50"]


class MusicnnNetwork:
    """Network of musicnn at inference, in plain tensors without module state.

    Parameters
    ----------
    variables : variables of the checkpoint by name; :class:`ValueError` where one is missing or misshapen.
    """

    dims = DIMS

    def __init__(self, variables: Mapping[str, np.ndarray]) -> None:
        if wrong := [
            name for name, shape in _shapes().items() if name not in variables or variables[name].shape != shape
        ]:
            raise ValueError(f"variable {wrong[0]!r} is missing or misshapen")
        self._input = Affine(variables, 0)
        self._front = [MaxBlock(variables, number) for number in (*_TIMBRAL, *_TEMPORAL)]
        self._middle = [_Block(variables, number) for number in (5, 6, 7)]
        self._pooled, self._last = Affine(variables, 9), Affine(variables, 10)
        self._dense, self._out = _Linear(variables, "dense"), _Linear(variables, "dense_1")

    @torch.inference_mode()
    def __call__(self, frames: Float32[torch.Tensor, "frames 96"], starts: list[int]) -> Features:
        """Compute the features of the patches of log-mel ``frames`` that begin at ``starts``."""
        normalised, patches = self._input(frames), []
        for first in range(0, len(starts), _PATCH_BATCH):
            batch = starts[first : first + _PATCH_BATCH]
            stretch, offsets = normalised[min(batch) : max(batch) + PATCH_FRAMES], [s - min(batch) for s in batch]
            fronts = zip(*(block.patches(stretch, offsets) for block in self._front), strict=True)
            patches += [self._pool(self._middle_maps(torch.cat(front))) for front in fronts]
        return Features(*(torch.stack(column) for column in zip(*patches, strict=True)))

    @torch.inference_mode()
    def temporal(self, frames: Float32[torch.Tensor, "frames 96"]) -> Float32[torch.Tensor, "frames 192"]:
        """Compute the three middle layers before pooling, one vector per 16 ms, for log-mel frames of any length."""
        normalised = self._input(frames)
        return self._middle_maps(torch.cat([block(normalised) for block in self._front]))[-3 * 64 :].T

    @torch.inference_mode()
    def tags_of(
        self, mean_pool: Float32[torch.Tensor, "rows 753"], max_pool: Float32[torch.Tensor, "rows 753"]
    ) -> Float32[torch.Tensor, "rows 50"]:
        """Compute the tags of pooled features, those of a patch or means over patches."""
        return self._tags(mean_pool, max_pool)[1]

    @property
    def usual_features(self) -> tuple[Float32[torch.Tensor, " 1506"], Float32[torch.Tensor, " 1506"]]:
        """Mean and deviation of pooled features (mean_pool, max_pool) of the music that the network was trained on."""
        mean, deviation = (each.unflatten(0, (DIMS, 2)) for each in (self._pooled.mean, self._pooled.deviation))
        return torch.cat([mean[:, 1], mean[:, 0]]), torch.cat([deviation[:, 1], deviation[:, 0]])

    def _pool(self, maps: Float32[torch.Tensor, "753 frames"]) -> tuple[torch.Tensor, ...]:
        top, mean = maps.amax(1), maps.mean(1)
        return mean, top, *self._tags(mean, top)

    def _tags(self, mean: torch.Tensor, top: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Penultimate layer and tags of pooled features."""
        pooled = self._pooled(torch.stack([top, mean], dim=-1).flatten(-2))
        penultimate = self._last(functional.relu(self._dense(pooled)))
        return penultimate, torch.sigmoid(self._out(penultimate))

    def _middle_maps(self, front: Float32[torch.Tensor, "561 frames"]) -> Float32[torch.Tensor, "753 frames"]:
        """Concatenate the front end (timbral and temporal filters) and three layers with residual connections."""
        first = self._middle[0](front)
        second = first + self._middle[1](first)
        third = second + self._middle[2](second)
        return torch.cat([front, first, second, third])


class Affine:
    """Batch normalisation at inference: x * scale + shift per channel."""

    def __init__(self, variables: Mapping[str, np.ndarray], number: int) -> None:
        prefix = f"batch_normalization_{number}".removesuffix("_0")
        gamma, beta, mean, variance = (
            variables[f"{prefix}/{name}"].astype(np.float64)
            for name in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        scale = gamma / np.sqrt(variance + _EPSILON)
        self.scale, self.shift = weight_tensor(scale), weight_tensor(beta - mean * scale)
        self.mean, self.deviation = weight_tensor(mean), weight_tensor(np.sqrt(variance))

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        return values * self.scale + self.shift


class MaxBlock:
    """Convolution, ReLU, normalisation and maximum over frequency: (frames, 96) -> (channels, frames).

    ReLU and normalisation are monotone in each channel, so the maximum is taken before them, which is faster. Where the
    scale of the normalisation is negative, the sign of the kernel is inverted, which gives the minimum.
    """

    def __init__(self, variables: Mapping[str, np.ndarray], number: int) -> None:
        kernel, bias = _convolution(variables, number)
        affine = Affine(variables, number + 1)
        self._sign = torch.where(affine.scale < 0, -1.0, 1.0)[:, None]
        self._kernel = (kernel.permute(3, 2, 0, 1) * self._sign[:, :, None, None]).contiguous()
        self._bias, self._scale, self._shift = bias[:, None], affine.scale[:, None], affine.shift[:, None]
        length = kernel.shape[0]
        self._padding = (0, 0, (length - 1) // 2, length // 2)

    def __call__(self, patch: Float32[torch.Tensor, "frames 96"]) -> Float32[torch.Tensor, "channels frames"]:
        return self._activate(self._extreme(functional.pad(patch, self._padding)[None])[0])

    def patches(
        self, frames: Float32[torch.Tensor, "frames 96"], starts: list[int]
    ) -> list[Float32[torch.Tensor, "channels 187"]]:
        """Apply the block to every patch; frames that are equal in several patches are computed once."""
        before, after = self._padding[2:]
        patches = [frames[start : start + PATCH_FRAMES] for start in starts]
        if after > _LONGEST_SHARED:
            return [self(patch) for patch in patches]
        inner = frames.new_empty(len(self._bias), len(frames))
        for first, last in _shared_runs(starts, before, after):
            inner[:, first:last] = self._extreme(frames[first - before : last + after][None])[0]
        left = torch.stack([functional.pad(patch[: before + after], (0, 0, before, 0)) for patch in patches])
        right = torch.stack([functional.pad(patch[-before - after :], (0, 0, 0, after)) for patch in patches])
        ends = zip(starts, self._extreme(left), self._extreme(right), strict=True)
        return [
            self._activate(torch.cat([one, inner[:, start + before : start + PATCH_FRAMES - after], other], dim=1))
            for start, one, other in ends
        ]

    def _extreme(self, padded: Float32[torch.Tensor, "batch padded 96"]) -> Float32[torch.Tensor, "batch channels _"]:
        """Maximum of the convolution over frequency (minimum where the sign is inverted), without padding."""
        return self._sign * functional.conv2d(padded[:, None], self._kernel).amax(3)

    def _activate(self, extreme: Float32[torch.Tensor, "channels frames"]) -> Float32[torch.Tensor, "channels frames"]:
        return functional.relu(extreme + self._bias) * self._scale + self._shift


def _shared_runs(starts: list[int], before: int, after: int) -> Iterator[tuple[int, int]]:
    """Yield runs of frames, none longer than a patch, that cover all patches except for the ends of each."""
    done = 0
    for start in sorted(starts):
        first, last = max(done, start + before), start + PATCH_FRAMES - after
        if first < last:
            yield first, last
        done = max(done, last)


class _Block:
    """Convolution over seven frames, ReLU and normalisation: (channels, frames) -> (64, frames)."""

    def __init__(self, variables: Mapping[str, np.ndarray], number: int) -> None:
        kernel, bias = _convolution(variables, number)
        affine = Affine(variables, number + 1)
        self._kernel, self._bias = kernel[:, :, 0].permute(2, 1, 0).contiguous(), bias
        self._scale, self._shift = affine.scale[:, None], affine.shift[:, None]

    def __call__(self, maps: Float32[torch.Tensor, "channels frames"]) -> Float32[torch.Tensor, "64 frames"]:
        rectified = functional.relu(functional.conv1d(maps[None], self._kernel, self._bias, padding=3)[0])
        return rectified * self._scale + self._shift


class _Linear:
    def __init__(self, variables: Mapping[str, np.ndarray], name: str) -> None:
        self._kernel, self._bias = (
            weight_tensor(variables[f"{name}/kernel"].T),
            weight_tensor(variables[f"{name}/bias"]),
        )

    def __call__(self, values: Float32[torch.Tensor, "*rows inputs"]) -> Float32[torch.Tensor, "*rows outputs"]:
        return functional.linear(values, self._kernel, self._bias)


def network_on(network: MusicnnNetwork, device: torch.device) -> MusicnnNetwork:
    """Copy a network (not a module) to a device; on the CPU it is returned itself."""
    return network if device.type == "cpu" else _move(copy.deepcopy(network), device)


def _move(part: Any, device: torch.device) -> Any:
    for name, value in vars(part).items():
        if isinstance(value, torch.Tensor):
            setattr(part, name, value.to(device))
        elif isinstance(value, list):
            for each in value:
                _move(each, device)
        elif hasattr(value, "__dict__"):
            _move(value, device)
    return part


def _convolution(variables: Mapping[str, np.ndarray], number: int) -> tuple[torch.Tensor, torch.Tensor]:
    prefix = f"conv2d_{number}".removesuffix("_0")
    return weight_tensor(variables[f"{prefix}/kernel"]), weight_tensor(variables[f"{prefix}/bias"])


def weight_tensor(array: np.ndarray) -> torch.Tensor:
    """Copy an array to a tensor in single precision."""
    return torch.from_numpy(np.array(array, dtype=np.float32, order="C"))


def _shapes() -> dict[str, tuple[int, ...]]:
    """Shapes of all variables of the network."""
    kernels = [(7, 38, 1, 204), (7, 67, 1, 204), (128, 1, 1, 51), (64, 1, 1, 51), (32, 1, 1, 51)]
    kernels += [(7, 561, 1, 64), (7, 64, 1, 64), (7, 64, 1, 64)]
    shapes: dict[str, tuple[int, ...]] = {}
    for number, kernel in enumerate(kernels):
        prefix = f"conv2d_{number}".removesuffix("_0")
        shapes |= {f"{prefix}/kernel": kernel, f"{prefix}/bias": kernel[-1:]}
    for name, inputs, outputs in (("dense", 2 * DIMS, 200), ("dense_1", 200, 50)):
        shapes |= {f"{name}/kernel": (inputs, outputs), f"{name}/bias": (outputs,)}
    widths = [1, *(kernel[-1] for kernel in kernels), 2 * DIMS, 200]
    for number, width in enumerate(widths):
        prefix = f"batch_normalization_{number}".removesuffix("_0")
        statistics = ("gamma", "beta", "moving_mean", "moving_variance")
        shapes |= {f"{prefix}/{statistic}": (width,) for statistic in statistics}
    return shapes
