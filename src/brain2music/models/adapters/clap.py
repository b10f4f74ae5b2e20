"""CLAP through transformers: LAION's music checkpoint, and the one inside a MusicLDM checkpoint.

Wu et al. 2023 (arXiv 2211.06687). transformers draws a random crop of sound over 10 s, so that one clip would have many
embeddings: windows are cut here into pieces of at most 10 s (:func:`~.hub_windows.pieces`), and the mean of their unit
vectors is scaled back to length 1. Text and sound of MusicLDM must come from the CLAP it was trained with.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32

from ..._utils.errors import InputError
from ...audio.waveforms import AnyWaveform
from ...embeddings.embeddings import EmbeddingSpace
from ...embeddings.texts import as_texts
from ...embeddings.vocabulary import require_known_to
from .hub_weights import HubWeights, require_transformers
from .hub_windows import best_device, embed_in_pieces, unit

LONGEST_S = 10.0
_LONGEST_TEXT = 77
_VERSION = "1"


class ClapEmbedder:
    """Unit vectors of sound and of text in one space of CLAP.

    Parameters
    ----------
    name : of the space. weights : where the model lies.
    window_s, step_s : seconds of sound per vector and between vectors.
    tokeniser, extractor : folders of the tokeniser and of the feature extractor beside the model's, in a pipeline;
        None where they lie with the model.

    Raises
    ------
    InputError : the weights are not here, damaged, or not a CLAP's.
    """

    def __init__(
        self,
        name: str,
        weights: HubWeights,
        window_s: float = 10.0,
        step_s: float = 1.5,
        tokeniser: str | None = None,
        extractor: str | None = None,
    ) -> None:
        require_transformers(name)
        from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

        folder, root = weights.folder(), weights.root()
        self.device = best_device()
        self.model = load(ClapModel, folder).to(self.device)
        self.extractor = load(ClapFeatureExtractor, folder if extractor is None else root / extractor)
        self.tokeniser = load(AutoTokenizer, folder if tokeniser is None else root / tokeniser)
        self.fused = bool(self.model.config.audio_config.enable_fusion)
        dims, sample_rate = self.model.config.projection_dim, self.extractor.sampling_rate
        self.space = EmbeddingSpace(name, _VERSION, weights.digest(), dims, window_s, step_s, sample_rate)

    def embed(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, "windows dims"]:
        """(windows, dims) float32 unit rows of a waveform at any sample rate, mono or stereo."""
        return embed_in_pieces(waveform, sample_rate, self.space, LONGEST_S, self._of_sound)

    @torch.inference_mode()
    def embed_text(self, texts: str | Sequence[str]) -> Float32[np.ndarray, "texts dims"]:
        """(texts, dims) float32 unit rows; text over 77 tokens is cut. Each by itself, whatever its neighbours are."""
        rows = [np.zeros((0, self.space.dims), np.float32)]
        require_known_to(self.tokeniser, listed := as_texts(texts), _LONGEST_TEXT)
        for text in listed:
            tokens = self.tokeniser(text, truncation=True, max_length=_LONGEST_TEXT, return_tensors="pt")
            tokens = {key: tokens[key].to(self.device) for key in ("input_ids", "attention_mask")}
            rows.append(unwrap(self.model.get_text_features(**tokens)).float().cpu().numpy())
        return unit(np.concatenate(rows))

    @torch.inference_mode()
    def _of_sound(self, piece: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, " dims"]:
        features = self.extractor(
            piece,
            sampling_rate=self.space.sample_rate,
            truncation="fusion" if self.fused else "rand_trunc",
            padding="repeatpad",
            return_tensors="pt",
        )["input_features"]
        # No piece is longer than 10 s; in fused models the extractor calls one of every batch longer, at random.
        longer = torch.zeros(1, 1, dtype=torch.bool, device=self.device)
        vector = self.model.get_audio_features(input_features=features.to(self.device), is_longer=longer)
        return unwrap(vector)[0].float().cpu().numpy()


def unwrap(features: Any) -> torch.Tensor:
    """The vectors: transformers 4 gives the tensor itself, transformers 5 an object around it."""
    return features if isinstance(features, torch.Tensor) else features.pooler_output


def load(kind: Any, folder: Path, **options: Any) -> Any:
    """``kind.from_pretrained`` of a local folder, in single precision and evaluation mode, without the network.

    Raises
    ------
    InputError : something is missing or damaged, or a weight of the model is not in the file.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
    is_model = hasattr(kind, "forward")
    if is_model:
        options |= {"use_safetensors": True, "output_loading_info": True}
    try:
        loaded = kind.from_pretrained(str(folder), local_files_only=True, **options)
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"this is not a {kind.__name__} ({reason})", folder, "download the model again") from None
    if not is_model:
        return loaded
    model, report = loaded
    if missing := sorted(report["missing_keys"]):
        raise InputError(
            f"the weights lack {missing[0]!r} and {len(missing) - 1} more of {kind.__name__}'s",
            folder,
            "download the model again",
        )
    return model.float().eval()
