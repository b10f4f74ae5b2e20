"""Cross-validated ridge over rows: every fold and every α from one factorisation of the Gram matrix.

With K = XXᵀ of the centred X and G = (K + αI)⁻¹ without the constant direction, the hat matrix with an unpenalised
intercept is S = I - αG, and what refitting without the rows F would predict for them is exactly

    ŷ_F = (I - S_FF)⁻¹ S_FT y_T        (T: the other rows)

S_FT is off-diagonal, so any multiple of the identity may be taken from S: with λ̄ the mean eigenvalue of K,
S - λ̄/(λ̄+α) I = α/(λ̄+α) · (K - λ̄I)(K + αI)⁻¹, which cancels neither for α ≪ λ nor for α ≫ λ. Hence

    ŷ_F = (λ̄+α)⁻¹ (G_FF)⁻¹ [ (K - λ̄I)(K + αI)⁻¹ ]_FT y_T     + the share of the constant direction.

Nothing is refitted in a fold. In the constant direction K is given the eigenvalue λ̄, and that share is then removed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float

from .linalg import Square, eigh, gram, solve_spd

Matrix = Float[torch.Tensor, "rows targets"]


@dataclass(frozen=True)
class Spectrum:
    """K + λ̄ 11ᵀ/n = U diag(values) Uᵀ."""

    vectors: Square
    values: Float[torch.Tensor, " n"]
    shift: float
    intercept: bool

    def inverse_root(self, alpha: float) -> Square:
        """R (directions, rows) with RᵀR = (K + αI)⁻¹."""
        return (self.values + alpha).rsqrt()[:, None] * self.vectors.T

    def contrast(self, alpha: float, Z: Float[torch.Tensor, "n k"]) -> Float[torch.Tensor, "n k"]:
        """(Λ - λ̄)(Λ + α)⁻¹ Z."""
        return ((self.values - self.shift) / (self.values + alpha))[:, None] * Z

    def solve(self, alpha: float, Z: Float[torch.Tensor, "n k"]) -> Float[torch.Tensor, "n k"]:
        """(Λ + α)⁻¹ Z."""
        return Z / (self.values + alpha)[:, None]

    def condition(self, alpha: float) -> float:
        """Condition number of K + αI."""
        low, high = float(self.values.min()), float(self.values.max())
        return (high + alpha) / max(low + alpha, 1e-300)


def factorise(K: Square, intercept: bool) -> Spectrum:
    """Decompose the (centred) Gram matrix, which is overwritten."""
    shift = float(K.diagonal().double().mean())
    if intercept:
        K += shift / len(K)
    values, vectors = eigh(K)
    return Spectrum(vectors, values.clamp_(min=0), shift, intercept)


def held_out(
    spectrum: Spectrum, Y: Matrix, folds: Sequence[slice], alphas: Sequence[float]
) -> Iterator[tuple[int, int, Matrix]]:
    """Yield ``(alpha index, fold index, predictions of the fold's rows by the other rows)``.

    ``Y`` is centred (if there is an intercept) and its rows are ordered so that every fold is a slice.
    """
    seen = [spectrum.vectors[fold].T @ Y[fold] for fold in folds]
    total = torch.stack(seen).sum(0)
    unseen = [total - part for part in seen]
    del seen
    for k, alpha in enumerate(alphas):
        root = spectrum.inverse_root(alpha)
        for f, fold in enumerate(folds):
            block = gram(root[:, fold].T)
            pulled = spectrum.vectors[fold] @ spectrum.contrast(alpha, unseen[f])
            if spectrum.intercept:
                block -= 1 / (len(Y) * (spectrum.shift + alpha))
                pulled -= Y[fold].sum(0) / len(Y)
            yield k, f, solve_spd(block, pulled) / (spectrum.shift + alpha)


def dual_coefficients(spectrum: Spectrum, Y: Matrix, best: Float[torch.Tensor, " targets"]) -> Matrix:
    """(K + αI)⁻¹ Y with an α for every target."""
    Z = spectrum.vectors.T @ Y
    for alpha in best.unique().tolist():
        mine = (best == alpha).nonzero().ravel()
        Z[:, mine] = spectrum.solve(alpha, Z[:, mine])
    return spectrum.vectors @ Z
