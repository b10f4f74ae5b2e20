"""Samplers: from noise, or from noisy latents, to clean ones, in many steps (DDIM) or in few (DPM-Solver++).

Both only need a function that estimates clean latents. They agree with the schedulers of the diffusers library, which
the tests compare them with; it is not needed to sample.
"""

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .schedule import NoiseSchedule

SamplerName = Literal["dpm", "ddim"]
Spacing = Literal["even", "snr"]
Denoiser = Callable[[Tensor, int], Tensor]
"""Estimates clean latents (batch, dim, frames) from noisy ones and their diffusion time."""


def sampling_times(schedule: NoiseSchedule, steps: int, strength: float = 1.0, spacing: Spacing = "even") -> list[int]:
    """Diffusion times to visit, in falling order, from the noisiest down to 0.

    Parameters
    ----------
    schedule : NoiseSchedule
        The noise.
    steps : int
        Evaluations of the network; fewer where so many times are not there.
    strength : float, default 1
        Share of the diffusion to begin at: 1 is pure noise, less leaves something of what noise was added to.
    spacing : {"even", "snr"}, default "even"
        Even steps of time (DDIM), or of the logarithm of the signal-to-noise ratio, which few steps need to reach the
        end without losing variance (Lu et al. 2022, arXiv 2206.00927, section 3.4).

    Returns
    -------
    list of int
        Times, the noisiest first.

    Examples
    --------
    >>> sampling_times(NoiseSchedule(), 4)
    [999, 666, 333, 0]
    >>> sampling_times(NoiseSchedule(), 4, strength=0.4)
    [399, 266, 133, 0]
    >>> sampling_times(NoiseSchedule(), 4, spacing="snr")
    [999, 656, 134, 0]
    """
    first = max(0, round(strength * schedule.steps) - 1)
    if steps == 1 or first == 0:
        return [first]
    if spacing == "even":
        return sorted({round(first * (1 - number / (steps - 1))) for number in range(steps)}, reverse=True)
    ratio = torch.logit(schedule.signal_power)
    goals = torch.linspace(float(ratio[first]), float(ratio[0]), steps, dtype=torch.float64)
    nearest = (ratio[: first + 1, None] - goals).abs().argmin(dim=0)
    return sorted(set(nearest.tolist()), reverse=True)


def sample_ddim(
    denoise: Denoiser,
    noisy: Float[Tensor, "batch dim frames"],
    schedule: NoiseSchedule,
    times: list[int],
    eta: float = 0.0,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "batch dim frames"]:
    """Sample with DDIM (Song, Meng & Ermon 2021, arXiv 2010.02502, equations 12 and 16).

    Parameters
    ----------
    denoise : callable
        Estimates clean latents.
    noisy : (batch, dim, frames)
        Latents with the noise of the first of ``times``.
    schedule : NoiseSchedule
        The noise.
    times : list of int
        Falling times to visit (:func:`sampling_times`).
    eta : float, default 0
        Fresh noise per step: 0 for none, 1 for that of DDPM.
    generator : torch.Generator, optional
        Of the fresh noise.

    Returns
    -------
    (batch, dim, frames)
        Clean latents.

    Examples
    --------
    >>> schedule = NoiseSchedule()
    >>> target = torch.ones(1, 2, 3)
    >>> sample_ddim(lambda noisy, time: target, torch.randn(1, 2, 3), schedule, [999, 499]).equal(target)
    True
    """
    for (signal, level), (next_signal, next_level), time in _steps(schedule, times):
        clean = denoise(noisy, time)
        noise = (noisy - signal * clean) / level
        fresh = eta * next_level / level * (1 - (signal / next_signal) ** 2) ** 0.5
        noisy = next_signal * clean + max(next_level**2 - fresh**2, 0.0) ** 0.5 * noise
        if fresh > 0:
            noisy = noisy + fresh * torch.randn(noisy.shape, generator=generator, device=noisy.device)
    return noisy


def sample_dpm(
    denoise: Denoiser, noisy: Float[Tensor, "batch dim frames"], schedule: NoiseSchedule, times: list[int]
) -> Float[Tensor, "batch dim frames"]:
    """Sample with the second-order multistep DPM-Solver++ (Lu et al. 2022, arXiv 2211.01095, algorithm 2).

    Parameters
    ----------
    denoise, noisy, schedule, times
        As for :func:`sample_ddim`. Ten to thirty times suffice.

    Returns
    -------
    (batch, dim, frames)
        Clean latents. The last step, which reaches zero noise, is of first order.

    Examples
    --------
    >>> target = torch.ones(1, 2, 3)
    >>> sample_dpm(lambda noisy, time: target, torch.randn(1, 2, 3), NoiseSchedule(), [999, 499]).equal(target)
    True
    """
    before: Tensor | None = None
    step_before = 0.0
    for (signal, level), (next_signal, next_level), time in _steps(schedule, times):
        clean = denoise(noisy, time)
        if next_level == 0.0:
            return next_signal * clean
        step = math.log(next_signal / next_level) - math.log(signal / level)
        direction = clean
        if before is not None:
            direction = clean + step / (2 * step_before) * (clean - before)
        noisy = next_level / level * noisy - next_signal * (math.exp(-step) - 1) * direction
        before, step_before = clean, step
    return noisy


def _steps(schedule: NoiseSchedule, times: list[int]) -> Iterator[tuple[tuple[float, float], tuple[float, float], int]]:
    """Amplitudes of signal and noise at each time and at the next, which after the last is that of no noise."""
    powers = [*schedule.signal_power[_as_index(times)].tolist(), 1.0]
    amplitudes = [(power**0.5, (1 - power) ** 0.5) for power in powers]
    for (now, then), time in zip(pairwise(amplitudes), times, strict=True):
        yield now, then, time


def _as_index(times: list[int]) -> Int[Tensor, " times"]:
    return torch.tensor(times, dtype=torch.long)
