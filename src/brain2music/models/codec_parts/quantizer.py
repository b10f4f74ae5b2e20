"""Residual vector quantizer: each quantizer quantises the residual of those before it.

SoundStream (Zeghidour et al. 2021, arXiv 2107.03312, section III-C): greedy search, codebooks that follow an
exponential moving average of the frames assigned to them (van den Oord et al. 2017, appendix A.1), k-means on
the first batch, replacement of rarely used codes, and quantizer dropout. It quantises the latents of codecs
and the embeddings that MusicLM uses as tokens.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from .kmeans import kmeans, nearest_centre

_STATISTICS = ("counts", "sums")


class QuantizerOutput(NamedTuple):
    """Sum of the chosen vectors, their ids, the commitment loss, and the quantizers kept per example."""

    values: Float[Tensor, "batch dim frames"]
    codes: Int[Tensor, "batch quantizers frames"]
    commitment: Float[Tensor, ""]
    n_quantizers: Int[Tensor, " batch"]


class ResidualVectorQuantizer(nn.Module):
    """Residual vector quantizer with moving-average codebooks.

    Each quantizer quantises the residual of those before it, in single precision. Every quantizer is trained on every
    frame; quantizer dropout only withholds the later quantizers of an example from the decoder and the commitment loss.
    If dropout applied to the codebooks too, the last of twelve quantizers would be trained on one frame in twelve, and
    its codes would always be replaced as dead.

    Parameters
    ----------
    dim : int
        Dimensions of a vector.
    n_quantizers : int
        Number of codebooks.
    codebook_size : int, default 1024
        Codes per codebook.
    decay : float, default 0.99
        Decay of the moving averages.
    dead_code_threshold : float, default 2.0
        Frames per batch below which (as a moving average) a code is replaced by a random frame of the batch. Use less
        where a batch has fewer than about four frames per code.
    dropout : bool, default True
        Whether to sample the number of quantizers of each example uniformly from 1 to ``n_quantizers`` in training.

    References
    ----------
    Zeghidour et al., "SoundStream: an end-to-end neural audio codec" (2021, arXiv 2107.03312), section III-C; the
    moving averages are those of van den Oord et al., "Neural discrete representation learning" (2017), appendix A.1.

    Examples
    --------
    >>> import torch
    >>> from brain2music.models.codec_parts import ResidualVectorQuantizer
    >>> vectors = torch.randn(500, 8, generator=torch.Generator().manual_seed(0))
    >>> quantizer = ResidualVectorQuantizer(dim=8, n_quantizers=4, codebook_size=16)
    >>> quantizer.fit(vectors)
    >>> codes = quantizer.encode(vectors)
    >>> tuple(codes.shape)
    (500, 4)
    >>> errors = [float((quantizer.decode(codes[:, :n]) - vectors).square().mean()) for n in (1, 2, 4)]
    >>> errors[0] > errors[1] > errors[2]
    True
    """

    codebooks: Float[Tensor, "quantizers codes dim"]
    counts: Float[Tensor, "quantizers codes"]
    sums: Float[Tensor, "quantizers codes dim"]
    initialised: Tensor

    def __init__(
        self,
        dim: int,
        n_quantizers: int,
        codebook_size: int = 1024,
        decay: float = 0.99,
        dead_code_threshold: float = 2.0,
        dropout: bool = True,
    ) -> None:
        super().__init__()
        self.dim, self.n_quantizers, self.codebook_size = dim, n_quantizers, codebook_size
        self.decay, self.dead_code_threshold, self.dropout = decay, dead_code_threshold, dropout
        self.frozen = False
        self.register_buffer("codebooks", torch.randn(n_quantizers, codebook_size, dim) / dim**0.5)
        self.register_buffer("counts", torch.ones(n_quantizers, codebook_size))
        self.register_buffer("sums", self.codebooks.clone())
        self.register_buffer("initialised", torch.zeros((), dtype=torch.bool))
        self._ready: bool | None = None  # the buffer above, without a synchronisation with the device in every step

    def forward(
        self, latents: Float[Tensor, "batch dim frames"], n_quantizers: Int[Tensor, " batch"] | None = None
    ) -> QuantizerOutput:
        """Quantise latents with a straight-through gradient; in training, also update the codebooks.

        Parameters
        ----------
        latents : Tensor of shape (batch, dim, frames)
            Vectors to quantise.
        n_quantizers : Tensor of int, of shape (batch,), optional
            Quantizers to keep per example; default all in evaluation, and a random number per example in training.

        Returns
        -------
        QuantizerOutput
            Sums of the chosen vectors, their codes, the commitment loss, and the quantizers kept.
        """
        batch, _, frames = latents.shape
        with torch.autocast(latents.device.type, enabled=False):
            vectors = latents.float().transpose(1, 2).reshape(-1, self.dim)
            if n_quantizers is None:
                n_quantizers = self._sample_n_quantizers(batch, latents.device)
            kept = n_quantizers.repeat_interleave(frames)
            total, codes, commitment = self._quantise(vectors, kept)
            total = vectors + (total - vectors).detach()
        values = total.reshape(batch, frames, self.dim).transpose(1, 2)
        return QuantizerOutput(values, codes.reshape(batch, frames, -1).transpose(1, 2), commitment, n_quantizers)

    @torch.no_grad()
    def encode(
        self, vectors: Float[Tensor, "vectors dim"], n_quantizers: int | None = None
    ) -> Int[Tensor, "vectors quantizers"]:
        """Encode vectors to codes.

        Parameters
        ----------
        vectors : Tensor of shape (vectors, dim)
            Vectors.
        n_quantizers : int, optional
            Number of quantizers to use; default all.

        Returns
        -------
        Tensor of int, of shape (vectors, quantizers)
            Codes.
        """
        residual, codes = vectors.float(), []
        for codebook in self.codebooks[:n_quantizers]:
            ids = nearest_centre(residual, codebook)
            residual = residual - codebook[ids]
            codes.append(ids)
        return torch.stack(codes, dim=1)

    @torch.no_grad()
    def decode(self, codes: Int[Tensor, "vectors quantizers"]) -> Float[Tensor, "vectors dim"]:
        """Decode codes, of all or of the first quantizers, to the sums of their vectors.

        Parameters
        ----------
        codes : Tensor of int, of shape (vectors, quantizers)
            Codes.

        Returns
        -------
        Tensor of shape (vectors, dim)
            Vectors.
        """
        return sum(
            (codebook[ids] for codebook, ids in zip(self.codebooks, codes.unbind(1), strict=False)),
            start=self.codebooks.new_zeros(len(codes), self.dim),
        )

    @torch.no_grad()
    def fit(self, vectors: Float[Tensor, "vectors dim"], iterations: int = 25, seed: int = 0) -> None:
        """Fit all codebooks to vectors with k-means, one quantizer after another, and freeze them.

        Parameters
        ----------
        vectors : Tensor of shape (vectors, dim)
            Vectors.
        iterations : int, default 25
            Iterations of k-means.
        seed : int, default 0
            Seed of its initial centres.
        """
        generator = torch.Generator(vectors.device).manual_seed(seed)
        self._initialise(vectors.float(), iterations, generator)
        self.freeze()

    @torch.no_grad()
    def refit(self, vectors: Float[Tensor, "vectors dim"], iterations: int = 10) -> None:
        """Fit all codebooks again to more vectors than the first batch had, without freezing them."""
        self._initialise(vectors.float(), iterations)

    def freeze(self) -> None:
        """Stop updates of the codebooks, also in training mode."""
        self.frozen = True

    def reset_statistics(self) -> None:
        """Reset the moving averages to the present codebooks (after loading weights without averages)."""
        self.counts.fill_(max(1.0, self.dead_code_threshold))
        self.sums.copy_(self.codebooks * self.counts[..., None])

    def _quantise(
        self, vectors: Float[Tensor, "vectors dim"], kept: Int[Tensor, " vectors"]
    ) -> tuple[Float[Tensor, "vectors dim"], Int[Tensor, "vectors quantizers"], Float[Tensor, ""]]:
        updating = self.training and not self.frozen
        if updating and not self._is_initialised():
            self._initialise(vectors.detach(), iterations=10)
        residual, total, codes = vectors, torch.zeros_like(vectors), []
        commitment = vectors.new_zeros(())
        for index in range(self.n_quantizers):
            codebook = self.codebooks[index]
            ids = nearest_centre(residual.detach(), codebook)
            chosen, is_kept = codebook[ids], (kept > index)[:, None]
            commitment = commitment + ((residual - chosen).square() * is_kept).mean(1).sum()
            if updating:
                self._update_codebook(index, residual.detach(), ids)
            total = total + chosen * is_kept
            residual = residual - chosen
            codes.append(ids)
        return total, torch.stack(codes, dim=1), commitment / kept.sum()

    @torch.no_grad()
    def _update_codebook(self, index: int, vectors: Float[Tensor, "vectors dim"], ids: Int[Tensor, " vectors"]) -> None:
        """Update the moving averages of one codebook, and replace its dead codes by random frames of the batch."""
        counts = vectors.new_zeros(self.codebook_size).index_add_(0, ids, vectors.new_ones(len(ids)))
        sums = vectors.new_zeros(self.codebook_size, self.dim).index_add_(0, ids, vectors)
        spare = vectors[torch.randint(len(vectors), (self.codebook_size,), device=vectors.device)]
        counts, sums, spare = _sum_over_processes(counts, sums, spare)
        count = self.counts[index].lerp(counts, 1 - self.decay)
        total = self.sums[index].lerp(sums, 1 - self.decay)
        is_dead = count < self.dead_code_threshold
        count = torch.where(is_dead, count.mean().clamp(min=self.dead_code_threshold), count)
        total = torch.where(is_dead[:, None], spare * count[:, None], total)
        self.counts[index], self.sums[index] = count, total
        self.codebooks[index] = total / count[:, None]

    @torch.no_grad()
    def _initialise(
        self, vectors: Float[Tensor, "vectors dim"], iterations: int, generator: torch.Generator | None = None
    ) -> None:
        """Fit each codebook to the residuals with k-means; all processes use the codebooks of the first."""
        residual = vectors
        for index in range(self.n_quantizers):
            codebook = _broadcast(kmeans(residual, self.codebook_size, iterations, generator))
            self.codebooks[index] = codebook
            residual = residual - codebook[nearest_centre(residual, codebook)]
        mean = max(self.dead_code_threshold, len(vectors) / self.codebook_size)
        self.counts.fill_(mean)
        self.sums.copy_(self.codebooks * mean)
        self.initialised.fill_(True)
        self._ready = True

    def _sample_n_quantizers(self, batch: int, device: torch.device) -> Int[Tensor, " batch"]:
        if self.training and self.dropout:
            return torch.randint(1, self.n_quantizers + 1, (batch,), device=device)
        return torch.full((batch,), self.n_quantizers, device=device)

    def _is_initialised(self) -> bool:
        if self._ready is None:
            self._ready = bool(self.initialised)
        return self._ready

    def _load_from_state_dict(self, state: dict[str, Tensor], prefix: str, *rest: object) -> None:
        super()._load_from_state_dict(state, prefix, *rest)
        self._ready = None


def _sum_over_processes(counts: Tensor, sums: Tensor, spare: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sum statistics over all processes of a training run, and use the spare frames of the first."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(counts)
        torch.distributed.all_reduce(sums)
    return counts, sums, _broadcast(spare)


def _broadcast(tensor: Tensor) -> Tensor:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        tensor = tensor.contiguous()
        torch.distributed.broadcast(tensor, 0)
    return tensor
