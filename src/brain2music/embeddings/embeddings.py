"""The nouns of the music side: a space that embeddings live in, and the embeddings of a list of clips."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from brain2music._utils.errors import InputError


@dataclass(frozen=True)
class Space:
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

    def same_as(self, other: "Space") -> bool:
        """Whether vectors of both may meet, however long the windows are that they were made from."""
        mine, theirs = ((space.name, space.version, space.sha256, space.dims) for space in (self, other))
        return mine == theirs

    def require_same(self, other: "Space") -> None:
        """Raise :class:`InputError` naming the first field in which two spaces differ."""
        self._require(other, tuple(self.__dataclass_fields__))

    def require_same_means(self, other: "Space") -> None:
        """Raise :class:`InputError` unless means over windows may meet: those do not depend on the step.

        A gallery's windows follow the model's own step and a study's its TR; both means stand for the whole sound.
        """
        self._require(other, tuple(field for field in self.__dataclass_fields__ if field != "step_s"))

    def _require(self, other: "Space", fields: tuple[str, ...]) -> None:
        for field in fields:
            mine, theirs = getattr(self, field), getattr(other, field)
            if mine != theirs:
                raise InputError(
                    f"embeddings of two different spaces meet: {self.name} and {other.name} differ in "
                    f"{field} ({mine!r} and {theirs!r})",
                    mend="embed both sides again with the same model and settings",
                )


@dataclass(frozen=True)
class Embeddings:
    """Embeddings of clips: ``data`` (clips, windows, dims) float32 in ``space``, ``names`` one per clip."""

    data: Float32[np.ndarray, "clips windows dims"]
    names: tuple[str, ...]
    space: Space

    def __post_init__(self) -> None:
        if len(self.names) != len(self.data):
            raise ValueError(f"{len(self.names)} names for {len(self.data)} rows of embeddings")
        if self.data.shape[2] != self.space.dims:
            raise ValueError(f"{self.data.shape[2]} dims where {self.space.name} has {self.space.dims}")

    @property
    def mean(self) -> Float32[np.ndarray, "clips dims"]:
        """Average over windows: one vector a clip."""
        return self.data.mean(axis=1, dtype=np.float32)
