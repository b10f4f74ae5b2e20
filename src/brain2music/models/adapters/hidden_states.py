"""Self-supervised models of speech and music through transformers: hidden states, averaged over each window.

HuBERT (arXiv 2106.07447), MERT (arXiv 2306.00107) and w2v-BERT 2.0 (arXiv 2312.05187; a model of speech, not the
w2v-BERT of MusicLM). MERT requires code from the hub; here it is loaded as a HuBERT, which it is.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float32

from ..._utils.errors import InputError
from ...audio.waveforms import AnyWaveform
from ...embeddings.embeddings import EmbeddingSpace
from .hub_weights import HubWeights, load_pretrained, read_config, require_transformers
from .hub_windows import best_device, each_window

Family = Literal["hubert", "mert", "w2v-bert"]
_SHORTEST_S = 0.2
_VERSION = "1"


class HiddenStateEmbedder:
    """Embedder of mean hidden states of a self-supervised model.

    Parameters
    ----------
    name : str
        Name of the embedding space.
    family : {"hubert", "mert", "w2v-bert"}
        Kind of the checkpoint.
    weights : HubWeights
        Source of the model.
    window_s : float
        Seconds of sound per vector; each window is processed by itself.
    step_s : float
        Seconds between vectors.
    depth : float
        Relative depth of the layer: 0 before the first, 1 after the last.

    Raises
    ------
    InputError
        The weights are missing, damaged, or of an unsupported kind.
    """

    def __init__(
        self, name: str, family: Family, weights: HubWeights, window_s: float, step_s: float, depth: float
    ) -> None:
        require_transformers(name)
        folder = weights.folder()
        self.device = best_device()
        self.model, self.extractor = _LOADERS[family](folder)
        self.model.to(self.device)
        self.layer = round(depth * self.model.config.num_hidden_layers)
        self._input = self.extractor.model_input_names[0]
        self.space = EmbeddingSpace(
            name,
            _VERSION,
            weights.digest(),
            self.model.config.hidden_size,
            window_s,
            step_s,
            self.extractor.sampling_rate,
        )

    def embed(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, "windows dims"]:
        """Embed a waveform at any sample rate, mono or stereo: (windows, dims)."""
        return np.stack([self._embed_window(w) for w in each_window(waveform, sample_rate, self.space, _SHORTEST_S)])

    @torch.inference_mode()
    def _embed_window(self, window: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, " dims"]:
        inputs = self.extractor(window, sampling_rate=self.space.sample_rate, return_tensors="pt")
        states = self.model(inputs[self._input].to(self.device), output_hidden_states=True).hidden_states
        return states[self.layer][0].mean(0).cpu().numpy()


def _load_hubert(folder: Path) -> tuple[Any, Any]:
    from transformers import HubertModel, Wav2Vec2FeatureExtractor

    return load_pretrained(HubertModel, folder), load_pretrained(Wav2Vec2FeatureExtractor, folder)


def _load_mert(folder: Path) -> tuple[Any, Any]:
    """Load MERT as a HuBERT at 24 kHz.

    They differ only in options that the public checkpoints do not use (and in "attention_relax", which computes the
    softmax in an equivalent form).
    """
    from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor

    config = read_config(folder)
    for option in ("feature_extractor_cqt", "deepnorm"):
        if config.get(option) and not (option == "deepnorm" and config.get("do_stable_layer_norm")):
            raise InputError(
                f"this MERT was trained with {option}, which HuBERT does not have",
                folder / "config.json",
                "take m-a-p/MERT-v1-95M or m-a-p/MERT-v1-330M",
            )
    plain = {key: value for key, value in config.items() if key not in ("auto_map", "architectures", "model_type")}
    model = load_pretrained(HubertModel, folder, config=HubertConfig.from_dict(plain))
    return model, load_pretrained(Wav2Vec2FeatureExtractor, folder)


def _load_w2v_bert(folder: Path) -> tuple[Any, Any]:
    from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertModel

    return load_pretrained(Wav2Vec2BertModel, folder), load_pretrained(SeamlessM4TFeatureExtractor, folder)


_LOADERS = {"hubert": _load_hubert, "mert": _load_mert, "w2v-bert": _load_w2v_bert}
