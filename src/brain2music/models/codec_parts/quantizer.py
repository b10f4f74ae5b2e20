"""The residual vector quantiser: each quantizer quantises what the quantizers before it left over.

SoundStream (Zeghidour et al. 2021, arXiv 2107.03312, section III-C): greedy search, codebooks that follow an
exponential moving average of the frames assigned to them (van den Oord et al. 2017, appendix A.1), k-means on
the first batch, replacement of codes that are hardly used, and quantiser dropout. It serves sound, where a
vector is a frame of latents, and the embeddings that MusicLM turns into tokens.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from .kmeans import kmeans, nearest_centre

_STATISTICS = ("counts", "sums")


class QuantizerOutput(NamedTuple):
    """What quantising gives: the sum of the chosen vectors, their ids, the commitment loss, quantizers kept."""

    values: Float[Tensor, "batch dim frames"]
    codes: Int[Tensor, "batch quantizers frames"]
    commitment: Float[Tensor, ""]
    n_quantizers: Int[Tensor, " batch"]


class ResidualVectorQuantizer(nn.Module):
    """Greedy residual quantiser with moving-average codebooks; always in single precision.

    Every quantizer sees, and learns from, every frame; quantiser dropout only withholds the later quantizers of an
    example from the decoder (and from the commitment loss). With dropout deciding about learning as well, the
    last of twelve quantizers would see one frame in twelve, and the rule about rare codes would replace it for ever.

    Parameters
    ----------
    dim : of a vector. n_quantizers : codebooks. codebook_size : codes of each.
    decay : of the moving averages (0.99).
    rare : a code whose moving average of frames per batch falls below this is replaced by a random frame of the
        batch (2; lower it where a batch holds fewer than about four frames a code).
    dropout : draw the number of quantizers of each example uniformly from 1..n_quantizers while training.
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
        rare: float = 2.0,
        dropout: bool = True,
    ) -> None:
        super().__init__()
        self.dim, self.n_quantizers, self.codebook_size = dim, n_quantizers, codebook_size
        self.decay, self.rare, self.dropout = decay, rare, dropout
        self.frozen = False
        self.register_buffer("codebooks", torch.randn(n_quantizers, codebook_size, dim) / dim**0.5)
        self.register_buffer("counts", torch.ones(n_quantizers, codebook_size))
        self.register_buffer("sums", self.codebooks.clone())
        self.register_buffer("initialised", torch.zeros((), dtype=torch.bool))
        self._ready: bool | None = None  # the buffer above, without asking the device in every step

    def forward(
        self, latents: Float[Tensor, "batch dim frames"], n_quantizers: Int[Tensor, " batch"] | None = None
    ) -> QuantizerOutput:
        """Quantise; in training also learn, and let the gradient pass straight through.

        Parameters
        ----------
        latents : (batch, dim, frames). n_quantizers : quantizers to keep of each example, 1..n_quantizers; by default
            all of them in evaluation, and a draw for each example in training.
        """
        batch, _, frames = latents.shape
        with torch.autocast(latents.device.type, enabled=False):
            vectors = latents.float().transpose(1, 2).reshape(-1, self.dim)
            if n_quantizers is None:
                n_quantizers = self._draw(batch, latents.device)
            kept = n_quantizers.repeat_interleave(frames)
            total, codes, commitment = self._quantise(vectors, kept)
            total = vectors + (total - vectors).detach()
        values = total.reshape(batch, frames, self.dim).transpose(1, 2)
        return QuantizerOutput(values, codes.reshape(batch, frames, -1).transpose(1, 2), commitment, n_quantizers)

    @torch.no_grad()
    def encode(
        self, vectors: Float[Tensor, "vectors dim"], n_quantizers: int | None = None
    ) -> Int[Tensor, "vectors quantizers"]:
        """The ids of each vector, (vectors, n_quantizers); the first ``n_quantizers`` quantizers only, if given."""
        residual, codes = vectors.float(), []
        for codebook in self.codebooks[:n_quantizers]:
            ids = nearest_centre(residual, codebook)
            residual = residual - codebook[ids]
            codes.append(ids)
        return torch.stack(codes, dim=1)

    @torch.no_grad()
    def decode(self, codes: Int[Tensor, "vectors quantizers"]) -> Float[Tensor, "vectors dim"]:
        """The sum of the vectors that the ids name; fewer quantizers than there are may be given."""
        return sum(
            (book[ids] for book, ids in zip(self.codebooks, codes.unbind(1), strict=False)),
            start=self.codebooks.new_zeros(len(codes), self.dim),
        )

    @torch.no_grad()
    def fit(self, vectors: Float[Tensor, "vectors dim"], iterations: int = 25, seed: int = 0) -> None:
        """Learn all codebooks from vectors at hand (k-means, quantizer by quantizer), then freeze."""
        generator = torch.Generator(vectors.device).manual_seed(seed)
        self._initialise(vectors.float(), iterations, generator)
        self.freeze()

    @torch.no_grad()
    def refit(self, vectors: Float[Tensor, "vectors dim"], iterations: int = 10) -> None:
        """Learn all codebooks anew as the first batch did, from many more vectors, and go on learning."""
        self._initialise(vectors.float(), iterations)

    def freeze(self) -> None:
        """Never learn again, in training mode neither."""
        self.frozen = True

    def reset_statistics(self) -> None:
        """Start the moving averages afresh around the present codebooks (after loading weights without them)."""
        self.counts.fill_(max(1.0, self.rare))
        self.sums.copy_(self.codebooks * self.counts[..., None])

    def _quantise(
        self, vectors: Float[Tensor, "vectors dim"], kept: Int[Tensor, " vectors"]
    ) -> tuple[Float[Tensor, "vectors dim"], Int[Tensor, "vectors quantizers"], Float[Tensor, ""]]:
        learning = self.training and not self.frozen
        if learning and not self._is_ready():
            self._initialise(vectors.detach(), iterations=10)
        residual, total, codes = vectors, torch.zeros_like(vectors), []
        commitment = vectors.new_zeros(())
        for level in range(self.n_quantizers):
            book = self.codebooks[level]
            ids = nearest_centre(residual.detach(), book)
            chosen, heard = book[ids], (kept > level)[:, None]
            commitment = commitment + ((residual - chosen).square() * heard).mean(1).sum()
            if learning:
                self._learn(level, residual.detach(), ids)
            total = total + chosen * heard
            residual = residual - chosen
            codes.append(ids)
        return total, torch.stack(codes, dim=1), commitment / kept.sum()

    @torch.no_grad()
    def _learn(self, level: int, vectors: Float[Tensor, "vectors dim"], ids: Int[Tensor, " vectors"]) -> None:
        """Move one codebook's averages towards the batch, and replace its rare codes by random frames of it."""
        counts = vectors.new_zeros(self.codebook_size).index_add_(0, ids, vectors.new_ones(len(ids)))
        sums = vectors.new_zeros(self.codebook_size, self.dim).index_add_(0, ids, vectors)
        spare = vectors[torch.randint(len(vectors), (self.codebook_size,), device=vectors.device)]
        counts, sums, spare = _over_processes(counts, sums, spare)
        count = self.counts[level].lerp(counts, 1 - self.decay)
        total = self.sums[level].lerp(sums, 1 - self.decay)
        rare = count < self.rare
        count = torch.where(rare, count.mean().clamp(min=self.rare), count)
        total = torch.where(rare[:, None], spare * count[:, None], total)
        self.counts[level], self.sums[level] = count, total
        self.codebooks[level] = total / count[:, None]

    @torch.no_grad()
    def _initialise(
        self, vectors: Float[Tensor, "vectors dim"], iterations: int, generator: torch.Generator | None = None
    ) -> None:
        """k-means on the residuals of each quantizer; every process takes the first one's codebooks."""
        residual = vectors
        for level in range(self.n_quantizers):
            book = _from_first(kmeans(residual, self.codebook_size, iterations, generator))
            self.codebooks[level] = book
            residual = residual - book[nearest_centre(residual, book)]
        mean = max(self.rare, len(vectors) / self.codebook_size)
        self.counts.fill_(mean)
        self.sums.copy_(self.codebooks * mean)
        self.initialised.fill_(True)
        self._ready = True

    def _draw(self, batch: int, device: torch.device) -> Int[Tensor, " batch"]:
        if self.training and self.dropout:
            return torch.randint(1, self.n_quantizers + 1, (batch,), device=device)
        return torch.full((batch,), self.n_quantizers, device=device)

    def _is_ready(self) -> bool:
        if self._ready is None:
            self._ready = bool(self.initialised)
        return self._ready

    def _load_from_state_dict(self, state: dict[str, Tensor], prefix: str, *rest: object) -> None:
        super()._load_from_state_dict(state, prefix, *rest)
        self._ready = None


def _over_processes(counts: Tensor, sums: Tensor, spare: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The sums over all processes of a training run, and the first one's spare frames."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(counts)
        torch.distributed.all_reduce(sums)
    return counts, sums, _from_first(spare)


def _from_first(tensor: Tensor) -> Tensor:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        tensor = tensor.contiguous()
        torch.distributed.broadcast(tensor, 0)
    return tensor
