"""Sampling from the diffusion model: guidance, known latents, and music of any length window after window."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ..generator_parts.windows import Window, windows
from .condition import DiffusionCondition
from .prediction import predict
from .samplers import Denoiser, SamplerName, sample_ddim, sample_dpm, sampling_times
from .schedule import NoiseSchedule, Objective, clean_estimate
from .unet import OmniUNet

if TYPE_CHECKING:
    from .calibration import Calibration


@dataclass(frozen=True)
class DiffusionConfig:
    """What a diffusion model is trained to predict, and how music is sampled from it by default.

    Attributes
    ----------
    schedule : NoiseSchedule
        The noise.
    objective : {"velocity", "noise"}
        The target.
    sampler : {"dpm", "ddim"}
        DPM-Solver++ in few steps, or DDIM (JEN-1: 200 steps).
    sampling_steps : int
        Evaluations of the network per window.
    guidance : float
        Classifier-free guidance w (JEN-1: 2): unconditioned + w · (conditioned - unconditioned).
    noise, fill_noise : float
        Deviation of the noise that sampling begins at (JEN-1: 1), and that for a gap, of which what surrounds it says
        more. Less makes music likelier and smoother.
    threshold : float or None
        Limit of estimated clean latents; None for none, as whitened latents have no bounds.
    size_power : float
        Whitened channels keep this power of the deviation that they had before: 0 none (JEN-1), 1 all of it, so that
        latents are as good as divided by one number. Between, noise hides what is loud last, and a small network
        spends itself on that.
    window_s, stride_s, fade_s : float
        Longest music made at once, how far each further window advances, and the seconds over which latents of
        neighbouring windows are cross-faded.

    Examples
    --------
    >>> from brain2music.models.jen1 import DiffusionConfig
    >>> DiffusionConfig().guidance
    2.0
    """

    schedule: NoiseSchedule = field(default_factory=NoiseSchedule)
    objective: Objective = "velocity"
    sampler: SamplerName = "dpm"
    sampling_steps: int = 20
    guidance: float = 2.0
    noise: float = 1.0
    fill_noise: float = 1.0
    threshold: float | None = None
    size_power: float = 0.0
    window_s: float = 15.0
    stride_s: float = 9.0
    fade_s: float = 0.25


class KnownLatents(NamedTuple):
    """Latents (batch, dim, frames) of which those that ``mask`` (batch, 1, frames) marks with 1 are known."""

    latents: Float[Tensor, "batch dim frames"]
    mask: Float[Tensor, "batch 1 frames"]


class StartingLatents(NamedTuple):
    """Latents (batch, dim, frames) to begin at, and the share of the diffusion that they are taken through."""

    latents: Float[Tensor, "batch dim frames"]
    strength: float


class DiffusionSampler:
    """Sampler of latents from a network.

    Parameters
    ----------
    network : OmniUNet
        In evaluation mode.
    config : DiffusionConfig
        Target, noise, and defaults of sampling.
    calibration : Calibration, optional
        Correction of what the network estimates.

    Examples
    --------
    >>> from brain2music.models.jen1.config import UNetConfig
    >>> network = OmniUNet(UNetConfig.size("tiny")).eval()
    >>> nothing = DiffusionCondition.null(1, network.config.text_dim, network.config.embedding_dim)
    >>> sampler = DiffusionSampler(network, DiffusionConfig(sampling_steps=2))
    >>> sampler.sample(nothing, 20, [torch.Generator().manual_seed(0)]).shape
    torch.Size([1, 8, 20])
    """

    def __init__(self, network: OmniUNet, config: DiffusionConfig, calibration: "Calibration | None" = None) -> None:
        self.network, self.config, self.calibration = network, config, calibration

    @torch.inference_mode()
    def sample(
        self,
        condition: DiffusionCondition,
        frames: int,
        generators: Sequence[torch.Generator],
        known: KnownLatents | None = None,
        causal: bool = False,
        guidance: float | None = None,
        steps: int | None = None,
        start: StartingLatents | None = None,
    ) -> Float[Tensor, "batch dim frames"]:
        """Sample latents of one window.

        Parameters
        ----------
        condition : DiffusionCondition
            One per item; a clock is of the frames to make.
        frames : int
            Frames to make.
        generators : sequence of torch.Generator
            One per item, on the CPU: an item's noise does not depend on the others.
        known : KnownLatents, optional
            Latents that are given back as they are, for inpainting and continuation.
        causal : bool, default False
            Mode of the network.
        guidance, steps : optional
            In place of the configuration's.
        start : StartingLatents, optional
            Begin at these with noise, in place of noise alone.

        Returns
        -------
        (batch, dim, frames)
            Clean latents.
        """
        config, device = self.config, self.network.last.weight.device
        shape = (self.network.config.latent_dim, frames)
        deviation = config.noise if known is None or causal else config.fill_noise
        noise = deviation * torch.stack([torch.randn(shape, generator=each) for each in generators]).to(device)
        times = sampling_times(
            config.schedule,
            config.sampling_steps if steps is None else steps,
            1.0 if start is None else start.strength,
            "even" if config.sampler == "ddim" else "snr",
        )
        noisy = noise
        if start is not None:
            first = torch.full((len(noise),), times[0], device=device)
            noisy = config.schedule.add_noise(start.latents.to(device), noise, first)
        if known is None:
            known = KnownLatents(torch.zeros_like(noise), noise.new_zeros(len(noise), 1, frames))
        known = KnownLatents(*(each.to(device) for each in known))
        denoise = self.denoiser(condition.to(device), known, causal, guidance)
        sampler = sample_ddim if config.sampler == "ddim" else sample_dpm
        made = sampler(denoise, noisy, config.schedule, times)
        return torch.where(known.mask > 0, known.latents, made)

    def denoiser(
        self, condition: DiffusionCondition, known: KnownLatents, causal: bool, guidance: float | None = None
    ) -> Denoiser:
        """Function that estimates clean latents with guidance; known ones are put in place of their estimates.

        Parameters
        ----------
        condition, known, causal, guidance
            As for :meth:`sample`. A guidance of 1 is the conditioned model, of 0 the unconditioned one.

        Returns
        -------
        callable
            (noisy latents, diffusion time) -> clean latents.
        """
        config, network = self.config, self.network
        weight = config.guidance if guidance is None else guidance
        partly_known = bool((known.mask > 0).any())

        def predicted_of(noisy: Tensor, times: Tensor, shown: DiffusionCondition) -> Tensor:
            rest = (noisy, times, shown, known.latents, known.mask, causal)
            return predict(network, config.schedule, config.objective, *rest)

        def denoise(noisy: Tensor, time: int) -> Tensor:
            times = torch.full((len(noisy),), time, device=noisy.device)
            if weight == 1.0 or not bool(condition.shown.any()):
                predicted = predicted_of(noisy, times, condition)
            elif weight == 0.0:
                predicted = predicted_of(noisy, times, condition.hidden())
            else:
                without = predicted_of(noisy, times, condition.hidden())
                predicted = without + weight * (predicted_of(noisy, times, condition) - without)
            signal, level = config.schedule.amplitudes(times)
            clean = clean_estimate(config.objective, predicted, noisy, signal, level)
            if config.threshold is not None:
                clean = clean.clamp(-config.threshold, config.threshold)
            if self.calibration is not None:
                clean = self.calibration(clean, noisy, time, causal, partly_known)
            return torch.where(known.mask > 0, known.latents, clean)

        return denoise

    def extend(
        self,
        condition: DiffusionCondition,
        frames: int,
        generators: Sequence[torch.Generator],
        frame_rate: float,
        before: Float[Tensor, "batch dim known"] | None = None,
        guidance: float | None = None,
        steps: int | None = None,
        advance: Callable[[], None] | None = None,
    ) -> Float[Tensor, "batch dim frames"]:
        """Latents of any length: the first window at once, then each continuing the one before, causally.

        Parameters
        ----------
        condition, generators, guidance, steps
            As for :meth:`sample`.
        frames : int
            Frames in all, those before included.
        frame_rate : float
            Frames per second.
        before : (batch, dim, known), optional
            Latents to continue, which are given back as they are.
        advance : callable, optional
            Called after each window.

        Returns
        -------
        (batch, dim, frames)
            Latents.
        """
        dim = self.network.config.latent_dim
        done = torch.zeros(len(condition), dim, 0) if before is None else before.cpu()
        fixed = done.shape[2]
        for window in self.windows(frames, frame_rate, fixed):
            if window.first == 0:
                shown = condition.during(0, window.stop)
                new = self.sample(shown, window.stop, generators, guidance=guidance, steps=steps)
                done = new.cpu()
            else:
                done = self._continue(window, done, fixed, condition, generators, frame_rate, guidance, steps)
            if advance is not None:
                advance()
        return done[:, :, :frames]

    def windows(self, frames: int, frame_rate: float, known: int = 0) -> list[Window]:
        """Windows in which :meth:`extend` makes its frames.

        Parameters
        ----------
        frames, known : int
            Frames in all, and of them known before.
        frame_rate : float
            Frames per second.

        Returns
        -------
        list of Window
            Each with its first frame, its first new one, and its end.
        """
        crop, stride = (round(seconds * frame_rate) for seconds in (self.config.window_s, self.config.stride_s))
        return windows(frames, max(2, crop), max(1, min(stride, crop - 1)), known)

    def _continue(
        self,
        window: Window,
        done: Float[Tensor, "batch dim known"],
        fixed: int,
        condition: DiffusionCondition,
        generators: Sequence[torch.Generator],
        frame_rate: float,
        guidance: float | None,
        steps: int | None,
    ) -> Float[Tensor, "batch dim more"]:
        """Latents so far and those of the next window; their last frames, unless ``fixed``, fade into new ones."""
        fade = max(0, min(round(self.config.fade_s * frame_rate), window.first - max(fixed, window.start) - 1))
        length, new_from = window.stop - window.start, window.first - window.start - fade
        latents = torch.zeros(*done.shape[:2], length)
        latents[:, :, :new_from] = done[:, :, window.start : window.start + new_from]
        mask = torch.zeros(len(done), 1, length)
        mask[:, :, :new_from] = 1
        known = KnownLatents(latents, mask)
        shown = condition.during(window.start, window.stop)
        made = self.sample(shown, length, generators, known, True, guidance, steps).cpu()
        rise = (torch.arange(fade) + 1) / (fade + 1)
        seam = slice(new_from, new_from + fade)
        mixed = (1 - rise) * done[:, :, window.first - fade : window.first] + rise * made[:, :, seam]
        return torch.cat([done[:, :, : window.first - fade], mixed, made[:, :, new_from + fade :]], dim=2)
