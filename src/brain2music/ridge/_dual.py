"""Cross-validated ridge over rows: every fold and every α from one factorisation of the Gram matrix.

With K = XXᵀ of the centred X and G = (K + αI)⁻¹ without the constant direction, the hat matrix with an
unpenalised intercept is S = I - αG, and what refitting without the rows F would predict for them is exactly

    ŷ_F = (I - S_FF)⁻¹ S_FT y_T        (T: the other rows)

S_FT lies off the diagonal, so any multiple of the identity may be taken from S: with λ̄ the mean eigenvalue of K,
S - λ̄/(λ̄+α) I = α/(λ̄+α) · (K - λ̄I)(K + αI)⁻¹, which cancels neither for α ≪ λ nor for α ≫ λ. Hence

    ŷ_F = (λ̄+α)⁻¹ (G_FF)⁻¹ [(K - λ̄I)(K + αI)⁻¹]_FT y_T     + the share of the constant direction.

Nothing is refitted in a fold. In the constant direction K is given the eigenvalue λ̄; that share is then removed.
K is not diagonalised but brought to band form (``_block_tridiagonal.py``), which serves every α as well.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float

from ._block_tridiagonal import Band, BandFactor, reduce_to_band
from ._chunked import Targets
from ._linalg import Square, gram, product, solve_spd
from ._scores import score_fold

Matrix = Float[torch.Tensor, "rows targets"]


@dataclass(frozen=True)
class Kernel:
    """The Gram matrix K + λ̄ 11ᵀ/n (K itself without an intercept) in double precision, and as a band."""

    matrix: Square
    band: Band
    mean_eigenvalue: float
    intercept: bool


@dataclass(frozen=True)
class DualSolver:
    """Scores, held-out predictions (less the mean of all rows) and dual weights.

    The rows of the kernel are ordered so that every fold is a slice; ``batch`` targets are treated at a time.
    """

    kernel: Kernel
    targets: Targets
    folds: tuple[slice, ...]
    alphas: tuple[float, ...]
    batch: int

    def scores(self, score: str) -> Float[torch.Tensor, "alphas targets"]:
        """Mean over folds."""
        rotation = self.kernel.band.rotation
        out = torch.zeros(len(self.alphas), len(self.targets.mean), dtype=rotation.dtype, device=rotation.device)
        for columns, Y in self._batches():
            for k, f, prediction in predictions(self.kernel, Y, self.folds, self.alphas):
                out[k, columns] += score_fold(Y[self.folds[f]], prediction, score) / len(self.folds)
        return out

    def scored(self) -> "DualSolver":
        """Itself: all is wanted for the weights."""
        return self

    def held_out(self, alphas: Float[torch.Tensor, " targets"]) -> Matrix:
        """Every row predicted by a fit that did not see its fold, at the given penalty of every target."""
        rotation = self.kernel.band.rotation
        out = torch.empty(len(rotation), len(alphas), dtype=rotation.dtype, device=rotation.device)
        for columns, Y in self._batches():
            used = alphas[columns].unique()
            for k, f, prediction in predictions(self.kernel, Y, self.folds, used.tolist()):
                mine = (alphas[columns] == used[k]).nonzero().ravel()
                out[self.folds[f], mine + columns.start] = prediction[:, mine]
        return out

    def weights(self, alphas: Float[torch.Tensor, " targets"]) -> Matrix:
        """Dual weights (K + αI)⁻¹ Y at the given penalty of every target, in the order of the caller's rows.

        Solved twice: the second time for what K in double precision shows to be left over.
        """
        matrix = self.kernel.matrix
        out = torch.empty(len(matrix), len(alphas), dtype=self.kernel.band.rotation.dtype, device=matrix.device)
        for columns, Y in self.targets.batches(self.batch, matrix.dtype):
            W = self._solve(Y, alphas[columns])
            left = Y.addmm_(matrix, W, alpha=-1).sub_(W * alphas[columns])
            out[self.targets.order, columns] = (W + self._solve(left, alphas[columns])).to(out.dtype)
        return out

    def _solve(self, Y: Matrix, alphas: Float[torch.Tensor, " targets"]) -> Matrix:
        band = self.kernel.band
        Z = product(band.rotation.T, Y.to(band.rotation.dtype))
        for alpha in alphas.unique().tolist():
            mine = (alphas == alpha).nonzero().ravel()
            Z[:, mine] = band.factor(alpha).solve(Z[:, mine])
        return product(band.rotation, Z).to(Y.dtype)

    def _batches(self) -> Iterator[tuple[slice, Matrix]]:
        return self.targets.batches(self.batch, self.kernel.band.rotation.dtype)


def factorise(K: Square, work: torch.dtype, intercept: bool) -> Kernel:
    """Factorise the (centred) Gram matrix in the precision ``work``; given and overwritten in double precision."""
    mean_eigenvalue = float(K.diagonal().mean())
    if intercept:
        K += mean_eigenvalue / len(K)
    return Kernel(K, reduce_to_band(K.to(work, copy=True)), mean_eigenvalue, intercept)


def predictions(
    kernel: Kernel, Y: Matrix, folds: Sequence[slice], alphas: Sequence[float]
) -> Iterator[tuple[int, int, Matrix]]:
    """Yield ``(alpha index, fold index, predictions of the fold's rows by the other rows)``."""
    rotation = kernel.band.rotation
    seen = [product(rotation[fold].T, Y[fold]) for fold in folds]
    total = torch.stack(seen).sum(0)
    unseen = [torch.sub(total, part, out=part) for part in seen]
    for k, alpha in enumerate(alphas):
        factor = kernel.band.factor(alpha)
        root = factor.forward_rows(rotation)
        pull = _pull(kernel, factor, root, unseen, folds)
        for f, fold in enumerate(folds):
            block = gram(root[fold])
            pulled = pull(f)
            if kernel.intercept:
                block -= 1 / (len(Y) * (kernel.mean_eigenvalue + alpha))
                pulled -= Y[fold].sum(0) / len(Y)
            yield k, f, solve_spd(block, pulled) / (kernel.mean_eigenvalue + alpha)


def _pull(
    kernel: Kernel, factor: BandFactor, root: Square, unseen: Sequence[Matrix], folds: Sequence[slice]
) -> Callable[[int], Matrix]:
    """``[(K - λ̄I)(K + αI)⁻¹]_FT y_T`` by fold: through the targets, or through the rows where these are fewer."""
    band, shift = kernel.band, kernel.mean_eigenvalue
    if 2 * len(unseen) * unseen[0].shape[1] <= len(root):
        solved = band.times(factor.solve(torch.cat(list(unseen), 1)), shift).split(unseen[0].shape[1], 1)
        return lambda f: product(band.rotation[folds[f]], solved[f])
    rows = band.times_rows(factor.backward_rows_(root.clone()), shift)
    return lambda f: product(rows[folds[f]], unseen[f])
