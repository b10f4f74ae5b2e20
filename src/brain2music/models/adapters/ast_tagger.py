"""AST, the Audio Spectrogram Transformer, as an embedder and a tagger of AudioSet's classes, through transformers.

Gong et al., "AST: Audio Spectrogram Transformer", Interspeech 2021 (arXiv 2104.01778).
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float32

from ..._utils.errors import InputError
from ...audio.waveforms import AnyWaveform
from ...embeddings.embeddings import EmbeddingSpace
from ...embeddings.windows import mono_at
from .hub_weights import HubWeights, load_pretrained, require_transformers
from .hub_windows import best_device, each_window, split_window

_HOP_S, _SHORTEST_S = 0.01, 0.4
_VERSION = "1"


class AstTagger:
    """Embedder of AST's pooled output, and its class probabilities.

    Sound longer than the network reads (10.24 s) is divided into the fewest pieces of that length that cover it, whose
    results are averaged; shorter sound is padded as the network was trained.

    Parameters
    ----------
    name : str
        Name of the embedding space.
    weights : HubWeights
        Source of the model.
    window_s : float
        Seconds of sound per vector.
    step_s : float
        Seconds between vectors.

    Raises
    ------
    InputError
        The weights are missing, damaged, or name no classes.
    """

    def __init__(self, name: str, weights: HubWeights, window_s: float, step_s: float) -> None:
        require_transformers(name)
        from transformers import ASTFeatureExtractor, ASTForAudioClassification

        folder = weights.folder()
        self.device = best_device()
        self.model: Any = load_pretrained(ASTForAudioClassification, folder).to(self.device)
        self.extractor: Any = load_pretrained(ASTFeatureExtractor, folder)
        labels = self.model.config.id2label
        self._names = tuple(str(labels[place]) for place in range(len(labels)))
        if not self._names or self._names[0] == "LABEL_0":
            raise InputError("the configuration names no classes", folder / "config.json", "download the model again")
        self._longest_s = self.extractor.max_length * _HOP_S
        dims, rate = self.model.config.hidden_size, self.extractor.sampling_rate
        self.space = EmbeddingSpace(name, _VERSION, weights.digest(), dims, window_s, step_s, rate)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Display names of AudioSet, in the order of :meth:`classes`."""
        return self._names

    def embed(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, "windows dims"]:
        """Embed a waveform at any sample rate, mono or stereo: (windows, dims)."""
        windows = each_window(waveform, sample_rate, self.space, _SHORTEST_S)
        return np.stack([self._mean_over_pieces(window)[0] for window in windows])

    def classes(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, " classes"]:
        """Compute the probability of every class, averaged over the pieces of the sound."""
        sound = mono_at(waveform, sample_rate, self.space.sample_rate)
        shortest = round(_SHORTEST_S * self.space.sample_rate)
        return self._mean_over_pieces(sound if len(sound) >= shortest else np.resize(sound, shortest))[1]

    @torch.inference_mode()
    def _mean_over_pieces(
        self, sound: Float32[np.ndarray, " samples"]
    ) -> tuple[Float32[np.ndarray, " dims"], Float32[np.ndarray, " classes"]]:
        rate = self.space.sample_rate
        vectors, classes = [], []
        for piece in split_window(sound, rate, self._longest_s):
            inputs = self.extractor(piece, sampling_rate=rate, return_tensors="pt")["input_values"]
            pooled = self.model.audio_spectrogram_transformer(inputs.to(self.device)).pooler_output
            vectors.append(pooled[0].float().cpu().numpy())
            classes.append(self.model.classifier(pooled)[0].sigmoid().float().cpu().numpy())
        return np.mean(vectors, axis=0), np.mean(classes, axis=0)
