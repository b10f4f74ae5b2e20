"""MuQ-MuLan (Zhu et al. 2025, arXiv 2501.01108): joint embedding of sound and text, without its package and torchaudio.

States of a layer of MuQ (sound) or of XLM-RoBERTa (text) pass through a projection, a small transformer, a mean over
time and a projection to 512 dimensions, scaled to unit length. In the checkpoint, ``mulan.audio`` and ``mulan.text``
hold ``model``, ``proj`` and ``transformer``; the last projections are ``mulan.audio_to_latents`` and
``mulan.text_to_latents``. The sizes of MuQ and XLM-RoBERTa, and the tokenizer, are read from their repositories.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn import functional

from ..._utils.errors import InputError
from ...audio.waveforms import AnyWaveform
from ...embeddings.embeddings import EmbeddingSpace
from ...embeddings.texts import as_texts
from ...embeddings.vocabulary import require_known_to
from .hub_weights import HubWeights, load_pretrained, read_config, require_transformers
from .hub_windows import best_device, embed_in_pieces, to_unit_length
from .muq import ONLY_TRAINING, SAMPLE_RATE, Muq, load_tensors, read_tensors

LONGEST_S = 10.0
_LONGEST_TEXT = 512
_VERSION = "1"
_BUFFERS = ("model.embeddings.position_ids", "model.embeddings.token_type_ids")


class MuqMulanEmbedder:
    """Embedder of sound and text with MuQ-MuLan: unit vectors.

    Windows longer than 10 s are split into pieces whose mean is scaled back to length 1 (the published code does not
    rescale it), and shorter ones are repeated from their start to 10 s (as in the published code). Each text is
    embedded by itself because the text tower averages over padding too.

    Parameters
    ----------
    name : str
        Name of the embedding space.
    weights : HubWeights
        Source of MuQ-MuLan.
    muq : HubWeights
        Source of the settings of MuQ.
    roberta : HubWeights
        Source of the settings and the tokenizer of XLM-RoBERTa.
    window_s : float
        Seconds of sound per vector.
    step_s : float
        Seconds between vectors.

    Raises
    ------
    InputError
        A file is missing, damaged, or of an unsupported kind.
    """

    def __init__(
        self,
        name: str,
        weights: HubWeights,
        muq: HubWeights,
        roberta: HubWeights,
        window_s: float = 10.0,
        step_s: float = 1.5,
    ) -> None:
        require_transformers(name)
        from transformers import AutoTokenizer, XLMRobertaConfig, XLMRobertaModel

        folder, text_folder = weights.folder(), roberta.folder()
        config, state = read_config(folder), read_tensors(folder)
        self.tokenizer = load_pretrained(AutoTokenizer, text_folder)
        text_model = XLMRobertaModel(XLMRobertaConfig.from_pretrained(str(text_folder), local_files_only=True))
        self.device = best_device()
        try:
            self.layer = int(config["audio_model"].get("use_layer_idx", -1))
            dims = int(config["mulan"]["dim_latent"])
            audio = _Tower(Muq(read_config(muq.folder())), config["audio_model"], config["audio_transformer"], dims)
            text = _Tower(text_model, config["text_model"], config["text_transformer"], dims)
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"this is not MuQ-MuLan's configuration ({error})", folder / "config.json", "download it again"
            ) from None
        for tower, side, skip in ((audio, "audio", ONLY_TRAINING), (text, "text", _BUFFERS)):
            load_tensors(tower, _of_side(state, side, skip), folder)
            tower.to(self.device).eval()
        self.audio, self.text = audio, text
        self.space = muq_mulan_space(weights, name, window_s, step_s)

    def embed(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, "windows dims"]:
        """Embed a waveform at any sample rate, mono or stereo: (windows, 512) of unit length."""
        return embed_in_pieces(waveform, sample_rate, self.space, LONGEST_S, self._embed_piece)

    @torch.inference_mode()
    def embed_text(self, texts: str | Sequence[str]) -> Float32[np.ndarray, "texts dims"]:
        """Embed texts: (texts, 512) of unit length."""
        rows = [np.zeros((0, self.space.dims), np.float32)]
        require_known_to(self.tokenizer, listed := as_texts(texts), _LONGEST_TEXT, english=False)
        for text in listed:
            tokens = self.tokenizer(text, truncation=True, max_length=_LONGEST_TEXT, return_tensors="pt")
            tokens = {key: tokens[key].to(self.device) for key in ("input_ids", "attention_mask")}
            rows.append(self.text(self.text.model(**tokens).last_hidden_state).cpu().numpy())
        return to_unit_length(np.concatenate(rows))

    @torch.inference_mode()
    def _embed_piece(self, piece: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, " dims"]:
        whole = np.resize(piece, round(LONGEST_S * SAMPLE_RATE))
        states = self.audio.model(torch.from_numpy(whole)[None].to(self.device))
        return self.audio(states[self.layer])[0].cpu().numpy()


def muq_mulan_space(
    weights: HubWeights, name: str = "muq-mulan", window_s: float = 10.0, step_s: float = 1.5
) -> EmbeddingSpace:
    """The space of MuQ-MuLan's vectors, without loading it.

    Raises
    ------
    InputError : its files are not here, or are not MuQ-MuLan's.
    """
    folder = weights.folder()
    try:
        dims = int(read_config(folder)["mulan"]["dim_latent"])
    except (KeyError, TypeError) as error:
        what = f"this is not MuQ-MuLan's configuration ({error})"
        raise InputError(what, folder / "config.json", "download it again") from None
    return EmbeddingSpace(name, _VERSION, weights.digest(), dims, window_s, step_s, SAMPLE_RATE)


class _Tower(nn.Module):
    """Pretrained model and its head: projection, transformer, mean over time, last projection."""

    transformer: Any

    def __init__(self, model: nn.Module, sizes: dict[str, Any], shape: dict[str, Any], dims: int) -> None:
        super().__init__()
        width, dim = sizes.get("model_dim"), int(shape["dim"])
        always = isinstance(model, Muq)
        self.model = model
        self.proj = nn.Linear(int(width), dim) if width and (always or width != dim) else nn.Identity()
        self.transformer = nn.Module()
        self.transformer.layers = nn.ModuleList(
            nn.ModuleList(
                [_CosineAttention(dim, int(shape["heads"]), int(shape["dim_head"])), _feed_forward(dim, shape)]
            )
            for _ in range(int(shape["tf_depth"]))
        )
        self.to_latents = nn.Linear(dim, dims)

    def forward(self, states: Float[Tensor, "batch frames width"]) -> Float[Tensor, "batch dims"]:
        states = self.proj(states)
        for attention, feed_forward in self.transformer.layers:
            states = states + attention(states)
            states = states + feed_forward(states)
        return self.to_latents(states.mean(dim=1))


class _CosineAttention(nn.Module):
    """Cosine attention: queries and keys of unit length, scaled by learned factors and by 8."""

    def __init__(self, dim: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = _Norm(dim)
        self.to_q = nn.Linear(dim, heads * head_width, bias=False)
        self.to_kv = nn.Linear(dim, 2 * heads * head_width, bias=False)
        self.q_scale, self.k_scale = nn.Parameter(torch.ones(head_width)), nn.Parameter(torch.ones(head_width))
        self.to_out = nn.Sequential(nn.Linear(heads * head_width, dim, bias=False))

    def forward(self, states: Float[Tensor, "batch frames dim"]) -> Float[Tensor, "batch frames dim"]:
        states = self.norm(states)
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.to_q(states), *self.to_kv(states).chunk(2, dim=-1))
        )
        query = functional.normalize(query, dim=-1) * self.q_scale
        key = functional.normalize(key, dim=-1) * self.k_scale
        attended = functional.scaled_dot_product_attention(query, key, value, scale=8.0)
        return self.to_out(attended.transpose(1, 2).flatten(2))


class _Norm(nn.Module):
    """Layer normalisation with a scale and without a shift."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.learned_gamma = nn.Parameter(torch.ones(dim))

    def forward(self, states: Tensor) -> Tensor:
        return functional.layer_norm(states, states.shape[-1:], self.learned_gamma)


class _Gate(nn.Module):
    """Gated GELU: the first half times the GELU of the second."""

    def forward(self, states: Tensor) -> Tensor:
        values, gate = states.chunk(2, dim=-1)
        return functional.gelu(gate) * values


def _feed_forward(dim: int, shape: dict[str, Any]) -> nn.Sequential:
    inner = int(dim * int(shape.get("ff_mult", 4)) * 2 / 3)
    layers = [_Norm(dim), nn.Linear(dim, 2 * inner, bias=False), _Gate(), nn.Identity()]
    return nn.Sequential(*layers, nn.Linear(inner, dim, bias=False))


def _of_side(state: dict[str, Tensor], side: str, skip: tuple[str, ...]) -> dict[str, Tensor]:
    """Tensors of one tower, with the names of :class:`_Tower`."""
    tower, last = f"mulan.{side}.", f"mulan.{side}_to_latents."
    tensors = {name.replace(last, "to_latents."): value for name, value in state.items() if name.startswith(last)}
    for name, value in state.items():
        plain = name.removeprefix(tower).replace("model.model.", "model.", 1)
        if name.startswith(tower) and not plain.startswith((*skip, "aggregator.")):
            tensors[plain] = value
    return tensors
