"""Principal axes of training rows, with which every fold is fitted."""

from dataclasses import dataclass

import torch
from jaxtyping import Float

from ._linalg import eigh, gram, product
from ._precision import MAX_CONDITION, alpha_too_small, dtypes_to_try, is_ill_conditioned


@dataclass(frozen=True)
class PrincipalAxes:
    """Principal axes of the centred training rows T, in the precision of the factorisation.

    Attributes
    ----------
    values : (m,) eigenvalues λ of TᵀT or TTᵀ, whichever is smaller.
    mean : (features,) mean of the rows.
    to_weights : (features, m) takes z / (λ + α) to weights over features.
    project : (m, train) takes y to z; None in primal form, where ``to_weights.T @ T.T`` does.
    condition : condition number of the matrix at the smallest α.
    """

    values: Float[torch.Tensor, " m"]
    mean: Float[torch.Tensor, " features"]
    to_weights: Float[torch.Tensor, "features m"]
    project: Float[torch.Tensor, "m train"] | None
    condition: float

    def to(self, dtype: torch.dtype) -> "PrincipalAxes":
        """The same in another precision."""
        project = None if self.project is None else self.project.to(dtype).contiguous()
        to_weights = self.to_weights.to(dtype).contiguous()
        return PrincipalAxes(self.values.to(dtype), self.mean.to(dtype), to_weights, project, self.condition)


def principal_axes(X: Float[torch.Tensor, "train features"], smallest_alpha: float, intercept: bool) -> PrincipalAxes:
    """Principal axes of the rows, in double precision where they are few or ill-conditioned.

    Raises
    ------
    ValueError
        When not even double precision resolves the smallest penalty.
    """
    primal = X.shape[1] <= X.shape[0]
    for dtype in dtypes_to_try(min(X.shape), X.dtype):
        T = X.to(dtype)
        mean = T.mean(0) if intercept else torch.zeros_like(T[0])
        T = T - mean
        G = gram(T.T) if primal else gram(T)
        if intercept and not primal:
            G += G.diagonal().mean() / len(G)  # keeps the constant direction, which T lacks, away from zero
        if dtype == torch.float32 and is_ill_conditioned(G, smallest_alpha):
            continue
        values, vectors = eigh(G)
        values.clamp_(min=0)
        condition = float((values[-1] + smallest_alpha) / (values[0] + smallest_alpha))
        if condition < MAX_CONDITION[dtype]:
            to_weights = vectors if primal else product(T.T, vectors)
            return PrincipalAxes(values, mean, to_weights, None if primal else vectors.T, condition)
    raise alpha_too_small(smallest_alpha, condition)


def projection(axes: PrincipalAxes, train: Float[torch.Tensor, "train features"]) -> torch.Tensor:
    """(m, train) the matrix that takes y to z, in either form."""
    return product(axes.to_weights.T, train.T).contiguous() if axes.project is None else axes.project


def drop_rows(A: torch.Tensor, rows: slice) -> torch.Tensor:
    """The other rows of A."""
    return torch.cat([A[: rows.start], A[rows.stop :]])
