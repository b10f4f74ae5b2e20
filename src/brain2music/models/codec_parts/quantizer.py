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
    """Greedy residual quantizer with moving-average codebooks, in single precision.

    Every quantizer is trained on every frame; quantizer dropout only withholds the later quantizers of an example from
    the decoder and the commitment loss. If dropout applied to the codebooks too, the last of twelve quantizers would be
    trained on one frame in twelve, and its codes would always be replaced as dead.

    Parameters
    ----------
    dim : dimensions of a vector. n_quantizers : number of codebooks. codebook_size : codes per codebook.
    decay : decay of the moving averages (0.99).
    dead_code_threshold : a code whose moving average of frames per batch falls below this is replaced by a random frame
        of the batch (2; use less where a batch has fewer than about four frames per code).
    dropout : sample the number of quantizers of each example uniformly from 1..n_quantizers in training.
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
        latents : (batch, dim, frames). n_quantizers : quantizers to keep per example, 1..n_quantizers; by default all
            in evaluation, and a random number per example in training.
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
        """Encode vectors to ids (vectors, n_quantizers), by default of all quantizers."""
        residual, codes = vectors.float(), []
        for codebook in self.codebooks[:n_quantizers]:
            ids = nearest_centre(residual, codebook)
            residual = residual - codebook[ids]
            codes.append(ids)
        return torch.stack(codes, dim=1)

    @torch.no_grad()
    def decode(self, codes: Int[Tensor, "vectors quantizers"]) -> Float[Tensor, "vectors dim"]:
        """Decode ids, of all or of the first quantizers, to the sums of their vectors."""
        return sum(
            (codebook[ids] for codebook, ids in zip(self.codebooks, codes.unbind(1), strict=False)),
            start=self.codebooks.new_zeros(len(codes), self.dim),
        )

    @torch.no_grad()
    def fit(self, vectors: Float[Tensor, "vectors dim"], iterations: int = 25, seed: int = 0) -> None:
        """Fit all codebooks to vectors with k-means, one quantizer after another, and freeze them."""
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
