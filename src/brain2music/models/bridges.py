"""Bridges between embedding spaces: a map, learned from sounds embedded in both, from one space into another.

A decoder that is fitted in one space so drives a generator of another. What the second space holds and the first does
not is lost on the way; how much is on the bridge's card (:func:`brain2music.metrics.bridging.build_bridge`).
"""

import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Float32, Shaped

from .._utils.errors import InputError
from .._utils.files import digest_array, digest_text
from .._utils.model_folder import damaged, read_fitted, write_fitted
from ..audio.sound import Reconstruction
from ..embeddings.embeddings import Embeddings, EmbeddingSpace
from ..ridge import RidgeWarning, ridge_cv
from .abilities import Abilities, abilities_of
from .base_generator import BaseGenerator, PieceRequest
from .catalogue import terms_of_space
from .embedding_input import EmbeddingInput
from .generator_parts.prompts import prompts_from_embeddings
from .generator_protocols import Generator
from .generators import pieces_of

Kind = Literal["auto", "linear", "nonlinear"]
FEWEST = 8
"""Fewest songs from which a bridge is fitted."""
_WAVES = 512
"""Random cosine features of the non-linear bridge."""
_CONSTANT = 0.01
"""Spread of the lengths of vectors, over their mean, below which a space is one of vectors of constant length."""


