"""The nouns of the music side: a space that embeddings live in, and the embeddings of a list of clips."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32, Int

from brain2music._utils.errors import InputError
from brain2music.study.study import Clip


@dataclass(frozen=True)
class EmbeddingSpace:
    """What an embedding is, exactly. Vectors of two spaces that differ in any field must not meet.

    Attributes
    ----------
    name : the registry's name, "musicnn-mtt".
    version : version of the code that computes it; raised whenever its numbers change.
    sha256 : digest of the weights ("none" for features without weights).
    dims : length of a vector.
    window_s, step_s : seconds of sound per vector, and between vectors.
    sample_rate : Hz of the mono signal it reads.
    """

    name: str
    version: str
    sha256: str
    dims: int
    window_s: float
    step_s: float
    sample_rate: int

    def same_as(self, other: "EmbeddingSpace") -> bool:
        """Whether vectors of both may meet, however long the windows are that they were made from."""
        mine, theirs = ((space.name, space.version, space.sha256, space.dims) for space in (self, other))
        return mine == theirs

    def require_same(self, other: "EmbeddingSpace") -> None:
        """Raise :class:`InputError` naming the first field in which two spaces differ."""
        self._require(other, tuple(self.__dataclass_fields__))

    def require_same_means(self, other: "EmbeddingSpace") -> None:
        """Raise :class:`InputError` unless means over windows may meet: those do not depend on the step.

        A gallery's windows follow the model's own step and a study's its TR; both means stand for the whole sound.
        """
        self._require(other, tuple(field for field in self.__dataclass_fields__ if field != "step_s"))

    def _require(self, other: "EmbeddingSpace", fields: tuple[str, ...]) -> None:
        for field in fields:
            mine, theirs = getattr(self, field), getattr(other, field)
            if mine != theirs:
                raise InputError(
                    f"embeddings of two different spaces meet: {self.name} and {other.name} differ in "
                    f"{field} ({mine!r} and {theirs!r})",
                    hint="embed both sides again with the same model and settings",
                )


@dataclass(frozen=True)
class Embeddings:
    """Embeddings of clips: ``data`` (clips, windows, dims) float32 in ``space``, ``names`` one per clip."""

    data: Float32[np.ndarray, "clips windows dims"]
    names: tuple[str, ...]
    space: EmbeddingSpace

    def __post_init__(self) -> None:
        if len(self.names) != len(self.data):
            raise ValueError(f"{len(self.names)} names for {len(self.data)} rows of embeddings")
        if self.data.shape[2] != self.space.dims:
            raise ValueError(f"{self.data.shape[2]} dims where {self.space.name} has {self.space.dims}")

    def __len__(self) -> int:
        """Clips."""
        return len(self.names)

    def __getitem__(self, rows: Int[np.ndarray, " chosen"] | Bool[np.ndarray, " clips"] | slice) -> "Embeddings":
        """The embeddings of some of the clips."""
        chosen = np.atleast_1d(np.arange(len(self))[rows])
        return replace(self, data=self.data[chosen], names=tuple(self.names[i] for i in chosen))

    def of(self, names: Sequence[str]) -> "Embeddings":
        """The embeddings of the named clips, in that order.

        Raises
        ------
        InputError : a clip is not among them.
        """
        row_of = {name: row for row, name in enumerate(self.names)}
        missing = [name for name in names if name not in row_of]
        if missing:
            raise InputError(
                f"{len(missing)} of {len(names)} clips have no {self.space.name} embedding: {', '.join(missing[:3])}",
                hint="embed the stimuli of all clips",
            )
        return self[np.array([row_of[name] for name in names], dtype=int)]

    @property
    def mean(self) -> Float32[np.ndarray, "clips dims"]:
        """Average over windows: one vector a clip."""
        return self.data.mean(axis=1, dtype=np.float32)


@dataclass(frozen=True)
class DecodedEmbeddings(Embeddings):
    """Embeddings predicted from responses, in the embedding's own units, with what it takes to score them.

    Attributes
    ----------
    train_mean : (clips, dims) mean of the training targets in the fit that predicted each clip: scores and searches
        are about it, because predictions are shrunk towards it.
    clips : the clips whose responses were decoded.
    subject : whose responses these are. simulated : whether that brain is simulated.
    whole : whether a vector stands for the mean over all windows of its clip, the responses having no time axis.
    in_folds : whether clips were predicted by fits that saw other clips of these.
    """

    train_mean: Float32[np.ndarray, "clips dims"]
    clips: tuple[Clip, ...]
    subject: str = ""
    simulated: bool = False
    whole: bool = False
    in_folds: bool = False

    def __getitem__(self, rows: Int[np.ndarray, " chosen"] | Bool[np.ndarray, " clips"] | slice) -> "DecodedEmbeddings":
        """The predictions of some of the clips."""
        chosen = np.atleast_1d(np.arange(len(self))[rows])
        return replace(
            self,
            data=self.data[chosen],
            names=tuple(self.names[i] for i in chosen),
            train_mean=self.train_mean[chosen],
            clips=tuple(self.clips[i] for i in chosen),
        )

    def truth(self, music: Embeddings) -> Float32[np.ndarray, "clips dims"]:
        """One true vector per decoded clip, the mean over the windows that were decoded.

        Raises
        ------
        InputError : ``music`` is of another space, or lacks a clip.
        """
        self.space.require_same(music.space)
        data = music.of(self.names).data
        windows = data.shape[1] if self.whole else self.data.shape[1]
        return data[:, :windows].mean(axis=1, dtype=np.float32)
