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
    """Embedder of sound with w2v-BERT: hidden states at one depth, averaged over each window.

    Parameters
    ----------
    folder : Path
        Folder of a model of :func:`train_w2v_bert`.
    window_s : float, default 10.0
        Seconds of sound per vector.
    step_s : float, default 1.5
        Seconds between vectors.
    depth : float, default 19/24
        Relative depth of the states: 0 before the first block, 1 after the last.

    Attributes
    ----------
    space : EmbeddingSpace
        Space of the vectors.

    Raises
    ------
    InputError
        The folder holds no w2v-BERT of this package.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from brain2music.models.w2v_bert import W2vBert, W2vBertConfig, W2vBertEmbedder
    >>> config = W2vBertConfig(width=32, heads=2, feed_forward=64, contrastive_blocks=1, masked_blocks=1, code_dim=32)
    >>> folder = W2vBert(config).save_pretrained(Path("untrained"))
    >>> embedder = W2vBertEmbedder(folder, window_s=1.0, step_s=1.0)
    >>> embedder.embed(0.1 * np.sin(np.arange(3 * 24000)), 24000).shape  # windows, width
    (3, 32)
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
        """Embed a waveform, window by window.

        Parameters
        ----------
        waveform : ndarray of shape (samples,), (channels, samples) or (samples, channels)
            Mono or stereo samples, as for :func:`brain2music.audio.as_waveform`.
        sample_rate : int
            Sample rate in Hz.

        Returns
        -------
        ndarray of float32, of shape (windows, width)
            Mean states of each window.
        """
        return np.stack(
            [
                self.model.at_depth(torch.from_numpy(window)[None].to(best_device()), self.depth)[0]
                .mean(0)
                .cpu()
                .numpy()
                for window in each_window(waveform, sample_rate, self.space, _SHORTEST_S)
            ]
        )