@dataclass(frozen=True)
class Bridge:
    """Map from one embedding space into another, fitted to the same sounds in both.

    The linear bridge is ridge regression between standardised dimensions; the non-linear one has random cosine features
    [1]_ of the standardised vector beside them. Where the vectors of the target space all have one length, those that
    the bridge makes have it, too: a ridge prediction is shorter than its targets.

    Attributes
    ----------
    source : EmbeddingSpace
        Space that the bridge leads from.
    target : EmbeddingSpace
        Space that the bridge leads to.
    arrays : dict of ndarray
        What was fitted: ``mean`` and ``scale`` of the source (source dims,), ``coef`` (features, target dims),
        ``intercept`` (target dims,), and, in a non-linear bridge, ``waves`` (source dims, waves) and ``phases``.
    length : float or None
        Length of the vectors of the target space, where it is constant.
    card : dict
        What it was fitted to, and what is lost on it, as JSON types.

    References
    ----------
    .. [1] Rahimi and Recht, "Random features for large-scale kernel machines", NIPS 2007, equation 2.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.embeddings import EmbeddingSpace
    >>> from brain2music.models import Bridge
    >>> a, b = (EmbeddingSpace(name, "1", "none", 4, 10.0, 1.5, 16000) for name in "ab")
    >>> sounds = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    >>> bridge = Bridge.fit(a, b, sounds, sounds[:, ::-1].copy(), songs=np.arange(60))
    >>> bridge(sounds[:1]).round(1).tolist() == sounds[:1, ::-1].round(1).tolist()
    True
    """

    source: EmbeddingSpace
    target: EmbeddingSpace
    arrays: dict[str, np.ndarray]
    length: float | None = None
    card: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        source: EmbeddingSpace,
        target: EmbeddingSpace,
        given: Float32[np.ndarray, "sounds source"],
        wanted: Float32[np.ndarray, "sounds target"],
        songs: Shaped[np.ndarray, " sounds"],
        kind: Kind = "linear",
        seed: int = 0,
    ) -> "Bridge":
        """Fit a bridge; penalties, and with "auto" the kind, are chosen by cross-validation over songs.

        Parameters
        ----------
        source, target : EmbeddingSpace
            Spaces of the two sides.
        given : ndarray of float32, of shape (sounds, source dims)
            Sounds in the first space.
        wanted : ndarray of float32, of shape (sounds, target dims)
            The same sounds in the second.
        songs : ndarray of shape (sounds,)
            Song of each sound; sounds of a song are held out together.
        kind : {"linear", "nonlinear", "auto"}
            Kind of map; "auto" takes the one whose held-out predictions correlate more with their targets.
        seed : int, default 0
            Seed of the random features.

        Returns
        -------
        Bridge
            The map, with an empty card.

        Raises
        ------
        InputError
            There are fewer than eight songs.
        """
        if (count := len(set(songs.tolist()))) < FEWEST:
            raise InputError(f"a bridge cannot be fitted to {count} songs", hint=f"give {FEWEST} or more")
        mean, deviation = given.mean(axis=0), given.std(axis=0)
        scale = np.where(deviation > 1e-6 * max(float(deviation.max()), 1e-12), deviation, np.inf)
        standard = (given - mean) / scale
        centre, spread = wanted.mean(axis=0), np.maximum(wanted.std(axis=0), 1e-8)
        fits = []
        for each in ("linear", "nonlinear") if kind == "auto" else (kind,):
            more = _random_waves(standard, seed) if each == "nonlinear" else {}
            with warnings.catch_warnings():  # dimensions that cannot be told take the largest penalty
                warnings.simplefilter("ignore", RidgeWarning)
                fit = ridge_cv(_features(standard, more), (wanted - centre) / spread, groups=songs, keep_held_out=True)
            arrays = {"mean": mean, "scale": scale, "coef": np.asarray(fit.coef) * spread, **more}
            arrays["intercept"] = np.asarray(fit.intercept) * spread + centre
            fits.append((_correlation(np.asarray(fit.held_out) * spread, wanted - centre), arrays))
        best = max(fits, key=lambda each: each[0])[1]
        lengths = np.linalg.norm(wanted, axis=1)
        constant = float(lengths.std()) <= _CONSTANT * float(lengths.mean())
        single = {name: np.ascontiguousarray(array, np.float32) for name, array in best.items()}
        return cls(source, target, single, float(lengths.mean()) if constant else None)

    @property
    def kind(self) -> str:
        """Kind of map, "linear" or "nonlinear"."""
        return "nonlinear" if "waves" in self.arrays else "linear"

    @property
    def sha256(self) -> str:
        """Digest of the map and of both spaces."""
        parts = [f"{name} {digest_array(array)}" for name, array in sorted(self.arrays.items())]
        return digest_text(" ".join([*parts, str(self.length), str(asdict(self.source)), str(asdict(self.target))]))

    def __call__(self, vectors: Float[np.ndarray, "*rows source"]) -> Float32[np.ndarray, "*rows target"]:
        """Map vectors of the source space, of shape (…, source dims), into the target space."""
        standard = (np.asarray(vectors, np.float32) - self.arrays["mean"]) / self.arrays["scale"]
        mapped = _features(standard, self.arrays) @ self.arrays["coef"] + self.arrays["intercept"]
        if self.length is not None:
            mapped = mapped * (self.length / np.maximum(np.linalg.norm(mapped, axis=-1, keepdims=True), 1e-12))
        return mapped.astype(np.float32)

    def transform(self, embeddings: Embeddings) -> Embeddings:
        """Map embeddings with their space.

        Parameters
        ----------
        embeddings : Embeddings
            Embeddings in the source space; windows and steps may differ.

        Returns
        -------
        Embeddings
            The same clips and windows in the target space.

        Raises
        ------
        InputError
            They are in another space.
        """
        rows = embeddings.data.reshape(-1, embeddings.space.dims)
        data = EmbeddingInput(self.source).check(rows, embeddings.space)
        mapped = self(data.numpy()).reshape(*embeddings.data.shape[:2], self.target.dims)
        return Embeddings(mapped, embeddings.names, self.target)

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write the bridge: ``config.json`` with both spaces and the card, and safetensors.

        Parameters
        ----------
        folder : str or Path
            Folder to write.

        Returns
        -------
        Path
            The folder.
        """
        about = {"kind": self.kind, "length": self.length, "card": self.card}
        spaces = {"source": asdict(self.source), "target": asdict(self.target)}
        return write_fitted(Path(folder), "Bridge", {**about, **spaces}, self.arrays)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> "Bridge":
        """Read a bridge that :meth:`save_pretrained` wrote.

        Parameters
        ----------
        folder : str or Path
            The folder.

        Returns
        -------
        Bridge
            The bridge.

        Raises
        ------
        InputError
            There is none, or it is damaged.
        """
        config, arrays = read_fitted(Path(folder), "Bridge")
        try:
            source, target = (EmbeddingSpace(**config[side]) for side in ("source", "target"))
            shapes = arrays["mean"].shape, arrays["intercept"].shape, arrays["coef"].shape[1:]
            if shapes != ((source.dims,), (target.dims,), (target.dims,)):
                raise ValueError(f"its arrays are not of {source.dims} and {target.dims} dimensions")
            return cls(source, target, arrays, config["length"], config["card"])
        except (KeyError, TypeError, ValueError) as problem:
            raise damaged(Path(folder), problem) from None


class BridgedGenerator(BaseGenerator):
    """Generator that takes embeddings of another space, by way of a bridge into its own.

    Parameters
    ----------
    generator : Generator
        Generator of the space that the bridge leads to.
    bridge : Bridge
        The bridge.

    Raises
    ------
    InputError
        The bridge leads to another space than the generator's.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> from brain2music.models import Bridge, BridgedGenerator
    >>> source, target = (b2m.get_embedder(name).space for name in ("logmel", "mulan-small"))
    >>> rng = np.random.default_rng(0)
    >>> sides = (rng.normal(size=(20, space.dims)).astype(np.float32) for space in (source, target))
    >>> bridge = Bridge.fit(source, target, *sides, songs=np.arange(20))  # yours: the same sounds in both
    >>> BridgedGenerator(b2m.get_generator("musiclm-small"), bridge).space.name
    'logmel'
    """

    def __init__(self, generator: Generator, bridge: Bridge) -> None:
        if generator.space is None:
            raise InputError(f"{generator.name} takes no embeddings, so no bridge leads to it")
        if not bridge.target.same_as(generator.space):
            ends, takes = (f"{each.name} ({each.sha256[:12]})" for each in (bridge.target, generator.space))
            raise InputError(
                f"the bridge leads to {ends}, but {generator.name} takes {takes}",
                hint=f"build one: `brain2music models bridge {bridge.source.name} {generator.space.name} MUSIC OUT`",
            )
        self.inner, self.bridge = generator, bridge
        self.name = f"{generator.name}+bridge"
        self.sha256 = digest_text(f"{generator.sha256} {bridge.sha256}")

    @property
    def sample_rate(self) -> int:
        """Sample rate of the generated sound in Hz."""
        return self.inner.sample_rate

    @property
    def abilities(self) -> Abilities:
        """Those of the generator, but for editing, under the terms of the space that the bridge leads from, too."""
        return replace(abilities_of(self.inner), edits=()).under(terms_of_space(self.space.name))

    @property
    def space(self) -> EmbeddingSpace:
        """Space of the embeddings that condition it: the one that the bridge leads from."""
        return self.bridge.source

    def _pieces(self, request: PieceRequest) -> Iterator[Reconstruction]:
        """Pieces of embeddings of the source space; texts and recordings go to the generator as they are.

        Origins name the embedding that was given, and the ``bridge``.
        """
        if request.embedding is None or request.text is not None or request.like is not None:
            return pieces_of(self.inner, **vars(request))
        prompts = prompts_from_embeddings(request.embedding, EmbeddingInput(self.space), request.rows)
        names = tuple(str(origin.get("name", number)) for number, origin in enumerate(prompts.origins))
        mapped = Embeddings(self.bridge(prompts.vectors.numpy())[:, None], names, self.bridge.target)
        made = pieces_of(self.inner, **vars(replace(request, embedding=mapped, rows=None)))
        crossed = {
            "bridge": f"{self.bridge.source.name} to {self.bridge.target.name}",
            "bridge_sha256": self.bridge.sha256,
            **self.abilities.terms.origin,
        }
        origins = [origin for origin in prompts.origins for _ in range(request.n_samples)]
        return (
            replace(piece, source={**piece.source, **origin, **crossed})
            for piece, origin in zip(made, origins, strict=True)
        )


def _random_waves(standard: Float32[np.ndarray, "sounds dims"], seed: int) -> dict[str, np.ndarray]:
    """Directions and phases of random cosine features, as wide as the distances between sounds."""
    rng = np.random.default_rng(seed)
    pairs = rng.integers(len(standard), size=(2, 1000))
    distance = float(np.median(np.linalg.norm(standard[pairs[0]] - standard[pairs[1]], axis=1)))
    waves = rng.normal(size=(standard.shape[1], _WAVES)) / max(distance, 1e-6)
    return {"waves": waves.astype(np.float32), "phases": rng.uniform(0, 2 * np.pi, _WAVES).astype(np.float32)}


def _features(
    standard: Float32[np.ndarray, "*rows dims"], arrays: dict[str, np.ndarray]
) -> Float32[np.ndarray, "*rows features"]:
    """The standardised vector, and beside it the random features of a non-linear map."""
    if "waves" not in arrays:
        return standard
    cosines = np.cos(standard @ arrays["waves"] + arrays["phases"]) * np.float32(np.sqrt(2.0))
    return np.concatenate([standard, cosines], axis=-1)


def _correlation(predicted: Float[np.ndarray, "rows dims"], wanted: Float[np.ndarray, "rows dims"]) -> float:
    """Mean cosine of predicted and wanted rows."""
    norms = np.linalg.norm(predicted, axis=1) * np.linalg.norm(wanted, axis=1)
    return float(np.mean((predicted * wanted).sum(axis=1) / np.maximum(norms, 1e-12)))
