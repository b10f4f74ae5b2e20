"""Semantic tokens: k-means of a music model's features, standardised, 25 per second.

AudioLM (Borsos et al. 2022, arXiv 2209.03143) standardises every dimension over the data set before k-means of
1024 clusters; MusicLM takes such tokens from w2v-BERT. Any model with frames will do here
(:class:`FrameFeatures`); the small default takes the layers of musicnn-MSD before their pooling, because they
were trained on real music and need no further weights. musicnn-MTT stays an independent evaluation embedding.
"""

from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor
from torch.nn import functional

from ..._utils.errors import InputError
from ..._utils.files import read_arrays, write_arrays
from ...embeddings.windows import mono_at
from ..codec_parts.kmeans import kmeans, nearest_centre
from ..musicnn.musicnn_embedder import HOP_LENGTH, SAMPLE_RATE, load_network, musicnn_log_mel, package_folder
from ..musicnn.network import network_on
from .config import SEMANTIC_FRAME_RATE

FILE = "semantic_tokens.safetensors"


@runtime_checkable
class FrameFeatures(Protocol):
    """A model that gives feature vectors at a constant rate.

    Attributes
    ----------
    name, sha256 : of the model and its weights. dims : of a vector. hz : vectors per second, exactly.
    """

    name: str
    sha256: str
    dims: int
    hz: Fraction

    def frames(self, waveform: Float32[np.ndarray, " samples"], sample_rate: int) -> Float[Tensor, "frames dims"]:
        """The vectors of a mono waveform at any sample rate."""
        ...


class MusicnnFrames:
    """Frame features of musicnn-MSD: its three temporal layers (3 × 64) before pooling, every 16 ms."""

    name, dims, hz = "musicnn-msd-temporal", 192, Fraction(SAMPLE_RATE, HOP_LENGTH)

    def __init__(self, device: str | torch.device = "cpu") -> None:
        network, self.sha256 = load_network("msd", package_folder())
        self.device = torch.device(device)
        self._network = network_on(network, self.device)

    def frames(self, waveform: Float32[np.ndarray, " samples"], sample_rate: int) -> Float[Tensor, "frames 192"]:
        """The layers' values over the whole sound; its last frame stands for what is left over."""
        return self.frames_from_mel(musicnn_log_mel(mono_at(waveform, sample_rate, SAMPLE_RATE)))

    def frames_from_mel(self, mel: Float32[Tensor, "frames 96"]) -> Float[Tensor, "frames 192"]:
        """The features from the log-mel spectrogram that musicnn reads."""
        return self._network.temporal(mel.to(self.device))


class Clusters(NamedTuple):
    """Mean and deviation of every dimension over the data set, and the centres in those units."""

    mean: Float[Tensor, " dims"]
    scale: Float[Tensor, " dims"]
    centres: Float[Tensor, "codes dims"]


class SemanticTokenizer:
    """Tokenizer of sound to semantic tokens.

    Parameters
    ----------
    clusters : Clusters
        Clusters of :class:`StreamingKMeans`.
    features : dict of str to str
        Name and sha256 of the model on whose features they were fitted.
    """

    def __init__(self, clusters: Clusters, features: dict[str, str]) -> None:
        self.clusters, self.features = clusters, features

    @property
    def codebook_size(self) -> int:
        """Number of different tokens."""
        return len(self.clusters.centres)

    def tokens(self, features: Float[Tensor, "frames dims"], hz: Fraction) -> Int[Tensor, " tokens"]:
        """Semantic tokens, one per 40 ms, of features at ``hz``."""
        mean, scale, centres = (part.to(features.device) for part in self.clusters)
        return nearest_centre((pool_to_tokens(features, hz) - mean) / scale, centres)

    def encode(
        self, waveform: Float32[np.ndarray, " samples"], sample_rate: int, model: FrameFeatures
    ) -> Int[Tensor, " tokens"]:
        """The tokens of a waveform; :class:`InputError` where ``model`` is not the one they were fitted on."""
        if model.sha256 != self.features["sha256"]:
            raise InputError(
                f"semantic tokens of {self.features['name']} ({self.features['sha256'][:12]}) cannot be made with "
                f"{model.name} ({model.sha256[:12]})",
                hint="use the model that they were fitted on",
            )
        return self.tokens(model.frames(waveform, sample_rate), model.hz)

    def save(self, folder: Path, report: dict[str, Any] | None = None) -> None:
        """Write the clusters (half precision) and what they were fitted on."""
        arrays = {name: part.cpu().numpy().astype(np.float16) for name, part in self.clusters._asdict().items()}
        write_arrays(folder / FILE, arrays, {"features": self.features, **(report or {})})

    @classmethod
    def load(cls, folder: Path) -> "SemanticTokenizer":
        """Load the tokenizer that :meth:`save` wrote."""
        arrays, metadata = read_arrays(folder / FILE)
        parts = (torch.from_numpy(arrays[name].astype(np.float32)) for name in Clusters._fields)
        return cls(Clusters(*parts), metadata["features"])


