"""Latents made uncorrelated with unit variance, as JEN-1's diffusion works on them, and back.

Li et al. 2023 (arXiv 2308.04729), algorithm 1: Σ = U Λ Uᵀ, ẑ = (z - μ) U Λ^(-1/2), the k most important channels
kept. The paper keeps 90 % of the channels, which contradicts its 128 channels of masked latents elsewhere; here k
is a choice, and all are kept by default.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ..artifacts import read_arrays, write_arrays


class LatentWhitening:
    """Mean and covariance of latent frames, taken batch by batch, and the maps they give.

    Parameters
    ----------
    dim : channels of the latents. channels : k, how many whitened channels to keep; all by default.

    Raises
    ------
    ValueError : k is not in 1..dim.
    """

    def __init__(self, dim: int, channels: int | None = None) -> None:
        self.dim, self.channels = dim, dim if channels is None else channels
        if not 1 <= self.channels <= dim:
            raise ValueError(f"cannot keep {channels} of {dim} channels")
        self.count = 0
        self.mean: Float64[np.ndarray, " dim"] = np.zeros(dim)
        self._scatter: Float64[np.ndarray, "dim dim"] = np.zeros((dim, dim))
        self._maps: dict[torch.device, tuple[Tensor, Tensor, Tensor]] = {}

    def update(self, latents: Float[Tensor, "batch dim frames"]) -> None:
        """Take in a batch of latents (Chan, Golub & LeVeque 1983: merging means and scatter matrices)."""
        frames = latents.detach().double().cpu().numpy().transpose(0, 2, 1).reshape(-1, self.dim)
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

    def __call__(self, latents: Float[Tensor, "batch dim frames"]) -> Float[Tensor, "batch channels frames"]:
        """Whitened latents, the most important channel first."""
        mean, forward, _ = self._on(latents.device)
        return torch.einsum("bdt,dk->bkt", latents.float() - mean[:, None], forward)

    def inverse(self, whitened: Float[Tensor, "batch channels frames"]) -> Float[Tensor, "batch dim frames"]:
        """Latents of whitened ones; exact where all channels are kept, else the nearest in the kept subspace."""
        mean, _, backward = self._on(whitened.device)
        return torch.einsum("bkt,kd->bdt", whitened.float(), backward) + mean[:, None]

    def save(self, path: Path) -> None:
        """Write mean and scatter matrix, from which everything follows."""
        arrays = {"mean": self.mean, "scatter": self._scatter}
        write_arrays(path, arrays, {"count": self.count, "channels": self.channels})

    @classmethod
    def load(cls, path: Path) -> "LatentWhitening":
        """Read what :meth:`save` wrote."""
        arrays, metadata = read_arrays(path)
        whitening = cls(len(arrays["mean"]), metadata["channels"])
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
