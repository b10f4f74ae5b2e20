"""Latents made uncorrelated with unit variance, as JEN-1's diffusion works on them, and back.

Li et al. 2023 (arXiv 2308.04729), algorithm 1: Σ = U Λ Uᵀ, ẑ = (z - μ) U Λ^(-1/2), the k most important channels
kept. The paper keeps 90 % of the channels, which contradicts its 128 channels of masked latents elsewhere; here k
is a choice, and all are kept by default.

Unlike the paper's, it may bring every item to one level first, as EnCodec does with sound (Défossez et al. 2022,
arXiv 2210.13438, section 3.1): music that is not as loud as the training set's is then as white. What diffusion
makes has that one level, and a recording is restored with its own.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ..._utils.files import read_arrays, write_arrays

_QUIET = 1e-3
"""No level is taken below this: what silence leaves in the latents is no music."""


class LatentWhitening:
    """Mean and covariance of latent frames, taken batch by batch, and the maps they give.

    Parameters
    ----------
    dim : channels of the latents. channels : k, how many whitened channels to keep; all by default.
    levelled : divide every item by its level first.

    Raises
    ------
    ValueError : k is not in 1..dim.
    """

    def __init__(self, dim: int, channels: int | None = None, levelled: bool = False) -> None:
        self.dim, self.channels, self.levelled = dim, dim if channels is None else channels, levelled
        if not 1 <= self.channels <= dim:
            raise ValueError(f"cannot keep {channels} of {dim} channels")
        self.count = 0
        self.mean: Float64[np.ndarray, " dim"] = np.zeros(dim)
        self._scatter: Float64[np.ndarray, "dim dim"] = np.zeros((dim, dim))
        self._maps: dict[torch.device, tuple[Tensor, Tensor, Tensor]] = {}

    def update(self, latents: Float[Tensor, "batch dim frames"]) -> None:
        """Take in a batch of latents (Chan, Golub & LeVeque 1983: merging means and scatter matrices)."""
        even = latents.detach() / self.levels(latents)[:, None, None]
        frames = even.double().cpu().numpy().transpose(0, 2, 1).reshape(-1, self.dim)
        count, mean = len(frames), frames.mean(axis=0)
        centred, step = frames - mean, mean - self.mean
        total = self.count + count
        self._scatter += centred.T @ centred + np.outer(step, step) * self.count * count / total
        self.mean = self.mean + step * count / total
        self.count = total
        self._maps.clear()

    @property
    def covariance(self) -> Float64[np.ndarray, "dim dim"]:
        """Of all frames so far."""
        return self._scatter / max(self.count - 1, 1)

    def levels(self, latents: Float[Tensor, "batch dim frames"]) -> Float[Tensor, " batch"]:
        """What each item is divided by: the root mean square of its latents, or 1."""
        if not self.levelled:
            return latents.new_ones(len(latents), dtype=torch.float32)
        return latents.detach().float().square().mean(dim=(1, 2)).sqrt().clamp(min=_QUIET)

    def __call__(self, latents: Float[Tensor, "batch dim frames"]) -> Float[Tensor, "batch channels frames"]:
        """Whitened latents, the most important channel first."""
        mean, forward, _ = self._on(latents.device)
        even = latents.float() / self.levels(latents)[:, None, None]
        return torch.einsum("bdt,dk->bkt", even - mean[:, None], forward)

    def inverse(
        self, whitened: Float[Tensor, "batch channels frames"], levels: Float[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch dim frames"]:
        """Latents of whitened ones, at these :meth:`levels` (1 by default).

        Exact where all channels are kept, else the nearest in the kept subspace.
        """
        mean, _, backward = self._on(whitened.device)
        latents = torch.einsum("bkt,kd->bdt", whitened.float(), backward) + mean[:, None]
        return latents if levels is None else latents * levels[:, None, None]

    def save(self, path: Path) -> None:
        """Write mean and scatter matrix, from which everything follows."""
        arrays = {"mean": self.mean, "scatter": self._scatter}
        write_arrays(path, arrays, {"count": self.count, "channels": self.channels, "levelled": self.levelled})

    @classmethod
    def load(cls, path: Path) -> "LatentWhitening":
        """Read what :meth:`save` wrote."""
        arrays, metadata = read_arrays(path)
        whitening = cls(len(arrays["mean"]), metadata["channels"], metadata["levelled"])
        whitening.count, whitening.mean, whitening._scatter = metadata["count"], arrays["mean"], arrays["scatter"]
        return whitening

    def _on(self, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        if device not in self._maps:
            if self.count <= self.dim:
                raise ValueError(f"{self.count} frames cannot whiten {self.dim} channels; update with more")
            arrays = (self.mean, *self._directions())
            mean, forward, backward = (torch.from_numpy(array).float().to(device) for array in arrays)
            self._maps[device] = (mean, forward, backward)
        return self._maps[device]

    def _directions(self) -> tuple[Float64[np.ndarray, "dim channels"], Float64[np.ndarray, "channels dim"]]:
        values, vectors = np.linalg.eigh(self.covariance)
        values, vectors = values[::-1][: self.channels], vectors[:, ::-1][:, : self.channels]
        deviations = np.sqrt(values.clip(min=1e-10 * values[0]))
        signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(self.channels)])
        vectors = vectors * signs  # the sign of an eigenvector is arbitrary; this choice makes repeats equal
        return vectors / deviations, (vectors * deviations).T
