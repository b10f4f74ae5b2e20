"""Map from texts to the audio side by way of taggers' tags, for texts unlike those that a MuLan was trained on.

The text tower knows what the captions of training music say. What other people write reaches the audio side better
through tags (in closed form): a text has a share of every tag by its likeness to the tag's name, and a tag a direction
in which sounds that have it lie. Directions are found on music moved to where the taggers' own training music lies
(:mod:`.tagged_music`), and what all such music has in common is taken off: a text near it would be near to all music.
How much a text is unlike the captions that the tower learned from says how much of all that is done to it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn import functional

from ..._utils.files import digest_file, read_arrays, write_arrays

Sentences = Callable[[Sequence[str]], Float32[np.ndarray, "texts 384"]]
FILE = "tag_map.safetensors"
SENTENCE = 384
"""Dimensions of a sentence of MiniLM, the last of its pooled states."""
FLOOR = 1e-4
"""Added to probabilities before their logarithm."""


class TagMap:
    """Map of texts by tags, added to the vectors of a text tower.

    Parameters
    ----------
    tags : (tags, 384)
        Sentence embeddings of the tags' names, of unit length.
    directions : (tags, dims)
        What a tag adds to a vector of the audio side.
    usual : (tags,)
        Mean share of each tag in texts on music, which is taken off.
    centre : (dims,)
        Direction of the mean of music, which is taken off; of unit length.
    unlike : (384,)
        Weights by which a sentence is told from the captions that the tower was trained on.
    threshold : float
        Of the weighted sentence, at which half of the map is used.
    temperature : float
        Of the softmax over tags.
    weight : float
        Length that is added to a unit vector of the tower, at most.
    """

    def __init__(
        self,
        tags: Float32[np.ndarray, "tags 384"],
        directions: Float32[np.ndarray, "tags dims"],
        usual: Float32[np.ndarray, " tags"],
        centre: Float32[np.ndarray, " dims"],
        unlike: Float32[np.ndarray, " 384"],
        threshold: float,
        temperature: float = 0.12,
        weight: float = 1.5,
    ) -> None:
        self._arrays = {"tags": tags, "directions": directions, "usual": usual, "centre": centre, "unlike": unlike}
        self._numbers = {"threshold": threshold, "temperature": temperature, "weight": weight}
        self._tags, self._directions, self._usual, self._centre, self._unlike = map(
            torch.from_numpy, self._arrays.values()
        )

    @classmethod
    def fit(
        cls,
        names: Sequence[str],
        sounds: Float[np.ndarray, "sounds dims"],
        posteriors: Float[np.ndarray, "sounds tags"],
        kinds: Int[np.ndarray, " sounds"],
        texts: Sequence[str],
        captions: Sequence[str],
        sentences: Sentences,
        ridge: float = 3.0,
    ) -> "TagMap":
        """Fit the map in closed form: a ridge from the audio side to standardised log-probabilities of the tags.

        Parameters
        ----------
        names : sequence of str
            Names of the tags.
        sounds : (sounds, dims)
            Vectors of the audio side, of training music.
        posteriors : (sounds, tags)
            Probabilities of the tags in the same sounds.
        kinds : (sounds,)
            Kind of every sound; vectors are centred, and tags standardised, within a kind.
        texts : sequence of str
            Texts that people wrote on music: their mean shares are usual, and they are unlike ``captions``.
        captions : sequence of str
            Captions that the text tower was trained on.
        sentences : callable
            Embeds texts as unit vectors (texts, 384), as :meth:`.minilm.SentenceEncoder.sentences`.
        ridge : float, default 3.0
            Penalty.

        Returns
        -------
        TagMap
            The map.
        """
        target, centred = np.log(posteriors + FLOOR), np.array(sounds, dtype=np.float64)
        for kind in np.unique(kinds):
            rows = kinds == kind
            target[rows] = (target[rows] - target[rows].mean(axis=0)) / (target[rows].std(axis=0) + 1e-6)
            centred[rows] -= centred[rows].mean(axis=0)
        gram = centred.T @ centred + ridge * np.eye(centred.shape[1])
        directions = np.linalg.solve(gram, centred.T @ target).T.astype(np.float32)
        mean = sounds.mean(axis=0)
        tags, written = sentences(names), sentences(texts)
        unlike, threshold = _tell_apart(np.concatenate([written, tags]), sentences(captions))
        none = np.zeros(len(names), np.float32)
        rest = ((mean / np.linalg.norm(mean)).astype(np.float32), unlike, threshold)
        usual = cls(tags, directions, none, *rest).shares(torch.from_numpy(written)).mean(dim=0).numpy()
        return cls(tags, directions, usual, *rest)

    def __call__(
        self, pooled: Float[Tensor, "texts 1152"], tower: Float[Tensor, "texts dims"]
    ) -> Float[Tensor, "texts dims"]:
        """Add the map to vectors of the tower, from the pooled states of the same texts; unit vectors."""
        sentences = functional.normalize(pooled[:, -SENTENCE:], dim=1)
        by_tags = functional.normalize((self.shares(sentences) - self._usual) @ self._directions, dim=1)
        amount = self.amount(sentences)[:, None]
        moved = tower + self._numbers["weight"] * amount * by_tags
        return functional.normalize(moved - amount * (moved @ self._centre)[:, None] * self._centre, dim=1)

    def shares(self, sentences: Float[Tensor, "texts 384"]) -> Float[Tensor, "texts tags"]:
        """Share of every tag in texts."""
        return (sentences @ self._tags.T / self._numbers["temperature"]).softmax(dim=1)

    def amount(self, sentences: Float[Tensor, "texts 384"]) -> Float[Tensor, " texts"]:
        """How much of the map is used, from 0 to 1, by how unlike the tower's captions a text is."""
        return torch.sigmoid(sentences @ self._unlike - self._numbers["threshold"])

    def save(self, folder: Path) -> None:
        """Write the map to a model's folder, in half precision."""
        write_arrays(
            folder / FILE, {name: array.astype(np.float16) for name, array in self._arrays.items()}, self._numbers
        )

    @classmethod
    def load(cls, folder: Path) -> "TagMap | None":
        """Read the map of a model's folder; None where it has none."""
        if not (folder / FILE).is_file():
            return None
        arrays, numbers = read_arrays(folder / FILE)
        single = {name: array.astype(np.float32) for name, array in arrays.items()}
        return cls(single["tags"], single["directions"], single["usual"], single["centre"], single["unlike"], **numbers)


def _tell_apart(
    texts: Float32[np.ndarray, "texts 384"], captions: Float32[np.ndarray, "captions 384"]
) -> tuple[Float32[np.ndarray, " 384"], float]:
    """Weights and threshold of a logistic regression that tells texts from captions."""
    rows, is_text = np.concatenate([texts, captions]), np.repeat([True, False], [len(texts), len(captions)])
    fitted = LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000).fit(rows, is_text)
    return fitted.coef_[0].astype(np.float32), -float(fitted.intercept_[0])


def digest_tag_map(folder: Path) -> str:
    """Digest of the map of a model's folder; empty where it has none."""
    return digest_file(folder / FILE) if (folder / FILE).is_file() else ""
