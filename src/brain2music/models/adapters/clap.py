"""CLAP (Wu et al. 2023, arXiv 2211.06687) through transformers: LAION's music checkpoint, and the one in MusicLDM.

transformers takes a random crop of sound longer than 10 s, so one clip would have many embeddings. Here windows are cut
into pieces of at most 10 s (:func:`~.hub_windows.split_window`), and the mean of their unit vectors is scaled back to
length 1. Text and sound for MusicLDM must be embedded with the CLAP that it was trained with.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32

from ..._utils.files import read_object
from ...audio.waveforms import AnyWaveform
from ...embeddings.embeddings import EmbeddingSpace
from ...embeddings.texts import as_texts
from ...embeddings.vocabulary import require_known_to
from .hub_weights import HubWeights, load_pretrained, read_config, require_transformers
from .hub_windows import best_device, embed_in_pieces, to_unit_length

LONGEST_S = 10.0
_LONGEST_TEXT = 77
_VERSION = "1"


class ClapEmbedder:
    """Embedder of sound and text with CLAP: unit vectors.

    Parameters
    ----------
    name : str
        Name of the embedding space.
    weights : HubWeights
        Source of the model.
    window_s : float, default 10.0
        Seconds of sound per vector.
    step_s : float, default 1.5
        Seconds between vectors.
    tokenizer : str, optional
        Folder of the tokenizer in a pipeline; default that of the model.
    extractor : str, optional
        Folder of the feature extractor in a pipeline; default that of the model.

    Raises
    ------
    InputError
        The weights are missing, damaged, or not of CLAP.

    References
    ----------
    Wu et al., "Large-scale contrastive language-audio pretraining with feature fusion and keyword-to-caption
    augmentation" (2023, arXiv 2211.06687).
    """

    def __init__(
        self,
        name: str,
        weights: HubWeights,
        window_s: float = 10.0,
        step_s: float = 1.5,
        tokenizer: str | None = None,
        extractor: str | None = None,
    ) -> None:
        require_transformers(name)
        from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

        folder, root = weights.folder(), weights.root()
        self.device = best_device()
        self.model = load_pretrained(ClapModel, folder).to(self.device)
        self.extractor = load_pretrained(ClapFeatureExtractor, folder if extractor is None else root / extractor)
        self.tokenizer = load_pretrained(AutoTokenizer, folder if tokenizer is None else root / tokenizer)
        self.fused = bool(self.model.config.audio_config.enable_fusion)
        self.space = clap_space(name, weights, window_s, step_s, extractor)

    def embed(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, "windows dims"]:
        """Embed a waveform at any sample rate, mono or stereo: (windows, dims) of unit length."""
        return embed_in_pieces(waveform, sample_rate, self.space, LONGEST_S, self._embed_piece)

    @torch.inference_mode()
    def embed_text(self, texts: str | Sequence[str]) -> Float32[np.ndarray, "texts dims"]:
        """Embed texts, each by itself: (texts, dims) of unit length. Tokens after the first 77 are ignored."""
        rows = [np.zeros((0, self.space.dims), np.float32)]
        require_known_to(self.tokenizer, listed := as_texts(texts), _LONGEST_TEXT)
        for text in listed:
            tokens = self.tokenizer(text, truncation=True, max_length=_LONGEST_TEXT, return_tensors="pt")
            tokens = {key: tokens[key].to(self.device) for key in ("input_ids", "attention_mask")}
            rows.append(pooled_output(self.model.get_text_features(**tokens)).float().cpu().numpy())
        return to_unit_length(np.concatenate(rows))

    @torch.inference_mode()
    def _embed_piece(self, piece: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, " dims"]:
        features = self.extractor(
            piece,
            sampling_rate=self.space.sample_rate,
            truncation="fusion" if self.fused else "rand_trunc",
            padding="repeatpad",
            return_tensors="pt",
        )["input_features"]
        # No piece is longer than 10 s, but in fused models the extractor marks one per batch as longer, at random.
        longer = torch.zeros(1, 1, dtype=torch.bool, device=self.device)
        vector = self.model.get_audio_features(input_features=features.to(self.device), is_longer=longer)
        return pooled_output(vector)[0].float().cpu().numpy()


def clap_space(
    name: str, weights: HubWeights, window_s: float = 10.0, step_s: float = 1.5, extractor: str | None = None
) -> EmbeddingSpace:
    """The space of a CLAP's vectors, without loading it.

    Raises
    ------
    InputError : its files are not here, or are not of CLAP.
    """
    folder = weights.folder()
    inputs = folder if extractor is None else weights.root() / extractor
    dims = int(read_config(folder).get("projection_dim", 512))
    sample_rate = int(read_object(inputs / "preprocessor_config.json").get("sampling_rate", 48000))
    return EmbeddingSpace(name, _VERSION, weights.digest(), dims, window_s, step_s, sample_rate)


def pooled_output(features: Any) -> torch.Tensor:
    """Pooled output of a model as a tensor: transformers 4 returns the tensor, transformers 5 an object with it."""
    return features if isinstance(features, torch.Tensor) else features.pooler_output
