"""Voxels ranked by cross-validated encoding, for all folds at once from sums over each fold."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Float32, Int

from .._utils.threads import map_threads
from ..ridge import assign_folds
from .fits import Pairs

ALPHAS = torch.logspace(0, 6, 7)
"""Penalties tried, of an embedding whose dimensions have unit variance."""
BLOCK = 4096
"""Voxels at a time."""

Order = Int[np.ndarray, " voxels"]
Matrix = Float[torch.Tensor, "_rows _columns"]
Vector = Float[torch.Tensor, " _values"]
Parts = tuple[int, ...]
"""Numbers of the parts into which the training pairs are divided: folds, or halves of them where there are two."""


@dataclass(frozen=True)
class Ranking:
    """Voxels, best predicted by the embedding first.

    Attributes
    ----------
    order : by encoding models of all training pairs, cross-validated.
    without_fold : one order per fold, by encoding models that leave its pairs out.
    scores : (voxels,) mean correlation over folds at the best penalty, which ``order`` sorts.
    """

    order: Order
    without_fold: tuple[Order, ...]
    scores: Float32[np.ndarray, " voxels"]


def rank_voxels(
    X: Float32[np.ndarray, "pairs voxels"],
    Y: Pairs,
    folds: Int[np.ndarray, " pairs"],
    groups: Int[np.ndarray, " pairs"],
) -> Ranking:
    """Rank voxels by the correlation of held-out responses with their ridge prediction from the embedding.

    The score of a voxel is the mean over folds at its best penalty. The ranking without fold f is of models that are
    fitted without f and each of the other folds in turn, and scored on the latter. Sums over the pairs of each fold
    give every such model, and one without f and g serves both the ranking without f and that without g.

    Parameters
    ----------
    folds : (pairs,) the fold of each pair, from 0.
    groups : (pairs,) what is not divided where two folds have to be divided again.
    """
    part, of_fold = _divide(folds, groups)
    every: list[tuple[Parts, Parts]] = [(parts, parts) for parts in of_fold]
    without: list[list[tuple[Parts, Parts]]] = [
        [((*parts, g), (g,)) for g in range(int(part.max()) + 1) if g not in parts] for parts in of_fold
    ]
    music, scores = _Music.of(Y, part), np.empty((1 + len(of_fold), X.shape[1]), np.float32)

    def score(block: slice) -> None:
        voxels = _Voxels.of(X[:, block], music, part)
        for row, models in enumerate([every, *without]):
            found = torch.stack([voxels.correlations(left_out, scored) for left_out, scored in models])
            scores[row, block] = found.mean(0).amax(0).numpy()

    map_threads(score, [slice(start, start + BLOCK) for start in range(0, X.shape[1], BLOCK)])
    orders = [np.argsort(-each, kind="stable") for each in scores]
    return Ranking(orders[0], tuple(orders[1:]), scores[0])


def _divide(folds: Int[np.ndarray, " pairs"], groups: Int[np.ndarray, " pairs"]) -> tuple[np.ndarray, list[Parts]]:
    """The part of each pair, and the parts of each fold."""
    n_folds = int(folds.max()) + 1
    if n_folds > 2:
        return folds, [(fold,) for fold in range(n_folds)]
    part = np.empty_like(folds)
    for fold in range(n_folds):
        held = folds == fold
        part[held] = 2 * fold + assign_folds(int(held.sum()), groups[held], 2)
    return part, [(2 * fold, 2 * fold + 1) for fold in range(n_folds)]


@dataclass(frozen=True)
class _Sums:
    """Over the pairs of a part: their number, sums of both sides, and products with the embedding."""

    n: int
    embedding: Vector
    other: Vector
    products: Matrix

    @classmethod
    def over(cls, parts: Sequence["_Sums"]) -> "_Sums":
        """Of several parts together."""
        return cls(
            sum(each.n for each in parts),
            torch.stack([each.embedding for each in parts]).sum(0),
            torch.stack([each.other for each in parts]).sum(0),
            torch.stack([each.products for each in parts]).sum(0),
        )

    @property
    def centred(self) -> Matrix:
        """Products about the means of these pairs."""
        return self.products - torch.outer(self.embedding, self.other) / self.n


@dataclass(frozen=True)
class _Music:
    """The embedding's side of every model: ``Y`` about its mean, and sums over each part."""

    Y: Matrix
    parts: tuple[_Sums, ...]
    _axes: dict[Parts, tuple[Matrix, Vector]] = field(default_factory=dict)

    @classmethod
    def of(cls, Y: Pairs, part: Int[np.ndarray, " pairs"]) -> "_Music":
        rows = torch.from_numpy(Y - Y.mean(axis=0)).double()
        held = [rows[part == number] for number in range(int(part.max()) + 1)]
        return cls(rows.float(), tuple(_Sums(len(each), each.sum(0), each.sum(0), each.T @ each) for each in held))

    def rest(self, left_out: Parts) -> list[int]:
        return [number for number in range(len(self.parts)) if number not in left_out]

    def axes(self, left_out: Parts) -> tuple[Matrix, Vector]:
        """Principal axes (k, dims) of the standardised embedding of the other parts, and their sums of squares."""
        if left_out not in self._axes:
            fitted = _Sums.over([self.parts[number] for number in self.rest(left_out)])
            squares = fitted.centred
            sd = (squares.diagonal() / fitted.n).clamp_min(0).sqrt()
            scale = torch.where(sd > 1e-6 * float(self.Y.abs().max()), 1 / sd, 0.0)
            values, vectors = torch.linalg.eigh(scale[:, None] * squares * scale)
            self._axes[left_out] = ((scale[:, None] * vectors).T.float().contiguous(), values.clamp_min(0).float())
        return self._axes[left_out]


