"""Lower bounds of squared errors, from a few random projections of the errors.

Let S have k rows of independent normal numbers of variance 1 / k. For any errors e, ‖S e‖² / ‖e‖² is distributed as χ²
with k degrees of freedom, divided by k (Johnson and Lindenstrauss 1984), so one of its quantiles gives a lower bound of
‖e‖². The errors e₀ of predicting the mean alone, whose squares are known, give a second bound, which is closer where
little is predicted:

    ‖e‖² = ‖e₀‖² + d,    d = (e - e₀)ᵀ(e + e₀),    estimated by d̂ = (S (e - e₀))ᵀ S (e + e₀),

    var d̂ = (‖e - e₀‖² ‖e + e₀‖² + d²) / k.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from scipy.stats import chi2, norm

from ._linalg import product

N_ROWS = 240
"""Rows of a sketch: its estimates have a relative error of an eleventh, beside which 1e-3 of rounding is little."""

FAILURE = 1e-9
"""Probability that a bound is wrong."""

Errors = Float[torch.Tensor, "errors columns"]


@dataclass(frozen=True)
class Sketch:
    """S E of several error operators E (a column to its errors), in bfloat16; the last one gives e₀."""

    rows: Float[torch.Tensor, "operators sketched n"]

    def __call__(
        self, Y: Float[torch.Tensor, "n columns"], null: Float[torch.Tensor, " columns"]
    ) -> tuple[Errors, Errors]:
        """Estimates and lower bounds of ‖E y‖² for every E but the last; ``null`` is ‖e₀‖²."""
        size = self.rows.shape[1]
        sketched = product(self.rows.flatten(0, 1), Y.bfloat16()).view(-1, size, Y.shape[1])
        mean = sketched[-1].to(Y.dtype)
        moments = torch.stack([_moments(each.to(Y.dtype), mean) for each in sketched[:-1]], dim=1)
        estimates, d, difference, total = moments
        deviation = ((difference * total + d.square()) / size).sqrt()
        by_null = null + d - float(norm.isf(FAILURE)) * deviation
        return estimates, torch.maximum(estimates * (size / float(chi2.isf(FAILURE, size))), by_null)


def gaussian_sketch(n: int) -> Float[torch.Tensor, "sketched n"]:
    """S in double precision; the same on every call."""
    return torch.randn(N_ROWS, n, generator=torch.Generator().manual_seed(0), dtype=torch.float64) / N_ROWS**0.5


def _moments(
    e: Float[torch.Tensor, "sketched columns"], null: Float[torch.Tensor, "sketched columns"]
) -> Float[torch.Tensor, "four columns"]:
    """‖e‖², (e - e₀)ᵀ(e + e₀), ‖e - e₀‖² and ‖e + e₀‖² of every column."""
    difference, total = e - null, e + null
    return torch.stack(
        [e.square().sum(0), (difference * total).sum(0), difference.square().sum(0), total.square().sum(0)]
    )
