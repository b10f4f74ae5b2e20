"""Lower bounds of squared errors from a few random sums of the errors.

Let S have k rows of independent normal numbers of variance 1 / k. Whatever the errors e are, ‖S e‖² / ‖e‖² is
distributed as χ² with k degrees of freedom, divided by k (Johnson and Lindenstrauss 1984), so a quantile of it bounds
‖e‖² from below. Beside the errors e₀ of predicting nothing but the mean, whose squares are known, there is a second
bound that is closer where little is predicted:

    ‖e‖² = ‖e₀‖² + d,    d = (e - e₀)ᵀ(e + e₀),    estimated by d̂ = (S (e - e₀))ᵀ S (e + e₀),

    var d̂ = (‖e - e₀‖² ‖e + e₀‖² + d²) / k.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from scipy.stats import chi2, norm

from ._linalg import product

ROWS = 240
"""Of a sketch: its estimates are wrong by an eleventh of themselves, beside which 1e-3 of rounding is little."""

CHANCE = 1e-9
"""Of a bound that is wrong."""

Errors = Float[torch.Tensor, "errors columns"]


@dataclass(frozen=True)
class Sketch:
    """S E of several E that take a column to its errors, in bfloat16; the last takes it to e₀."""

    rows: Float[torch.Tensor, "operators sketched n"]

    def __call__(
        self, Y: Float[torch.Tensor, "n columns"], null: Float[torch.Tensor, " columns"]
    ) -> tuple[Errors, Errors]:
        """Estimates and lower bounds of ‖E y‖² of every E but the last; ``null`` is ‖e₀‖²."""
        size = self.rows.shape[1]
        seen = product(self.rows.flatten(0, 1), Y.bfloat16()).view(-1, size, Y.shape[1])
        mean = seen[-1].to(Y.dtype)
        moments = torch.stack([_moments(each.to(Y.dtype), mean) for each in seen[:-1]], dim=1)
        estimates, d, less, both = moments
        deviation = ((less * both + d.square()) / size).sqrt()
        by_null = null + d - float(norm.isf(CHANCE)) * deviation
        return estimates, torch.maximum(estimates * (size / float(chi2.isf(CHANCE, size))), by_null)


def normals(n: int) -> Float[torch.Tensor, "sketched n"]:
    """S, in double precision; the same at every call."""
    return torch.randn(ROWS, n, generator=torch.Generator().manual_seed(0), dtype=torch.float64) / ROWS**0.5


def _moments(
    e: Float[torch.Tensor, "sketched columns"], null: Float[torch.Tensor, "sketched columns"]
) -> Float[torch.Tensor, "four columns"]:
    """‖e‖², (e - e₀)ᵀ(e + e₀), ‖e - e₀‖² and ‖e + e₀‖² of every column."""
    less, both = e - null, e + null
    return torch.stack([e.square().sum(0), (less * both).sum(0), less.square().sum(0), both.square().sum(0)])