class StreamingKMeans:
    """Mini-batch k-means (Sculley 2010) over features that need not fit into memory at once.

    The first batch gives the scale of every dimension and the first centres (Lloyd's iterations); every later one
    moves each centre towards its members by their share of all members it ever had. Centres that a batch of at
    least ten members each leaves without any start again from a random member.
    """

    def __init__(self, codebook_size: int = 1024, seed: int = 0) -> None:
        self.codebook_size, self._seed = codebook_size, seed
        self._clusters: Clusters | None = None
        self._seen = torch.zeros(codebook_size)
        self._generator = torch.Generator()

    def add(self, features: Float[Tensor, "frames dims"]) -> None:
        """Learn from a batch of frames; give the first at least a few frames per code."""
        features = features.float()
        if self._clusters is None:
            self._initialise(features)
        mean, scale, centres = self.clusters
        values = (features - mean) / scale
        ids = nearest_centre(values, centres)
        counts = torch.bincount(ids, minlength=self.codebook_size).to(values)
        sums = torch.zeros_like(centres).index_add_(0, ids, values)
        self._seen += counts
        moved = centres + (sums - counts[:, None] * centres) / self._seen.clamp(min=1)[:, None]
        fresh = values[
            torch.randint(len(values), (self.codebook_size,), generator=self._generator, device=values.device)
        ]
        dead = (counts == 0) & (len(values) >= 10 * self.codebook_size)
        self._seen = torch.where(dead, self._seen.new_ones(()), self._seen)
        self._clusters = Clusters(mean, scale, torch.where(dead[:, None], fresh, moved))

    @property
    def clusters(self) -> Clusters:
        """The clusters learned so far."""
        if self._clusters is None:
            raise ValueError("nothing was learned yet")
        return self._clusters

    @property
    def counts(self) -> Float[Tensor, " codes"]:
        """Number of frames of each code since its start."""
        return self._seen

    def _initialise(self, features: Float[Tensor, "frames dims"]) -> None:
        mean, scale = features.mean(0), features.std(0, correction=0).clamp(min=1e-4)
        self._generator = torch.Generator(features.device).manual_seed(self._seed)
        centres = kmeans((features - mean) / scale, self.codebook_size, 10, self._generator)
        self._clusters = Clusters(mean, scale, centres)
        self._seen = features.new_zeros(self.codebook_size)


def pool_to_tokens(features: Float[Tensor, "frames dims"], hz: Fraction) -> Float[Tensor, "tokens dims"]:
    """Average features at ``hz`` over 40 ms, which gives 25 vectors per second.

    A frame that overlaps two tokens has a share in both.
    """
    ratio = Fraction(SEMANTIC_FRAME_RATE) / hz
    spread = features.repeat_interleave(ratio.numerator, dim=0)
    return functional.avg_pool1d(spread.T[None], ratio.denominator)[0].T


def codebook_use(counts: Float[Tensor, " codes"]) -> dict[str, float]:
    """Share of the codes that occur, and the perplexity of their use (the number of codes were it even)."""
    share = counts.double() / counts.sum()
    mean_entropy = -(share * share.clamp(min=1e-12).log()).sum()
    return {"codes_used": float((share > 0).double().mean()), "perplexity": float(mean_entropy.exp())}
