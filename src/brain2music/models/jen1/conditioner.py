"""Conditions of the diffusion model from what a user gives: embeddings, recordings, texts, or a text beside them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ..._utils.errors import InputError
from ...embeddings.embeddings import EmbeddingSpace
from ...embeddings.texts import as_texts
from ..embedders import embeds_text
from ..embedding_input import EmbeddingInput
from ..generator_parts.inputs import Rows
from ..generator_parts.prompts import (
    Prompts,
    check_texts,
    embed_texts,
    prompts_from_audio,
    prompts_from_embeddings,
    vector_of_edit,
)
from .condition import DiffusionCondition
from .texts import get_text_tokens


class Asked(NamedTuple):
    """What pieces are asked for: a condition per item, and the origin of each, as JSON types."""

    condition: DiffusionCondition
    origins: list[dict[str, Any]]


class DiffusionConditioner(EmbeddingInput):
    """Conditions of a JEN-1 from embeddings of one space, and from texts where it was trained with them.

    Parameters
    ----------
    space : EmbeddingSpace
        Of the embeddings.
    text_encoder : str or None
        Name of the encoder of texts (:func:`.texts.get_text_tokens`); None where it takes no texts.
    text_dim : int
        Dimensions of the token states of texts.
    name : str
        Of the model, for errors.
    """

    def __init__(self, space: EmbeddingSpace, text_encoder: str | None, text_dim: int, name: str) -> None:
        super().__init__(space)
        self.text_encoder, self.text_dim, self.name = text_encoder, text_dim, name

    def asked(self, embedding: Any, text: Any, like: Any, rows: Rows | None = None) -> Asked:
        """Conditions of what is asked for.

        Parameters
        ----------
        embedding, text, like, rows
            As for :meth:`.model.JEN1.generate`.

        Returns
        -------
        Asked
            A condition per item, and their origins.
        """
        if (embedding is not None and like is not None) or all(each is None for each in (embedding, text, like)):
            raise InputError("give an embedding, a text or a recording to be like, or a text with one of the others")
        prompts: Prompts | None = None
        if embedding is not None:
            prompts = prompts_from_embeddings(embedding, self, rows)
        elif like is not None:
            prompts = prompts_from_audio(like, self)
        if text is None:
            assert prompts is not None
            return Asked(self.of_embeddings(prompts.vectors), prompts.origins)
        texts = as_texts(text)
        condition, origins = self.of_texts(texts), [{"text": each} for each in texts]
        if prompts is None:
            return Asked(condition, origins)
        count = len(prompts.origins)
        if len(texts) not in (1, count):
            raise InputError(f"{len(texts)} texts for {count} items", hint="give one text, or one per item")
        of_item = list(range(count)) if len(texts) == count else [0] * count
        both = self.of_embeddings(prompts.vectors)
        shown = torch.ones(count, 2, dtype=torch.bool)
        condition = replace(condition[of_item], embedding=both.embedding, shown=shown)
        return Asked(condition, [prompts.origins[i] | origins[of_item[i]] for i in range(count)])

    def of_embeddings(self, vectors: Float[Tensor, "items dims"]) -> DiffusionCondition:
        """Conditions of embeddings alone.

        Parameters
        ----------
        vectors : (items, dims)
            In :attr:`space`; brought to unit length.

        Returns
        -------
        DiffusionCondition
            One per item.
        """
        null = DiffusionCondition.null(len(vectors), self.text_dim, vectors.shape[1])
        shown = torch.tensor([[False, True]]).repeat(len(vectors), 1)
        return replace(null, embedding=torch.nn.functional.normalize(vectors.float(), dim=1), shown=shown)

    def of_texts(self, texts: Sequence[str]) -> DiffusionCondition:
        """Conditions of texts: their token states, and where the joint space embeds texts, their embeddings, too.

        Parameters
        ----------
        texts : sequence of str
            Not empty, and of at most two hundred words each.

        Returns
        -------
        DiffusionCondition
            One per text.
        """
        if self.text_encoder is None:
            raise InputError(f"{self.name} takes no texts", hint="give a recording or an embedding instead")
        found = []
        for text in check_texts(texts):  # each by itself: beside longer ones, its last bits would differ
            states, words = get_text_tokens(self.text_encoder)([text])
            null = DiffusionCondition.null(1, self.text_dim, self.space.dims)
            found.append(replace(null, text=states, words=words, shown=torch.tensor([[True, False]])))
        condition = DiffusionCondition.stack(found)
        if not embeds_text(self.space.name):
            return condition
        joint = self.of_embeddings(embed_texts(texts, self))
        return replace(condition, embedding=joint.embedding, shown=torch.ones_like(condition.shown))

    def of_edit(self, embedding: Any) -> DiffusionCondition | None:
        """Condition of the one item that an edit is given as an embedding, if any.

        Parameters
        ----------
        embedding : Embeddings or ndarray, optional
            Of one item.

        Returns
        -------
        DiffusionCondition or None
            None where there is no embedding.
        """
        if embedding is None:
            return None
        return self.of_embeddings(vector_of_edit(embedding, self))
