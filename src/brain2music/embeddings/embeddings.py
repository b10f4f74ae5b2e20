"""The data classes of music: an embedding space, and the embeddings of a list of clips."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32, Int

from .._utils.errors import InputError
from ..study.study import Clip


@dataclass(frozen=True)
class EmbeddingSpace:
    """The exact definition of an embedding; vectors of spaces that differ in any field are never compared.

    Attributes
    ----------
    name : str
        The name in the registry, such as "musicnn-mtt".
    version : str
        Version of the code that computes it, incremented whenever the numbers change.
    sha256 : str
        Digest of the weights ("none" for features without weights).
    dims : int
        Dimensions of a vector.
    window_s, step_s : float
        Duration of a window, and the step between windows, in seconds.
    sample_rate : int
        Sample rate in Hz of the mono signal that is embedded.

    Examples
    --------
    >>> from brain2music.embeddings import EmbeddingSpace
    >>> space = EmbeddingSpace("loudness", "1", "none", dims=2, window_s=1.5, step_s=1.5, sample_rate=16_000)
    >>> space.same_as(EmbeddingSpace("loudness", "2", "none", dims=2, window_s=1.5, step_s=1.5, sample_rate=16_000))
    False
    """

    name: str
    version: str
    sha256: str
    dims: int
    window_s: float
    step_s: float
    sample_rate: int

    def same_as(self, other: "EmbeddingSpace") -> bool:
        """Tell whether vectors of both spaces are comparable apart from the durations of windows and steps.

        Parameters
        ----------
        other : EmbeddingSpace
            Another space.

        Returns
        -------
        bool
            Whether name, version, weights and dimensions are the same.
        """
        return all(getattr(self, field) == getattr(other, field) for field in ("name", "version", "sha256", "dims"))

    def require_same(self, other: "EmbeddingSpace") -> None:
        """Raise :class:`InputError` with the first field in which two spaces differ, if any.

        Parameters
        ----------
        other : EmbeddingSpace
            Another space.

        Raises
        ------
        InputError
            The spaces differ.
        """
        self._require(other, tuple(self.__dataclass_fields__))

    def require_same_means(self, other: "EmbeddingSpace") -> None:
        """Raise :class:`InputError` unless means over windows are comparable, which do not depend on the step.

        The step of a gallery is that of the model, and the step of a study is its TR; both means represent the whole
        sound.

        Parameters
        ----------
        other : EmbeddingSpace
            Another space.

        Raises
        ------
        InputError
            The spaces differ in another field than the step.
        """
        self._require(other, tuple(field for field in self.__dataclass_fields__ if field != "step_s"))

    def _require(self, other: "EmbeddingSpace", fields: tuple[str, ...]) -> None:
        for field in fields:
            value, other_value = getattr(self, field), getattr(other, field)
            if value != other_value:
                raise InputError(
                    f"embeddings of two different spaces meet: {self.name} and {other.name} differ in "
                    f"{field} ({value!r} and {other_value!r})",
                    hint="embed both sides again with the same model and settings",
                )


@dataclass(frozen=True)
class Embeddings:
    """Embeddings of clips, one vector per window of each clip.

    Attributes
    ----------
    data : ndarray of shape (clips, windows, dims)
        Vectors, in single precision.
    names : tuple of str
        Name of each clip.
    space : EmbeddingSpace
        The space of the vectors.

    Raises
    ------
    ValueError
        The numbers of names or dimensions do not fit the data.

    See Also
    --------
    DecodedEmbeddings : Embeddings predicted from responses.
    brain2music.embeddings.save_embeddings : Writes them to a file.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> from brain2music.embeddings import EmbeddingSpace
    >>> space = EmbeddingSpace("loudness", "1", "none", dims=2, window_s=1.5, step_s=1.5, sample_rate=16_000)
    >>> music = b2m.Embeddings(np.arange(12, dtype=np.float32).reshape(2, 3, 2), ("blues", "jazz"), space)
    >>> music.of(["jazz"]).mean
    array([[8., 9.]], dtype=float32)
    """

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
        """Select the embeddings of some of the clips."""
        chosen = np.atleast_1d(np.arange(len(self))[rows])
        return replace(self, data=self.data[chosen], names=tuple(self.names[i] for i in chosen))

    def of(self, names: Sequence[str]) -> "Embeddings":
        """Select the embeddings of the named clips, in that order.

        Parameters
        ----------
        names : sequence of str
            Names of clips.

        Returns
        -------
        Embeddings
            Their embeddings.

        Raises
        ------
        InputError
            A clip has no embedding.
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
        """Average over windows, of shape (clips, dims)."""
        return self.data.mean(axis=1, dtype=np.float32)


@dataclass(frozen=True)
class DecodedEmbeddings(Embeddings):
    """Embeddings predicted from responses, in the units of the embedding, with the information needed to score them.

    Attributes
    ----------
    data : ndarray of shape (clips, windows, dims)
        Predicted vectors, in single precision.
    names : tuple of str
        Name of each clip.
    space : EmbeddingSpace
        The space of the vectors.
    train_mean : ndarray of shape (clips, dims)
        Mean of the training embeddings in the fit that predicted each clip. Scores and searches are centred on it,
        because predictions are shrunk towards it.
    clips : tuple of Clip
        The clips whose responses were decoded.
    subject : str
        Label of the subject.
    simulated : bool
        Whether the brain is simulated.
    whole : bool
        Whether a vector represents the mean over all windows of its clip, as the responses have no time axis.
    in_folds : bool
        Whether clips were predicted in folds, by fits to other clips of the same set.

    See Also
    --------
    brain2music.Decoder : Predicts them.
    brain2music.metrics.identification : Scores them.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> rng = np.random.default_rng(0)
    >>> music = rng.normal(size=(60, 1, 4))
    >>> bold = music @ rng.normal(size=(4, 30)) + 0.1 * rng.normal(size=(60, 1, 30))
    >>> decoded = b2m.Decoder().fit(bold[:50], music[:50]).predict(bold[50:])
    >>> type(decoded).__name__, len(decoded), decoded[:3].mean.shape, decoded.in_folds
    ('DecodedEmbeddings', 10, (3, 4), False)
    """

    train_mean: Float32[np.ndarray, "clips dims"]
    clips: tuple[Clip, ...]
    subject: str = ""
    simulated: bool = False
    whole: bool = False
    in_folds: bool = False

    def __getitem__(self, rows: Int[np.ndarray, " chosen"] | Bool[np.ndarray, " clips"] | slice) -> "DecodedEmbeddings":
        """Select the predictions of some of the clips."""
        chosen = np.atleast_1d(np.arange(len(self))[rows])
        return replace(
            self,
            data=self.data[chosen],
            names=tuple(self.names[i] for i in chosen),
            train_mean=self.train_mean[chosen],
            clips=tuple(self.clips[i] for i in chosen),
        )

    def truth(self, music: Embeddings) -> Float32[np.ndarray, "clips dims"]:
        """Compute one true vector per decoded clip, the mean over the windows that were decoded.

        Parameters
        ----------
        music : Embeddings
            True embeddings of these clips, matched by name, and of any others.

        Returns
        -------
        ndarray of shape (clips, dims)
            True vectors.

        Raises
        ------
        InputError
            ``music`` is in another space, or lacks a clip.
        """
        self.space.require_same(music.space)
        data = music.of(self.names).data
        windows = data.shape[1] if self.whole else self.data.shape[1]
        return data[:, :windows].mean(axis=1, dtype=np.float32)
