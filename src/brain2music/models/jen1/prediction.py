"""What the network has to say about channels of different sizes: each is brought to unit variance at every noise.

White latents have unit variance with any noise, and the best linear guess of their velocity is nothing (JEN-1 whitens
them). Channels that kept some of their size (:attr:`.diffusion.DiffusionConfig.size_power`) are hidden by noise one
after the other, the small ones first; without help the network would have to pass on the noise of all of them. So it
reads them at unit variance, and its output is added, at the size of what is not known, to the linear guess (Karras et
al. 2022, arXiv 2206.00364, section 5, per channel). For white latents nothing changes.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from .condition import DiffusionCondition
from .schedule import NoiseSchedule, Objective
from .unet import OmniUNet


class Preconditioning(NamedTuple):
    """Factors (batch, dim, 1) of the noisy latents that are read, of those that are added, and of the output."""

    read: Float[Tensor, "batch dim 1"]
    skip: Float[Tensor, "batch dim 1"]
    write: Float[Tensor, "batch dim 1"]

    @classmethod
    def of(
        cls,
        objective: Objective,
        sizes: Float[Tensor, " dim"],
        signal: Float[Tensor, "batch 1 1"],
        level: Float[Tensor, "batch 1 1"],
    ) -> "Preconditioning":
        """For channels of these standard deviations, at amplitudes of signal and noise.

        The velocity v = signal · ε - level · z of a Gaussian channel of deviation s has the mean skip · noisy, and the
        deviation write about it. Noise as the target is left to the network whole.
        """
        s = sizes.to(signal)[None, :, None]
        total = (signal**2 * s**2 + level**2).sqrt()
        if objective == "noise":
            return cls(1 / total, torch.zeros_like(total), torch.ones_like(total))
        return cls(1 / total, signal * level * (1 - s**2) / total**2, s / total)


def predict(
    network: OmniUNet,
    schedule: NoiseSchedule,
    objective: Objective,
    noisy: Float[Tensor, "batch dim frames"],
    times: Shaped[Tensor, " batch"],
    condition: DiffusionCondition,
    known: Float[Tensor, "batch dim frames"],
    mask: Float[Tensor, "batch 1 frames"],
    causal: bool,
) -> Float[Tensor, "batch dim frames"]:
    """The target of the diffusion, as a network predicts it that knows its channels' sizes."""
    factors = Preconditioning.of(objective, network.sizes, *schedule.amplitudes(times))
    white = known / network.sizes[:, None]
    made = network(factors.read * noisy, times, condition, white, mask, causal=causal)
    return factors.skip * noisy + factors.write * made