@dataclass(frozen=True)
class _Voxels:
    """A block of voxels: sums over each part, and their sums of squares."""

    music: _Music
    parts: tuple[_Sums, ...]
    squares: tuple[Vector, ...]
    _along: dict[Parts, Matrix] = field(default_factory=dict)

    @classmethod
    def of(cls, X: Float32[np.ndarray, "pairs voxels"], music: _Music, part: Int[np.ndarray, " pairs"]) -> "_Voxels":
        rows = torch.from_numpy(X - X.mean(axis=0))
        parts, squares = [], []
        for number, known in enumerate(music.parts):
            held = rows[part == number]
            products = music.Y[part == number].T @ held
            parts.append(_Sums(known.n, known.embedding.float(), held.sum(0), products))
            squares.append(held.square().sum(0))
        return cls(music, tuple(parts), tuple(squares))

    def correlations(self, left_out: Parts, scored: Parts) -> Float[torch.Tensor, "alphas voxels"]:
        """Of scored parts with what models of all parts but those left out predict, 0 where either is constant."""
        left_out = tuple(sorted(left_out))
        axes, values = self.music.axes(left_out)
        if left_out not in self._along:
            fitted = _Sums.over([self.parts[number] for number in self.music.rest(left_out)])
            self._along[left_out] = axes @ fitted.centred
        seen = _Sums.over([self.parts[number] for number in scored])
        spread = torch.stack([self.squares[number] for number in scored]).sum(0) - seen.other.square() / seen.n
        music = _Sums.over([self.music.parts[number] for number in scored]).centred
        strength, directions = torch.linalg.eigh(axes.double() @ music @ axes.double().T)
        root = (strength.clamp_min(0).sqrt()[:, None] * directions.T).float()
        shrunk = 1 / (values + ALPHAS[:, None])
        cross = shrunk @ (self._along[left_out] * (axes @ seen.centred))
        found = torch.stack([((root * each) @ self._along[left_out]).square_().sum(0) for each in shrunk])
        product = (spread.clamp_min(0) * found).sqrt_()
        return torch.where(product > 0, cross / product, 0.0)
