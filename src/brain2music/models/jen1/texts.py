"""Token states of texts for cross-attention, from a frozen encoder: MiniLM, or FLAN-T5 and others of the hub."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from ...embeddings.texts import as_texts
from ..adapters.hub_weights import HubWeights, load_pretrained, read_config, require_transformers, weight_files
from ..mulan.minilm import sentence_encoder

MINILM = "minilm"
MAX_TOKENS = 64
"""Tokens of a text that are read; more are cut off."""
_ENCODERS = {"t5": "T5EncoderModel", "mt5": "MT5EncoderModel", "umt5": "UMT5EncoderModel"}


@runtime_checkable
class TextTokens(Protocol):
    """Frozen encoder of texts; ``name`` makes it again (:func:`get_text_tokens`)."""

    name: str
    dims: int

    def __call__(self, texts: Sequence[str]) -> tuple[Float[Tensor, "texts tokens dims"], Bool[Tensor, "texts tokens"]]:
        """States of every token, and which tokens are of the text."""
        ...


class MiniLMTokens:
    """Token states of MiniLM's last layer, 384 dims; needs ``brain2music models pull mulan-small``."""

    name, dims = MINILM, 384

    def __call__(self, texts: Sequence[str]) -> tuple[Float[Tensor, "texts tokens dims"], Bool[Tensor, "texts tokens"]]:
        """States (texts, tokens, 384), cut to :data:`MAX_TOKENS`; :class:`InputError` for texts of no known word."""
        encoder, texts = sentence_encoder(), as_texts(texts)
        encoder.require_known(texts)
        states, words = encoder.token_states(texts)
        return states[:, :MAX_TOKENS], words[:, :MAX_TOKENS]


class HubTokens:
    """Token states of an encoder of the Hugging Face hub, such as ``google/flan-t5-large`` (JEN-1: 1024 dims).

    Parameters
    ----------
    name : str
        Repository, or a local folder with model and tokenizer.

    Raises
    ------
    InputError
        The extra ``hub`` is not installed, or the model is not on this machine: nothing is downloaded here.
    """

    def __init__(self, name: str) -> None:
        require_transformers(name)
        import transformers

        folder = Path(name) if Path(name).is_dir() else HubWeights(name.rpartition("/")[2], name).folder()
        weight_files(folder)
        config = read_config(folder)
        family = _ENCODERS.get(config.get("model_type", ""), "AutoModel")
        self._model: Any = load_pretrained(getattr(transformers, family), folder)
        self._tokenizer: Any = load_pretrained(transformers.AutoTokenizer, folder)
        self.name, self.dims = name, int(self._model.config.hidden_size)

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str]) -> tuple[Float[Tensor, "texts tokens dims"], Bool[Tensor, "texts tokens"]]:
        """States (texts, tokens, dims), cut to :data:`MAX_TOKENS`."""
        encoded = self._tokenizer(
            as_texts(texts), padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
        )
        states = self._model(**encoded).last_hidden_state
        return states.float(), encoded["attention_mask"].bool()


@lru_cache(maxsize=2)
def get_text_tokens(name: str) -> TextTokens:
    """Make the encoder of a name, once per process.

    Parameters
    ----------
    name : str
        ``minilm``, or a repository of the hub.

    Returns
    -------
    TextTokens
        The encoder.

    Raises
    ------
    InputError
        It cannot be loaded.

    Examples
    --------
    >>> get_text_tokens("minilm").dims
    384
    """
    return MiniLMTokens() if name == MINILM else HubTokens(name)


def pad_tokens(
    states: Float[Tensor, "texts tokens dims"], words: Bool[Tensor, "texts tokens"], tokens: int = MAX_TOKENS
) -> tuple[Float[Tensor, "texts padded dims"], Bool[Tensor, "texts padded"]]:
    """Pad token states to a number of tokens.

    Parameters
    ----------
    states : (texts, tokens, dims)
        Token states.
    words : (texts, tokens)
        Which are of the text.
    tokens : int
        Tokens to have.

    Returns
    -------
    two tensors
        The same with ``tokens`` tokens.

    Examples
    --------
    >>> pad_tokens(torch.ones(1, 2, 3), torch.ones(1, 2, dtype=torch.bool), 4)[1].tolist()
    [[True, True, False, False]]
    """
    missing = tokens - states.shape[1]
    return functional.pad(states, (0, 0, 0, missing)), functional.pad(words, (0, missing))
