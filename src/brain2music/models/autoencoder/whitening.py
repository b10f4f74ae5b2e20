"""Whitening of latents for the diffusion model of JEN-1, and its inverse.

Li et al. 2023 (arXiv 2308.04729), algorithm 1: Σ = U Λ Uᵀ, ẑ = (z - μ) U Λ^(-1/2), with the k most important channels.
The paper keeps 90 % of the channels, which contradicts its 128 channels of masked latents elsewhere; here k is a
parameter, by default all.

Unlike in the paper, every item may be normalised by its root mean square (RMS) first, as EnCodec does with sound
(Défossez et al. 2022, arXiv 2210.13438, section 3.1), so that music of another loudness than the training set is
whitened too. Generated latents have unit RMS, and those of a recording are restored with its RMS.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ..._utils.files import read_arrays, write_arrays

_QUIET = 1e-3
"""Least RMS with which items are normalised, because latents of silence are not music."""


class LatentWhitening:
    """Whitening of latent frames and its inverse.

    Mean and covariance of the frames are updated batch by batch. Diffusion models work on the whitened latents.

    Parameters
    ----------
    dim : int
        Dimensions of a latent frame.
    channels : int, optional
        Number of whitened channels to keep, the most important first; default all.
    normalise_rms : bool, default False
        Whether to divide every item by its root mean square (RMS) first.

    Attributes
    ----------
    count : int
        Number of frames so far.
    mean : ndarray of float64, of shape (dim,)
        Mean of the frames.

    Raises
    ------
    ValueError
        The number of channels is not 1 to ``dim``.

    References
    ----------
    Li et al., "JEN-1" (2023, arXiv 2308.04729), algorithm 1: Σ = U Λ Uᵀ, ẑ = (z - μ) U Λ^(-1/2). Normalisation by the
    RMS is that of EnCodec (Défossez et al. 2022, arXiv 2210.13438, section 3.1).

    Examples
    --------
    >>> import torch
    >>> from brain2music.models.autoencoder import LatentWhitening
    >>> generator = torch.Generator().manual_seed(0)
    >>> latents = torch.randn(4, 3, 200, generator=generator) * torch.tensor([[5.0], [1.0], [0.2]])
    >>> whitening = LatentWhitening(dim=3)
    >>> whitening.update(latents)
    >>> whitened = whitening(latents)
    >>> whitened.std(dim=(0, 2))
    tensor([1.0000, 1.0000, 1.0000])
    >>> torch.allclose(whitening.inverse(whitened), latents, atol=1e-5)
    True
    """

    def __init__(self, dim: int, channels: int | None = None, normalise_rms: bool = False) -> None:
        self.dim, self.channels, self.normalise_rms = dim, dim if channels is None else channels, normalise_rms
        if not 1 <= self.channels <= dim:
            raise ValueError(f"cannot keep {channels} of {dim} channels")
        self.count = 0
        self.mean: Float64[np.ndarray, " dim"] = np.zeros(dim)
        self._scatter: Float64[np.ndarray, "dim dim"] = np.zeros((dim, dim))
        self._maps: dict[torch.device, tuple[Tensor, Tensor, Tensor]] = {}
        self._deviations: Float64[np.ndarray, " channels"] | None = None

    def update(self, latents: Float[Tensor, "batch dim frames"]) -> None:
        """Update mean and covariance with a batch of latents (Chan, Golub & LeVeque 1983)."""
        normalised = latents.detach() / self.rms(latents)[:, None, None]
        frames = normalised.double().cpu().numpy().transpose(0, 2, 1).reshape(-1, self.dim)
        count, mean = len(frames), frames.mean(axis=0)
        centred, step = frames - mean, mean - self.mean
        total = self.count + count
        self._scatter += centred.T @ centred + np.outer(step, step) * self.count * count / total
        self.mean = self.mean + step * count / total
        self.count = total
        self._maps.clear()
        self._deviations = None

    @property
    def covariance(self) -> Float64[np.ndarray, "dim dim"]:
        """Covariance of all frames so far."""
        return self._scatter / max(self.count - 1, 1)

    @property
    def deviations(self) -> Float64[np.ndarray, " channels"]:
        """Standard deviations of the kept channels before they are whitened, the largest first."""
        if self._deviations is None:  # read with every batch of training
            self._deviations = np.sqrt(np.linalg.eigvalsh(self.covariance)[::-1][: self.channels].clip(min=0.0))
        return self._deviations

    def rms(self, latents: Float[Tensor, "batch dim frames"]) -> Float[Tensor, " batch"]:
        """RMS of the latents of each item, or 1 where items are not normalised."""
        if not self.normalise_rms:
            return latents.new_ones(len(latents), dtype=torch.float32)
        return latents.detach().float().square().mean(dim=(1, 2)).sqrt().clamp(min=_QUIET)

    def __call__(
        self, latents: Float[Tensor, "batch dim frames"], rms: Float[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch channels frames"]:
        """Whiten latents, by default with the :meth:`rms` of each item; the most important channel is the first."""
        mean, forward, _ = self._maps_on(latents.device)
        normalised = latents.float() / (self.rms(latents) if rms is None else rms)[:, None, None]
        return torch.einsum("bdt,dk->bkt", normalised - mean[:, None], forward)

    def inverse(
        self, whitened: Float[Tensor, "batch channels frames"], rms: Float[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch dim frames"]:
        """Invert the whitening.

        The inverse is exact where all channels are kept, and otherwise the nearest in their subspace.

        Parameters
        ----------
        whitened : Tensor of shape (batch, channels, frames)
            Whitened latents.
        rms : Tensor of shape (batch,), optional
            RMS of the latents of each item (:meth:`rms`); default 1.

        Returns
        -------
        Tensor of shape (batch, dim, frames)
            Latents.
        """
        mean, _, backward = self._maps_on(whitened.device)
        latents = torch.einsum("bkt,kd->bdt", whitened.float(), backward) + mean[:, None]
        return latents if rms is None else latents * rms[:, None, None]

    def save(self, path: Path) -> None:
        """Write mean and scatter matrix to a file."""
        arrays = {"mean": self.mean, "scatter": self._scatter}
        write_arrays(path, arrays, {"count": self.count, "channels": self.channels, "levelled": self.normalise_rms})

    @classmethod
    def load(cls, path: Path) -> "LatentWhitening":
        """Read a file of :meth:`save`."""
        arrays, metadata = read_arrays(path)
        whitening = cls(len(arrays["mean"]), metadata["channels"], metadata["levelled"])
        whitening.count, whitening.mean, whitening._scatter = metadata["count"], arrays["mean"], arrays["scatter"]
        return whitening

    def _maps_on(self, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        if device not in self._maps:
            if self.count <= self.dim:
                raise ValueError(f"{self.count} frames cannot whiten {self.dim} channels; update with more")
            arrays = (self.mean, *self._principal_axes())
            mean, forward, backward = (torch.from_numpy(array).float().to(device) for array in arrays)
            self._maps[device] = (mean, forward, backward)
        return self._maps[device]

    def _principal_axes(self) -> tuple[Float64[np.ndarray, "dim channels"], Float64[np.ndarray, "channels dim"]]:
        values, vectors = np.linalg.eigh(self.covariance)
        values, vectors = values[::-1][: self.channels], vectors[:, ::-1][:, : self.channels]
        deviations = np.sqrt(values.clip(min=1e-10 * values[0]))
        signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(self.channels)])
        vectors = vectors * signs  # the sign of an eigenvector is arbitrary; this choice makes repeats equal
        return vectors / deviations, (vectors * deviations).T
