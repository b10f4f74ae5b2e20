"""Training rows in their principal directions: what every fold is fitted with."""

from dataclasses import dataclass

import torch
from jaxtyping import Float

from ._linalg import eigh, gram, product
from ._precision import MOST_CONDITION, beyond, precisions, too_small


@dataclass(frozen=True)
class Directions:
    """Centred training rows T in their principal directions.

    ``values`` (m,) eigenvalues λ; ``mean`` (features,); ``back`` (features, m) takes z / (λ + α) to weights;
    ``project`` (m, train) takes y to z, None in primal form, where ``back.T @ T.T`` does; ``condition`` is that of
    the matrix with the least α on its diagonal. All in the precision of the factorisation.
    """

    values: Float[torch.Tensor, " m"]
    mean: Float[torch.Tensor, " features"]
    back: Float[torch.Tensor, "features m"]
    project: Float[torch.Tensor, "m train"] | None
    condition: float

    def to(self, dtype: torch.dtype) -> "Directions":
        """The same in another precision."""
        project = None if self.project is None else self.project.to(dtype).contiguous()
        return Directions(
            self.values.to(dtype), self.mean.to(dtype), self.back.to(dtype).contiguous(), project, self.condition
        )


def decompose(X: Float[torch.Tensor, "train features"], least: float, intercept: bool) -> Directions:
    """Principal directions of the training rows, in double precision where they are few or ill-conditioned."""
    primal = X.shape[1] <= X.shape[0]
    for work in precisions(min(X.shape), X.dtype):
        T = X.to(work)
        mean = T.mean(0) if intercept else torch.zeros_like(T[0])
        T = T - mean
        G = gram(T.T) if primal else gram(T)
        if intercept and not primal:
            G += G.diagonal().mean() / len(G)  # keeps the constant direction, which T lacks, away from zero
        if work == torch.float32 and beyond(G, least):
            continue
        values, vectors = eigh(G)
        values.clamp_(min=0)
        condition = float((values[-1] + least) / (values[0] + least))
        if condition < MOST_CONDITION[work]:
            back = vectors if primal else product(T.T, vectors)
            return Directions(values, mean, back, None if primal else vectors.T, condition)
    raise too_small(least, condition)


def projection(directions: Directions, train: Float[torch.Tensor, "train features"]) -> torch.Tensor:
    """What takes rows of y to z, in either form."""
    return product(directions.back.T, train.T).contiguous() if directions.project is None else directions.project


def without(A: torch.Tensor, rows: slice) -> torch.Tensor:
    """The other rows."""
    return torch.cat([A[: rows.start], A[rows.stop :]])
