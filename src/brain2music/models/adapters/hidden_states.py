"""Self-supervised models of speech and music through transformers: one layer's states, averaged over each window.

HuBERT (arXiv 2106.07447), MERT (arXiv 2306.00107) and w2v-BERT 2.0 (arXiv 2312.05187; a model of speech, and not the
w2v-BERT that MusicLM used). MERT asks the hub for code of its own; here it is loaded as the HuBERT that it is.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float32

from ..._utils.errors import InputError
from ...audio.waveforms import AnyWaveform
from ...embeddings.embeddings import EmbeddingSpace
from .clap import load
from .hub_weights import HubWeights, read_config, require_transformers
from .hub_windows import best_device, each_window

Family = Literal["hubert", "mert", "w2v-bert"]
_SHORTEST_S = 0.2
_VERSION = "1"


class HiddenStateEmbedder:
    """The mean over each window of the states at a relative depth: 0 before the first layer, 1 after the last.

    Parameters
    ----------
    name : of the space. family : what the checkpoint is. weights : where it lies.
    window_s, step_s : seconds of sound per vector and between vectors; each window goes through alone.
    depth : of the layer, 0 to 1.

    Raises
    ------
    InputError : the weights are not here, damaged, or of a kind that is not read here.
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
        """(windows, dims) float32 of a waveform at any sample rate, mono or stereo."""
        return np.stack([self._of_window(w) for w in each_window(waveform, sample_rate, self.space, _SHORTEST_S)])

    @torch.inference_mode()
    def _of_window(self, window: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, " dims"]:
        inputs = self.extractor(window, sampling_rate=self.space.sample_rate, return_tensors="pt")
        states = self.model(inputs[self._input].to(self.device), output_hidden_states=True).hidden_states
        return states[self.layer][0].mean(0).cpu().numpy()


def _load_hubert(folder: Path) -> tuple[Any, Any]:
    from transformers import HubertModel, Wav2Vec2FeatureExtractor

    return load(HubertModel, folder), load(Wav2Vec2FeatureExtractor, folder)


def _load_mert(folder: Path) -> tuple[Any, Any]:
    """MERT is HuBERT at 24 kHz, but for options that its public checkpoints leave off (and "attention_relax", which
    rewrites the softmax in a form equal to it)."""
    from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor

    config = read_config(folder)
    for option in ("feature_extractor_cqt", "deepnorm"):
        if config.get(option) and not (option == "deepnorm" and config.get("do_stable_layer_norm")):
            raise InputError(
                f"this MERT was trained with {option}, which HuBERT has not",
                folder / "config.json",
                "take m-a-p/MERT-v1-95M or m-a-p/MERT-v1-330M",
            )
    plain = {key: value for key, value in config.items() if key not in ("auto_map", "architectures", "model_type")}
    model = load(HubertModel, folder, config=HubertConfig.from_dict(plain))
    return model, load(Wav2Vec2FeatureExtractor, folder)


def _load_w2v_bert(folder: Path) -> tuple[Any, Any]:
    from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertModel

    return load(Wav2Vec2BertModel, folder), load(SeamlessM4TFeatureExtractor, folder)


_LOADERS = {"hubert": _load_hubert, "mert": _load_mert, "w2v-bert": _load_w2v_bert}
