"""Embedder with a w2v-BERT trained by this package: hidden states at one depth, averaged over each window."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32

from ..._utils.files import digest_file
from ...audio.waveforms import AnyWaveform
from ...embeddings.embeddings import EmbeddingSpace
from ..adapters.hub_windows import best_device, each_window
from .model import W2vBert

NAME, DEPTH = "w2v-bert-avg", 19 / 24
_SHORTEST_S = 0.2


class W2vBertEmbedder:
    """Embedder of mean hidden states at a relative depth from 0 (before the first block) to 1 (after the last).

    Raises
    ------
    InputError : the folder holds no w2v-BERT of this package.
    """

    def __init__(self, folder: Path, window_s: float = 10.0, step_s: float = 1.5, depth: float = DEPTH) -> None:
        self.model = W2vBert.from_pretrained(folder).to(best_device())
        self.depth = depth
        name = NAME if depth == DEPTH else f"{NAME}@{depth:g}"
        config = self.model.config
        digest = digest_file(folder / "model.safetensors")
        self.space = EmbeddingSpace(name, "1", digest, config.width, window_s, step_s, config.sample_rate)

    @torch.inference_mode()
    def embed(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, "windows dims"]:
        """Embed a waveform at any sample rate, mono or stereo, window by window: (windows, width)."""
        return np.stack(
            [
                self.model.at_depth(torch.from_numpy(window)[None].to(best_device()), self.depth)[0]
                .mean(0)
                .cpu()
                .numpy()
                for window in each_window(waveform, sample_rate, self.space, _SHORTEST_S)
            ]
        )
