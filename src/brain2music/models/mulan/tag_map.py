"""Map from texts to the audio side by way of a tagger's tags, for texts unlike those that a MuLan was trained on.

The text tower knows what the captions of training music say. What other people write reaches the audio side better
through tags (in closed form): a text has a share of every tag by its likeness to the tag's name, and a tag a direction
in which sounds that have it lie, found on recorded training music. The less a text is like the captions that the tower
learned from, the more of that map is added to the tower's vector.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional

from ..._utils.files import digest_file, read_arrays, write_arrays

Sentences = Callable[[Sequence[str]], Float32[np.ndarray, "texts 384"]]
FILE = "tag_map.safetensors"
SENTENCE = 384
"""Dimensions of a sentence of MiniLM, the last of its pooled states."""


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
    learned : (384,)
        Mean sentence of the captions that the tower was trained on, of unit length.
    temperature : float
        Of the softmax over tags.
    weight : float
        Length that is added to a unit vector of the tower, at most.
    similarity, width : float
        Cosine with ``learned`` at which half of it is added, and over how much the share falls.
    """

    def __init__(
        self,
        tags: Float32[np.ndarray, "tags 384"],
        directions: Float32[np.ndarray, "tags dims"],
        usual: Float32[np.ndarray, " tags"],
        learned: Float32[np.ndarray, " 384"],
        temperature: float = 0.12,
        weight: float = 2.0,
        similarity: float = 0.65,
        width: float = 0.02,
    ) -> None:
        self._arrays = {"tags": tags, "directions": directions, "usual": usual, "learned": learned}
        self._numbers = {"temperature": temperature, "weight": weight, "similarity": similarity, "width": width}
        self._tags, self._directions, self._usual, self._learned = map(torch.from_numpy, self._arrays.values())

    @classmethod
    def fit(
        cls,
        names: Sequence[str],
        sounds: Float[np.ndarray, "sounds dims"],
        posteriors: Float[np.ndarray, "sounds tags"],
        texts: Sequence[str],
        captions: Sequence[str],
        sentences: Sentences,
        ridge: float = 1.0,
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
        texts : sequence of str
            Texts that people wrote on music, for the usual shares.
        captions : sequence of str
            Captions that the text tower was trained on.
        sentences : callable
            Embeds texts as unit vectors (texts, 384), as :meth:`.minilm.SentenceEncoder.sentences`.
        ridge : float, default 1.0
            Penalty.

        Returns
        -------
        TagMap
            The map.
        """
        logs = np.log(posteriors + 1e-4)
        target = (logs - logs.mean(axis=0)) / (logs.std(axis=0) + 1e-6)
        centred = sounds - sounds.mean(axis=0)
        gram = centred.T @ centred + ridge * np.eye(centred.shape[1])
        directions = np.linalg.solve(gram, centred.T @ target).T.astype(np.float32)
        learned = sentences(captions).mean(axis=0)
        learned, tags = learned / np.linalg.norm(learned), sentences(names)
        without = cls(tags, directions, np.zeros(len(names), np.float32), learned)
        usual = without.shares(torch.from_numpy(sentences(texts))).mean(dim=0).numpy()
        return cls(tags, directions, usual, learned)

    def __call__(
        self, pooled: Float[Tensor, "texts 1152"], tower: Float[Tensor, "texts dims"]
    ) -> Float[Tensor, "texts dims"]:
        """Add the map to vectors of the tower, from the pooled states of the same texts; unit vectors."""
        sentences = functional.normalize(pooled[:, -SENTENCE:], dim=1)
        by_tags = functional.normalize((self.shares(sentences) - self._usual) @ self._directions, dim=1)
        return functional.normalize(tower + self.amount(sentences)[:, None] * by_tags, dim=1)

    def shares(self, sentences: Float[Tensor, "texts 384"]) -> Float[Tensor, "texts tags"]:
        """Share of every tag in texts."""
        return (sentences @ self._tags.T / self._numbers["temperature"]).softmax(dim=1)

    def amount(self, sentences: Float[Tensor, "texts 384"]) -> Float[Tensor, " texts"]:
        """How much of the map is added, by how unlike the tower's captions a text is."""
        likeness = sentences @ self._learned
        share = torch.sigmoid((self._numbers["similarity"] - likeness) / self._numbers["width"])
        return self._numbers["weight"] * share

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
        return cls(single["tags"], single["directions"], single["usual"], single["learned"], **numbers)


def digest_tag_map(folder: Path) -> str:
    """Digest of the map of a model's folder; empty where it has none."""
    return digest_file(folder / FILE) if (folder / FILE).is_file() else ""
