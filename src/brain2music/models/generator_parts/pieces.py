"""The pieces that generators are trained on: where they come from, and the embeddings of their windows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32

from ...embeddings.embeddings import EmbeddingSpace
from ...embeddings.protocols import Embedder
from ..embedders import get_embedder
from ..mulan.feature_extractor import FeatureExtractor
from ..mulan.mulan_embedder import MuLanEmbedder
from ..musicnn.network import network_on

SAMPLE_RATE = 24000
"""Hz, of the sound that is embedded."""


@dataclass(frozen=True)
class RecordedSegment:
    """A segment of a recording in a sound file."""

    file: Path
    start_s: float = 0.0
    licence: str = ""


class WindowEmbedder:
    """Embedder of a piece's windows, in two halves: :meth:`prepare` in a worker, :meth:`forward` on the device.

    Parameters
    ----------
    embedding : a folder of a MuLan, or a name of the registry. step_s : between windows of 10 s (MusicLM: 1).
    """

    def __init__(self, embedding: str, step_s: float, device: str = "cpu") -> None:
        self.embedder = _open_embedder(embedding, step_s)
        self.device = torch.device(device)
        self._extractor = _feature_extractor(self.embedder)
        if self._extractor is not None:
            self._network = network_on(self._extractor.musicnn.network, self.device)

    @property
    def space(self) -> EmbeddingSpace:
        """Space of the embeddings."""
        return self.embedder.space

    def prepare(self, sound: Float32[np.ndarray, " samples"]) -> Any:
        """In a worker process: all before the network, or the embedding itself."""
        return (
            self.embedder.embed(sound, SAMPLE_RATE)
            if self._extractor is None
            else self._extractor.prepare(sound, SAMPLE_RATE)
        )

    def forward(self, prepared: Any) -> Float32[np.ndarray, "windows dims"]:
        """Embeddings of the windows, from the output of :meth:`prepare`."""
        if self._extractor is None or not isinstance(self.embedder, MuLanEmbedder):
            return prepared
        on_device = prepared._replace(frames=prepared.frames.to(self.device))
        return self.embedder.embed_features(self._extractor.forward(on_device, self._network)[0])


def _open_embedder(embedding: str, step_s: float) -> Embedder:
    if (Path(embedding) / "config.json").is_file():
        return MuLanEmbedder(Path(embedding), 10.0, step_s)
    return get_embedder(embedding, 10.0, step_s)


def _feature_extractor(embedder: Embedder) -> FeatureExtractor | None:
    """The feature extractor of a MuLan on frozen features, to be run in two halves; None for other embedders."""
    if isinstance(embedder, MuLanEmbedder) and embedder.model.reads_features:
        return FeatureExtractor(embedder.space.window_s, embedder.space.step_s)
    return None
