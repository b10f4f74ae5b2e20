"""Cross-validated ridge for many targets: one small operator per fold that gives the predictions of every α at once.

With (λ, u, v) the singular triplets of a fold's centred training rows, its held-out rows are predicted as

    ŷ_F(α) = A diag(1 / (λ + α)) z,    A = X_F V (or K_FT U),    z = Vᵀ X_Tᵀ y (or Uᵀ y).

Three things make that cheap when ``y`` has tens of thousands of columns. Scores need only the norm of ŷ_F and its
product with y_F, so a fold with more rows than axes is first reduced to its triangle (A = OR). X_Tᵀy is the whole Xᵀy
less the fold's own. And the functions 1/(λ + α) of a grid of α span, over the eigenvalues there are, fewer dimensions
than there are α: predictions are made for a basis of that span, exact to working precision, and then combined.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int

from ._chunked import Targets
from ._linalg import product
from ._memory import malloc_trim
from ._penalty_search import least_errors
from ._principal_axes import PrincipalAxes, drop_rows, principal_axes, projection
from ._quadratic_errors import QuadraticErrors
from ._scores import score_from_sums

Matrix = Float[torch.Tensor, "rows targets"]
WEIGHTS_AT_ONCE = 256
"""Targets whose weights are made at a time: the weights made before them fill the memory."""
SPAN_TOLERANCE = {torch.float32: 2e-7, torch.float64: 1e-14}


@dataclass(frozen=True)
class FoldOperator:
    """What scores one fold.

    Attributes
    ----------
    rows : the held-out rows.
    axes : principal axes of the training rows.
    basis : (r * (k + 1), inputs) gives, for r functions of λ, the k coordinates of the centred predictions in
        ``frame``, and then their mean. Inputs are XᵀY in primal form, the training rows of Y in dual form.
    mix : (alphas, r) combines the functions.
    frame : (held-out rows, k); None for the rows themselves.
    held : (features, held-out rows) in primal form only.
    """

    rows: slice
    axes: PrincipalAxes
    basis: Float[torch.Tensor, "stacked inputs"]
    mix: Float[torch.Tensor, "alphas r"]
    frame: Float[torch.Tensor, "held k"] | None
    held: Float[torch.Tensor, "features held"] | None


@dataclass(frozen=True)
class PrimalPerFoldSolver:
    """Scores, held-out predictions (less the mean of all rows) and weights.

    Attributes
    ----------
    axes : principal axes of all rows.
    X : (rows, features) centred if ``intercept``, sorted so that every fold is a slice.
    batch : targets processed at a time.
    quadratic_errors : whether squared errors are computed as quadratic forms (``_quadratic_errors.py``), where these
        resolve them.
    screened : whether only the best penalty of every target has to be exact.
    """

    axes: PrincipalAxes
    X: Float[torch.Tensor, "rows features"]
    targets: Targets
    folds: tuple[slice, ...]
    alphas: tuple[float, ...]
    intercept: bool
    batch: int
    quadratic_errors: bool = False
    screened: bool = False

    def scores(self, scoring: str) -> Float[torch.Tensor, "alphas targets"]:
        """Scores averaged over folds."""
        if scoring == "neg_mean_squared_error" and self.quadratic_errors:
            errors = QuadraticErrors.from_axes(self.X, self.axes, self.folds, self.intercept)
            if errors.resolves(min(self.alphas)):
                if self.screened and self.X.dtype == torch.float32:
                    return -least_errors(errors, self.targets, self.alphas, self.batch)
                return -errors.errors(self.targets, self.alphas, self.batch)
        out = torch.zeros(len(self.alphas), len(self.targets.mean), dtype=self.X.dtype, device=self.X.device)
        for operators in self._operators():
            for columns, Y in self._batches():
                for operator, inputs in zip(operators, self._inputs(operators, Y), strict=True):
                    out[:, columns] += self._score(operator, Y, inputs, scoring) / len(self.folds)
        return out

    def for_refit(self) -> "PrimalPerFoldSolver":
        """The solver with axes as exact as weights are; scores need more."""
        return replace(self, axes=self.axes.to(self.X.dtype))

    def held_out(self, alphas: Float[torch.Tensor, " targets"]) -> Matrix:
        """Predictions of every row by a fit without its fold, with one penalty per target."""
        out = torch.empty(len(self.X), len(alphas), dtype=self.X.dtype, device=self.X.device)
        for fold in self.folds:
            axes = self._training_axes(fold)
            project = projection(axes, drop_rows(self.X, fold) - axes.mean)
            for columns, Y in self._batches():
                z = product(project, drop_rows(Y, fold))
                z /= axes.values[:, None] + alphas[columns].to(z)
                prediction = (self.X[fold] - axes.mean) @ product(axes.to_weights, z)
                out[fold, columns] = prediction + self._training_mean(Y, fold)
        return out

    def weights(self, alphas: Float[torch.Tensor, " targets"]) -> Float[torch.Tensor, "features targets"]:
        """Weights of centred features, with one penalty per target.

        Targets with the same penalty are multiplied by one operator, where there are enough of them.
        """
        axes = self.axes.to(self.X.dtype)
        project = projection(axes, self.X)
        penalties, counts = alphas.unique(return_counts=True)
        common = penalties[counts > max(self.X.shape)]
        operators = [
            product(axes.to_weights / (axes.values + alpha.to(axes.values)), project).contiguous() for alpha in common
        ]
        out = torch.empty(self.X.shape[1], len(alphas), dtype=self.X.dtype, device=self.X.device)
        for indices, Y in self._select(~torch.isin(alphas, common)):
            z = product(project, Y)
            z /= axes.values[:, None] + alphas[indices].to(z)
            out.index_copy_(1, indices, product(axes.to_weights, z))
        del project  # as large as an operator, and no longer needed
        if operators:  # many targets: their weights are the largest piece of all
            malloc_trim()
        for alpha, operator in zip(common, operators, strict=True):
            for indices, Y in self._select(alphas == alpha):
                out.index_copy_(1, indices, product(operator, Y))
        return out

    def _training_axes(self, fold: slice) -> PrincipalAxes:
        """Principal axes of the rows outside a fold."""
        return principal_axes(drop_rows(self.X, fold), min(self.alphas), self.intercept).to(self.X.dtype)

    def _operators(self) -> Iterator[list[FoldOperator]]:
        """All folds at once where they are small (primal), else one after the other."""
        if self.X.shape[1] <= len(self.X) - max(fold.stop - fold.start for fold in self.folds):
            yield [self._operator(fold) for fold in self.folds]
        else:
            yield from ([self._operator(fold)] for fold in self.folds)

    def _operator(self, fold: slice) -> FoldOperator:
        axes = self._training_axes(fold)
        A = (self.X[fold] - axes.mean) @ axes.to_weights
        mean = A.mean(0)
        A = A - mean
        frame, A = torch.linalg.qr(A) if len(A) > A.shape[1] else (None, A)
        functions, mix = span(axes.values, self.alphas, self.X.dtype)
        stacked = torch.cat([A, mean[None]]) * functions[:, None, :]
        basis = stacked.reshape(-1, stacked.shape[2])
        basis = product(basis, axes.to_weights.T if axes.project is None else axes.project)
        held = self.X[fold].T.contiguous() if axes.project is None else None
        return FoldOperator(fold, axes, basis.contiguous(), mix, frame, held)

    def _inputs(self, operators: Sequence[FoldOperator], Y: Matrix) -> Iterator[Float[torch.Tensor, "_in targets"]]:
        """Inputs of every operator: XᵀY over the fold's training rows in primal form, else these rows of Y."""
        if operators[0].held is None:
            yield from (drop_rows(Y, operator.rows) for operator in operators)
            return
        own = [product(operator.held, Y[operator.rows]) for operator in operators if operator.held is not None]
        total = torch.stack(own).sum(0) if len(own) == len(self.folds) else product(self.X.T, Y)
        for operator, part in zip(operators, own, strict=True):
            torch.sub(total, part, out=part)
            if self.intercept:
                n_train = len(Y) - (operator.rows.stop - operator.rows.start)
                part -= n_train * operator.axes.mean[:, None] * self._training_mean(Y, operator.rows)
            yield part

    def _score(
        self, operator: FoldOperator, Y: Matrix, inputs: Float[torch.Tensor, "_in targets"], scoring: str
    ) -> Float[torch.Tensor, "alphas targets"]:
        held = Y[operator.rows]
        parts = product(operator.basis, inputs).reshape(operator.mix.shape[1], -1)
        predicted = (operator.mix @ parts).view(len(operator.mix), -1, Y.shape[1])
        centred = held - held.mean(0)
        coordinates = centred if operator.frame is None else product(operator.frame.T, centred)
        spread = torch.linalg.vector_norm(predicted[:, :-1], dim=1).square()
        cross = (predicted[:, :-1] * coordinates).sum(1)
        offset = held.mean(0) - self._training_mean(Y, operator.rows) - predicted[:, -1]
        sst = centred.square().sum(0)
        sse = sst - 2 * cross + spread + len(held) * offset.square()
        return score_from_sums(len(held), sst, sse, cross, spread, scoring)

    def _training_mean(self, Y: Matrix, fold: slice) -> Float[torch.Tensor, " targets"]:
        """Mean of the rows outside a fold (zero without an intercept)."""
        if not self.intercept:
            return torch.zeros_like(Y[0])
        return (Y.sum(0) - Y[fold].sum(0)) / (len(Y) - (fold.stop - fold.start))

    def _batches(self) -> Iterator[tuple[slice, Matrix]]:
        return self.targets.batches(self.batch, self.X.dtype)

    def _select(self, mask: Bool[torch.Tensor, " targets"]) -> Iterator[tuple[Int[torch.Tensor, " some"], Matrix]]:
        """Yield indices and values of some of the targets, in batches."""
        indices, width = mask.nonzero().flatten(), min(self.batch, WEIGHTS_AT_ONCE)
        for first in range(0, len(indices), width):
            part = indices[first : first + width]
            yield part, self.targets.select(part, self.X.dtype)


def span(
    values: Float[torch.Tensor, " m"], alphas: Sequence[float], dtype: torch.dtype
) -> tuple[Float[torch.Tensor, "r m"], Float[torch.Tensor, "alphas r"]]:
    """The fewest functions of λ whose combinations are 1 / (λ + α) for every α, to working precision.

    The error allowed is a fraction of the greatest shrinkage factor λ / (λ + α) of each α.
    """
    eigenvalues = values.double()
    grid = torch.tensor(alphas, dtype=torch.float64, device=values.device)
    resolvents = 1 / (eigenvalues[:, None] + grid)
    greatest = float(eigenvalues.max()) or 1.0
    scale = (greatest + grid) / greatest
    factors = eigenvalues[:, None] * resolvents * scale
    _, _, Vt = torch.linalg.svd(factors, full_matrices=False)
    for r in range(1, len(Vt)):
        if float((factors - factors @ Vt[:r].T @ Vt[:r]).abs().max()) < SPAN_TOLERANCE[dtype]:
            return ((resolvents * scale) @ Vt[:r].T).T.to(dtype), (Vt[:r] / scale).T.to(dtype).contiguous()
    return resolvents.T.to(dtype), torch.eye(len(grid), dtype=dtype, device=values.device)
