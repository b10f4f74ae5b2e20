"""Tempo and metre that fit an embedding: what the beat clock runs at when music is generated."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int

from ..._utils.files import read_arrays, write_arrays
from ...ridge import ridge_cv
from .clock import FASTEST, SLOWEST

FILE = "pace.safetensors"
FEWEST_TEMPI = 20
"""Pieces of known tempo from which a predictor is fitted."""
_ALPHAS = tuple(10.0 ** np.arange(-5, 5))  # vectors have length 1


class Tempo(NamedTuple):
    """Tempo in beats per minute, and beats per bar where they are known."""

    bpm: float
    beats_per_bar: int | None


class Pace:
    """Linear predictor of tempo and metre from embeddings.

    The tempo's place in its octave is predicted as an angle, and the octave by a second regression: listeners agree on
    the one more than on the other.

    Parameters
    ----------
    weights, offset : of a linear map to the cosine and sine of the angle, the logarithm of the tempo, and one value per
        metre. metres : beats per bar of these values.
    """

    def __init__(
        self,
        weights: Float32[np.ndarray, "dims targets"],
        offset: Float32[np.ndarray, " targets"],
        metres: Int[np.ndarray, " metres"],
    ) -> None:
        self.weights, self.offset, self.metres = weights, offset, metres

    @classmethod
    def fit(
        cls,
        vectors: Float[np.ndarray, "pieces dims"],
        tempi: Float[np.ndarray, " pieces"],
        beats_per_bar: Float[np.ndarray, " pieces"],
    ) -> "Pace":
        """Fit to pieces of known tempo; the metre to those whose ``beats_per_bar`` is not NaN."""
        octaves = np.log2(tempi)
        targets = np.stack([np.cos(2 * np.pi * octaves), np.sin(2 * np.pi * octaves), octaves], axis=1)
        groups = np.arange(len(vectors))
        tempo = ridge_cv(vectors.astype(np.float32), targets.astype(np.float32), groups=groups, alphas=_ALPHAS)
        known = np.isfinite(beats_per_bar)
        metres = np.unique(beats_per_bar[known]).astype(np.int64)
        weights, offset = [np.asarray(tempo.coef)], [np.asarray(tempo.intercept)]
        if len(metres) == 1:
            weights, offset = [*weights, np.zeros((vectors.shape[1], 1))], [*offset, np.ones(1)]
        elif len(metres):
            is_metre = (beats_per_bar[known][:, None] == metres).astype(np.float32)
            metre = ridge_cv(vectors[known].astype(np.float32), is_metre, groups=groups[known], alphas=_ALPHAS)
            weights, offset = [*weights, np.asarray(metre.coef)], [*offset, np.asarray(metre.intercept)]
        linear = np.concatenate(weights, axis=1), np.concatenate(offset)
        return cls(linear[0].astype(np.float32), linear[1].astype(np.float32), metres)

    @classmethod
    def fit_pieces(cls, vectors: Float[np.ndarray, "pieces dims"], rows: Sequence[Mapping[str, Any]]) -> "Pace":
        """Fit to pieces by what is known of each: its ``tempo``, and ``beats_per_bar`` where it is composed."""
        tempi = np.array([row["tempo"] for row in rows], np.float64)
        return cls.fit(vectors, tempi, np.array([row.get("beats_per_bar") or np.nan for row in rows], np.float64))

    def __call__(self, vectors: Float[np.ndarray, "items dims"]) -> list[Tempo]:
        """The tempo and metre of each embedding."""
        found = np.asarray(vectors, np.float64) @ self.weights + self.offset
        place = np.arctan2(found[:, 1], found[:, 0]) / (2 * np.pi)
        octaves = place + np.round(found[:, 2] - place)
        bpm = np.clip(2.0**octaves, SLOWEST, FASTEST)
        if len(self.metres) == 0:
            return [Tempo(float(each), None) for each in bpm]
        metres = self.metres[found[:, 3:].argmax(axis=1)]
        return [Tempo(float(each), int(metre)) for each, metre in zip(bpm, metres, strict=True)]

    def save(self, folder: Path) -> None:
        """Write the file of the folder of a model."""
        write_arrays(folder / FILE, {"weights": self.weights, "offset": self.offset, "metres": self.metres}, {})

    @classmethod
    def load(cls, folder: Path) -> "Pace":
        """Read the file of the folder of a model."""
        arrays, _ = read_arrays(folder / FILE)
        return cls(arrays["weights"], arrays["offset"], arrays["metres"])
