"""Cross-validated ridge over rows: every fold and every α from one factorisation of the Gram matrix.

With K = XXᵀ of the centred X and G = (K + αI)⁻¹ without the constant direction, the hat matrix with an unpenalised
intercept is S = I - αG, and a refit without the rows F predicts for those rows exactly

    ŷ_F = (I - S_FF)⁻¹ S_FT y_T        (T: the other rows)

S_FT is off the diagonal, so any multiple of the identity may be subtracted from S: with λ̄ the mean eigenvalue of K,
S - λ̄/(λ̄+α) I = α/(λ̄+α) · (K - λ̄I)(K + αI)⁻¹, which cancels neither for α ≪ λ nor for α ≫ λ. Hence

    ŷ_F = (λ̄+α)⁻¹ (G_FF)⁻¹ [(K - λ̄I)(K + αI)⁻¹]_FT y_T     + the share of the constant direction.

Nothing is refitted in a fold. In the constant direction K is given the eigenvalue λ̄; that share is then subtracted. K
is not diagonalised but reduced to block tridiagonal form (``_block_tridiagonal.py``), which serves every α as well.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float

from ._block_tridiagonal import BlockCholesky, BlockTridiagonal, reduce_to_block_tridiagonal
from ._chunked import Targets
from ._linalg import Square, gram, product, solve_spd
from ._scores import score_fold

Matrix = Float[torch.Tensor, "rows targets"]


@dataclass(frozen=True)
class Kernel:
    """Gram matrix K + λ̄ 11ᵀ/n (K itself without an intercept) in double precision, and its block tridiagonal form."""

    matrix: Square
    tridiagonal: BlockTridiagonal
    mean_eigenvalue: float
    intercept: bool


@dataclass(frozen=True)
class DualSolver:
    """Scores, held-out predictions (less the mean of all rows) and dual weights.

    The rows of the kernel are sorted so that every fold is a slice; ``batch`` targets are processed at a time.
    """

    kernel: Kernel
    targets: Targets
    folds: tuple[slice, ...]
    alphas: tuple[float, ...]
    batch: int

    def scores(self, scoring: str) -> Float[torch.Tensor, "alphas targets"]:
        """Scores averaged over folds."""
        rotation = self.kernel.tridiagonal.rotation
        out = torch.zeros(len(self.alphas), len(self.targets.mean), dtype=rotation.dtype, device=rotation.device)
        for columns, Y in self._batches():
            for k, f, prediction in predictions(self.kernel, Y, self.folds, self.alphas):
                out[k, columns] += score_fold(Y[self.folds[f]], prediction, scoring) / len(self.folds)
        return out

    def for_refit(self) -> "DualSolver":
        """The solver itself: refitting needs all of it."""
        return self

    def held_out(self, alphas: Float[torch.Tensor, " targets"]) -> Matrix:
        """Predictions of every row by a fit without its fold, with one penalty per target."""
        rotation = self.kernel.tridiagonal.rotation
        out = torch.empty(len(rotation), len(alphas), dtype=rotation.dtype, device=rotation.device)
        for columns, Y in self._batches():
            used = alphas[columns].unique()
            for k, f, prediction in predictions(self.kernel, Y, self.folds, used.tolist()):
                same = (alphas[columns] == used[k]).nonzero().ravel()
                out[self.folds[f], same + columns.start] = prediction[:, same]
        return out

    def weights(self, alphas: Float[torch.Tensor, " targets"]) -> Matrix:
        """Dual weights (K + αI)⁻¹ Y with one penalty per target, in the order of the caller's rows.

        Solved twice: the second time for the residual that K in double precision leaves.
        """
        matrix = self.kernel.matrix
        out = torch.empty(len(matrix), len(alphas), dtype=self.kernel.tridiagonal.rotation.dtype, device=matrix.device)
        for columns, Y in self.targets.batches(self.batch, matrix.dtype):
            W = self._solve(Y, alphas[columns])
            residual = Y.addmm_(matrix, W, alpha=-1).sub_(W * alphas[columns])
            out[self.targets.order, columns] = (W + self._solve(residual, alphas[columns])).to(out.dtype)
        return out

    def _solve(self, Y: Matrix, alphas: Float[torch.Tensor, " targets"]) -> Matrix:
        tridiagonal = self.kernel.tridiagonal
        Z = product(tridiagonal.rotation.T, Y.to(tridiagonal.rotation.dtype))
        for alpha in alphas.unique().tolist():
            same = (alphas == alpha).nonzero().ravel()
            Z[:, same] = tridiagonal.factor(alpha).solve(Z[:, same])
        return product(tridiagonal.rotation, Z).to(Y.dtype)

    def _batches(self) -> Iterator[tuple[slice, Matrix]]:
        return self.targets.batches(self.batch, self.kernel.tridiagonal.rotation.dtype)


def factorise(K: Square, dtype: torch.dtype, intercept: bool) -> Kernel:
    """Reduce the (centred) Gram matrix in the precision ``dtype``; K is in double precision and overwritten."""
    mean_eigenvalue = float(K.diagonal().mean())
    if intercept:
        K += mean_eigenvalue / len(K)
    return Kernel(K, reduce_to_block_tridiagonal(K.to(dtype, copy=True)), mean_eigenvalue, intercept)


def predictions(
    kernel: Kernel, Y: Matrix, folds: Sequence[slice], alphas: Sequence[float]
) -> Iterator[tuple[int, int, Matrix]]:
    """Yield ``(index of α, index of the fold, predictions of the fold's rows from the other rows)``."""
    rotation = kernel.tridiagonal.rotation
    held_out = [product(rotation[fold].T, Y[fold]) for fold in folds]
    total = torch.stack(held_out).sum(0)
    training = [torch.sub(total, part, out=part) for part in held_out]
    for k, alpha in enumerate(alphas):
        factor = kernel.tridiagonal.factor(alpha)
        root = factor.forward_rows(rotation)
        shrunk_training = _off_diagonal_products(kernel, factor, root, training, folds)
        for f, fold in enumerate(folds):
            block = gram(root[fold])
            right = shrunk_training(f)
            if kernel.intercept:
                block -= 1 / (len(Y) * (kernel.mean_eigenvalue + alpha))
                right -= Y[fold].sum(0) / len(Y)
            yield k, f, solve_spd(block, right) / (kernel.mean_eigenvalue + alpha)


def _off_diagonal_products(
    kernel: Kernel, factor: BlockCholesky, root: Square, training: Sequence[Matrix], folds: Sequence[slice]
) -> Callable[[int], Matrix]:
    """``[(K - λ̄I)(K + αI)⁻¹]_FT y_T`` by fold: through the targets, or through the rows where these are fewer."""
    tridiagonal, shift = kernel.tridiagonal, kernel.mean_eigenvalue
    n_targets = training[0].shape[1]
    if 2 * len(training) * n_targets <= len(root):
        solved = tridiagonal.times(factor.solve(torch.cat(list(training), 1)), shift).split(n_targets, 1)
        return lambda f: product(tridiagonal.rotation[folds[f]], solved[f])
    rows = tridiagonal.times_rows(factor.backward_rows_(root.clone()), shift)
    return lambda f: product(rows[folds[f]], training[f])
