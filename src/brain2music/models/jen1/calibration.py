"""Calibration of what a network estimates: a closed-form correction by channel and diffusion time.

A network that had few steps of training says too little of what it has understood, and says it with noise: what it
makes is too loud in some channels and rough in others. On training music its estimate of the clean latents is compared
with the truth; the combination of estimate and noisy input with the least squared error is kept for every channel, at
some times, in each mode. A network that has learned all has the combination 1 and 0.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from ..._utils.files import read_arrays, write_arrays
from .condition import DiffusionCondition
from .diffusion import DiffusionSampler, KnownLatents
from .samplers import sampling_times
from .tasks import continuation_mask, inpainting_mask

FILE = "calibration.safetensors"
_TIMES = 20
_RIDGE = 1e-4  # of the power of the inputs: where noise is least, estimate and input are all but the same
CASES = ((False, False), (True, False), (False, True), (True, True))
"""Whether the mode is causal, and whether a part is known, in the order in which the cases are stored."""


class Calibration:
    """Correction of estimates: gain · estimate + skip · noisy, linear in time between the times that it knows.

    Parameters
    ----------
    times : diffusion times, from the noisiest. gain, skip : for each case of :data:`CASES`, time and channel.
    """

    def __init__(
        self,
        times: Int64[np.ndarray, " times"],
        gain: Float32[np.ndarray, "cases times dim"],
        skip: Float32[np.ndarray, "cases times dim"],
    ) -> None:
        self.times, self.gain, self.skip = times, gain, skip

    @classmethod
    @torch.no_grad()
    def fit(
        cls,
        sampler: DiffusionSampler,
        latents: Float[Tensor, "pieces dim frames"],
        condition: DiffusionCondition,
        seed: int = 0,
    ) -> "Calibration":
        """Fit to clean latents of training music and their conditions."""
        schedule = sampler.config.schedule
        times = np.unique(sampling_times(schedule, _TIMES, 1.0, "snr"))[::-1].astype(np.int64)
        count, dim, frames = latents.shape
        found = np.empty((2, len(CASES), len(times), dim), np.float32)
        for case, (causal, partly) in enumerate(CASES):
            generator = torch.Generator().manual_seed(seed)
            draw = continuation_mask if causal else inpainting_mask
            masks = [draw(frames, generator) if partly else torch.zeros(frames) for _ in range(count)]
            known = KnownLatents(latents, torch.stack(masks)[:, None].to(latents))
            denoise = sampler.denoiser(condition, known, causal, 1.0)
            for number, time in enumerate(times.tolist()):
                noise = torch.randn(latents.shape, generator=generator).to(latents)
                noisy = schedule.add_noise(latents, noise, torch.full((count,), time, device=latents.device))
                found[:, case, number] = _least_squares(denoise(noisy, time), noisy, latents, 1 - known.mask)
        return cls(times, *found)

    def __call__(
        self,
        estimate: Float[Tensor, "batch dim frames"],
        noisy: Float[Tensor, "batch dim frames"],
        time: int,
        causal: bool,
        partly_known: bool,
    ) -> Float[Tensor, "batch dim frames"]:
        """The estimate of clean latents, corrected."""
        case = CASES.index((causal, partly_known))
        gain, skip = (self._at(each[case], time).to(noisy)[:, None] for each in (self.gain, self.skip))
        return gain * estimate + skip * noisy

    def save(self, folder: Path) -> None:
        """Write the file of the folder of a model."""
        write_arrays(folder / FILE, {"times": self.times, "gain": self.gain, "skip": self.skip}, {})

    @classmethod
    def load(cls, folder: Path) -> "Calibration":
        """Read the file of the folder of a model."""
        arrays, _ = read_arrays(folder / FILE)
        return cls(arrays["times"], arrays["gain"], arrays["skip"])

    def _at(self, table: Float32[np.ndarray, "times dim"], time: int) -> Float[Tensor, " dim"]:
        rising = self.times[::-1]
        place = float(np.interp(time, rising, np.arange(len(rising))[::-1]))
        first = min(int(place), len(rising) - 2)
        share = place - first
        return torch.from_numpy((1 - share) * table[first] + share * table[first + 1])


def _least_squares(
    estimate: Float[Tensor, "pieces dim frames"],
    noisy: Float[Tensor, "pieces dim frames"],
    clean: Float[Tensor, "pieces dim frames"],
    wanted: Float[Tensor, "pieces 1 frames"],
) -> Float32[np.ndarray, "2 dim"]:
    """Gain and skip of each channel with the least squared error over the wanted frames."""

    def product(one: Tensor, other: Tensor) -> Tensor:
        return (wanted * one * other).sum(dim=(0, 2)).double()

    columns = (estimate, noisy)
    normal = torch.stack([torch.stack([product(one, other) for other in columns], -1) for one in columns], -1)
    right = torch.stack([product(one, clean) for one in columns], -1)
    ridge = _RIDGE * normal.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] * torch.eye(2).to(normal)
    start = torch.tensor([1.0, 0.0], dtype=torch.float64).to(normal)  # the ridge holds to the network's own estimate
    return torch.linalg.solve(normal + ridge, right + (ridge @ start)).T.float().cpu().numpy()
