"""The noise of diffusion: how much of it there is at every time, and what a network is trained to predict.

Ho, Jain & Abbeel 2020 (arXiv 2006.11239, equation 4): z_t = √ᾱ_t z_0 + √(1 - ᾱ_t) ε with Gaussian ε. JEN-1 takes 1000
steps with β from 0.0015 to 0.0195 in even steps. The velocity v = √ᾱ ε - √(1 - ᾱ) z_0 as target is that of Salimans &
Ho 2022 (arXiv 2202.00512): at high noise, where ε says nothing of the music, it asks for the music.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

Objective = Literal["noise", "velocity"]


@dataclass(frozen=True)
class NoiseSchedule:
    """Linear schedule of β, the variance of the noise that each step adds.

    Attributes
    ----------
    steps : int
        Diffusion steps in all.
    first_beta, last_beta : float
        β of the first and of the last step.

    Examples
    --------
    >>> from brain2music.models.jen1 import NoiseSchedule
    >>> schedule = NoiseSchedule()
    >>> [round(float(schedule.betas[step]), 4) for step in (0, -1)]
    [0.0015, 0.0195]
    """

    steps: int = 1000
    first_beta: float = 0.0015
    last_beta: float = 0.0195

    @cached_property
    def betas(self) -> Float64[Tensor, " steps"]:
        """β of every step."""
        return torch.linspace(self.first_beta, self.last_beta, self.steps, dtype=torch.float64)

    @cached_property
    def signal_power(self) -> Float64[Tensor, " steps"]:
        """ᾱ of every step, the share of the power that is still signal."""
        return torch.cumprod(1 - self.betas, dim=0)

    def amplitudes(self, times: Int[Tensor, " batch"]) -> tuple[Float[Tensor, "batch 1 1"], Float[Tensor, "batch 1 1"]]:
        """Amplitudes √ᾱ of the signal and √(1 - ᾱ) of the noise, per item.

        Parameters
        ----------
        times : (batch,)
            Diffusion time of each item, 0 to ``steps`` - 1.

        Returns
        -------
        two of (batch, 1, 1)
            Amplitudes of signal and noise, in single precision.

        Examples
        --------
        >>> import torch
        >>> from brain2music.models.jen1 import NoiseSchedule
        >>> signal, noise = NoiseSchedule().amplitudes(torch.tensor([0, 999]))
        >>> (signal**2 + noise**2).flatten().round(decimals=4).tolist()
        [1.0, 1.0]
        """
        power = self.signal_power.to(times.device)[times][:, None, None]
        return power.sqrt().float(), (1 - power).sqrt().float()

    def add_noise(
        self,
        latents: Float[Tensor, "batch dim frames"],
        noise: Float[Tensor, "batch dim frames"],
        times: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch dim frames"]:
        """Latents with noise at the time of each item.

        Parameters
        ----------
        latents, noise : (batch, dim, frames)
            Clean latents and Gaussian noise of unit variance.
        times : (batch,)
            Diffusion time of each item.

        Returns
        -------
        (batch, dim, frames)
            Their weighted sum, of unit variance where the latents have that.
        """
        signal, level = self.amplitudes(times)
        return signal * latents + level * noise


def training_target(
    objective: Objective,
    latents: Float[Tensor, "batch dim frames"],
    noise: Float[Tensor, "batch dim frames"],
    signal: Float[Tensor, "batch 1 1"],
    level: Float[Tensor, "batch 1 1"],
) -> Float[Tensor, "batch dim frames"]:
    """What the network is to predict.

    Parameters
    ----------
    objective : {"noise", "velocity"}
        ε, or √ᾱ ε - √(1 - ᾱ) z_0.
    latents, noise : (batch, dim, frames)
        Clean latents (not the noisy ones) and the noise that was added.
    signal, level : (batch, 1, 1)
        Amplitudes of :meth:`NoiseSchedule.amplitudes`.

    Returns
    -------
    (batch, dim, frames)
        The target.
    """
    return noise if objective == "noise" else signal * noise - level * latents


def clean_estimate(
    objective: Objective,
    predicted: Float[Tensor, "batch dim frames"],
    noisy: Float[Tensor, "batch dim frames"],
    signal: Float[Tensor, "batch 1 1"],
    level: Float[Tensor, "batch 1 1"],
) -> Float[Tensor, "batch dim frames"]:
    """The clean latents that a prediction means.

    Parameters
    ----------
    objective : {"noise", "velocity"}
        What was predicted.
    predicted, noisy : (batch, dim, frames)
        The network's output, and its noisy input.
    signal, level : (batch, 1, 1)
        Amplitudes of :meth:`NoiseSchedule.amplitudes`.

    Returns
    -------
    (batch, dim, frames)
        Estimate of z_0.
    """
    return (noisy - level * predicted) / signal if objective == "noise" else signal * noisy - level * predicted
