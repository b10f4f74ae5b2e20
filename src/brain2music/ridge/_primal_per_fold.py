"""Cross-validated ridge for many targets: one small operator a fold that gives every α's predictions at once.

With (λ, u, v) the singular triplets of a fold's centred training rows, its held-out rows are predicted as

    ŷ_F(α) = A diag(1 / (λ + α)) z,    A = X_F V (or K_FT U),    z = Vᵀ X_Tᵀ y (or Uᵀ y).

Three things make that cheap when ``y`` has tens of thousands of columns. The scores need no more than the norm of
ŷ_F and its product with y_F, so a fold with more rows than directions is turned into its triangle (A = OR) first.
X_Tᵀy is the whole Xᵀy less the fold's own. And the functions 1/(λ + α) of a grid of α span, over the eigenvalues
there are, fewer dimensions than there are α: predictions are made for a basis of that span, exact to working
precision, and then combined.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int

from ._chunked import Targets
from ._linalg import product
from ._memory import give_back
from ._penalty_search import least_errors
from ._principal_axes import Directions, decompose, projection, without
from ._quadratic_errors import Forms
from ._scores import from_moments

Matrix = Float[torch.Tensor, "rows targets"]
NARROW = 256
"""Targets whose weights are made at a time: by then those made before fill the memory."""
SPAN_TOLERANCE = {torch.float32: 2e-7, torch.float64: 1e-14}


@dataclass(frozen=True)
class FoldOperator:
    """What a fold is scored with.

    ``basis`` (r * (k + 1), inputs) gives, for r functions of λ, the k coordinates of the centred predictions in
    ``frame`` (held-out rows, k), None for the rows themselves, and then their mean; ``mix`` (alphas, r) combines
    the functions. Inputs are XᵀY in primal form, the training rows of Y in dual form; ``held`` (features, held-out
    rows) in primal form only.
    """

    rows: slice
    directions: Directions
    basis: Float[torch.Tensor, "stacked inputs"]
    mix: Float[torch.Tensor, "alphas r"]
    frame: Float[torch.Tensor, "held k"] | None
    held: Float[torch.Tensor, "features held"] | None


@dataclass(frozen=True)
class FoldwiseSolver:
    """Scores, held-out predictions (less the mean of all rows) and weights.

    ``X`` (rows, features) is centred if ``intercept``, its rows are ordered so that every fold is a slice;
    ``whole`` are the directions of all rows; ``batch`` targets are treated at a time; ``forms`` says whether squared
    errors are worth working out as quadratic forms (``_quadratic_errors.py``), where these resolve them, and
    ``rounded`` whether only the best of every target has to be exact.
    """

    whole: Directions
    X: Float[torch.Tensor, "rows features"]
    targets: Targets
    folds: tuple[slice, ...]
    alphas: tuple[float, ...]
    intercept: bool
    batch: int
    forms: bool = False
    rounded: bool = False

    def scores(self, score: str) -> Float[torch.Tensor, "alphas targets"]:
        """Mean over folds."""
        if score == "mse" and self.forms:
            forms = Forms.of(self.X, self.whole, self.folds, self.intercept)
            if forms.resolve(min(self.alphas)):
                if self.rounded and self.X.dtype == torch.float32:
                    return -least_errors(forms, self.targets, self.alphas, self.batch)
                return -forms.errors(self.targets, self.alphas, self.batch)
        out = torch.zeros(len(self.alphas), len(self.targets.mean), dtype=self.X.dtype, device=self.X.device)
        for operators in self._operators():
            for columns, Y in self._batches():
                for operator, inputs in zip(operators, self._inputs(operators, Y), strict=True):
                    out[:, columns] += self._score(operator, Y, inputs, score) / len(self.folds)
        return out

    def scored(self) -> "FoldwiseSolver":
        """The same without what only scores take: directions more exact than weights are."""
        return replace(self, whole=self.whole.to(self.X.dtype))

    def held_out(self, alphas: Float[torch.Tensor, " targets"]) -> Matrix:
        """Every row predicted by a fit that did not see its fold, at the given penalty of every target."""
        out = torch.empty(len(self.X), len(alphas), dtype=self.X.dtype, device=self.X.device)
        for fold in self.folds:
            directions = self._directions(fold)
            train = without(self.X, fold) - directions.mean
            project = projection(directions, train)
            for columns, Y in self._batches():
                z = product(project, without(Y, fold))
                z /= directions.values[:, None] + alphas[columns].to(z)
                prediction = (self.X[fold] - directions.mean) @ product(directions.back, z)
                out[fold, columns] = prediction + self._train_mean(Y, fold)
        return out

    def weights(self, alphas: Float[torch.Tensor, " targets"]) -> Float[torch.Tensor, "features targets"]:
        """Weights on centred features at the given penalty of every target.

        Targets of one penalty are multiplied by one operator, where they are so many that it is worth making.
        """
        whole = self.whole.to(self.X.dtype)
        project = projection(whole, self.X)
        penalties, counts = alphas.unique(return_counts=True)
        common = penalties[counts > max(self.X.shape)]
        operators = [
            product(whole.back / (whole.values + alpha.to(whole.values)), project).contiguous() for alpha in common
        ]
        out = torch.empty(self.X.shape[1], len(alphas), dtype=self.X.dtype, device=self.X.device)
        for mine, Y in self._chosen(~torch.isin(alphas, common)):
            z = product(project, Y)
            z /= whole.values[:, None] + alphas[mine].to(z)
            out.index_copy_(1, mine, product(whole.back, z))
        del project  # as large as an operator, and wanted no more
        if operators:  # many targets: their weights are the largest piece of all
            give_back()
        for alpha, operator in zip(common, operators, strict=True):
            for mine, Y in self._chosen(alphas == alpha):
                out.index_copy_(1, mine, product(operator, Y))
        return out

    def _directions(self, fold: slice) -> Directions:
        """Of the rows outside a fold."""
        return decompose(without(self.X, fold), min(self.alphas), self.intercept).to(self.X.dtype)

    def _operators(self) -> Iterator[list[FoldOperator]]:
        """All folds at once where they are small (primal), else one after the other."""
        if self.X.shape[1] <= len(self.X) - max(fold.stop - fold.start for fold in self.folds):
            yield [self._operator(fold) for fold in self.folds]
        else:
            yield from ([self._operator(fold)] for fold in self.folds)

    def _operator(self, fold: slice) -> FoldOperator:
        directions = self._directions(fold)
        A = (self.X[fold] - directions.mean) @ directions.back
        mean = A.mean(0)
        A = A - mean
        frame, A = torch.linalg.qr(A) if len(A) > A.shape[1] else (None, A)
        functions, mix = span(directions.values, self.alphas, self.X.dtype)
        stacked = torch.cat([A, mean[None]]) * functions[:, None, :]
        basis = stacked.reshape(-1, stacked.shape[2])
        basis = product(basis, directions.back.T if directions.project is None else directions.project)
        held = self.X[fold].T.contiguous() if directions.project is None else None
        return FoldOperator(fold, directions, basis.contiguous(), mix, frame, held)

    def _inputs(self, operators: Sequence[FoldOperator], Y: Matrix) -> Iterator[Float[torch.Tensor, "_in targets"]]:
        """What every operator takes: XᵀY over the fold's training rows in primal form, else these rows of Y."""
        if operators[0].held is None:
            yield from (without(Y, operator.rows) for operator in operators)
            return
        own = [product(operator.held, Y[operator.rows]) for operator in operators if operator.held is not None]
        total = torch.stack(own).sum(0) if len(own) == len(self.folds) else product(self.X.T, Y)
        for operator, part in zip(operators, own, strict=True):
            torch.sub(total, part, out=part)
            if self.intercept:
                n_train = len(Y) - (operator.rows.stop - operator.rows.start)
                part -= n_train * operator.directions.mean[:, None] * self._train_mean(Y, operator.rows)
            yield part

    def _score(
        self, operator: FoldOperator, Y: Matrix, inputs: Float[torch.Tensor, "_in targets"], score: str
    ) -> Float[torch.Tensor, "alphas targets"]:
        held = Y[operator.rows]
        parts = product(operator.basis, inputs).reshape(operator.mix.shape[1], -1)
        predicted = (operator.mix @ parts).view(len(operator.mix), -1, Y.shape[1])
        centred = held - held.mean(0)
        seen = centred if operator.frame is None else product(operator.frame.T, centred)
        spread = torch.linalg.vector_norm(predicted[:, :-1], dim=1).square()
        cross = (predicted[:, :-1] * seen).sum(1)
        offset = held.mean(0) - self._train_mean(Y, operator.rows) - predicted[:, -1]
        sst = centred.square().sum(0)
        sse = sst - 2 * cross + spread + len(held) * offset.square()
        return from_moments(len(held), sst, sse, cross, spread, score)

    def _train_mean(self, Y: Matrix, fold: slice) -> Float[torch.Tensor, " targets"]:
        """Mean of the rows outside a fold (zero without an intercept)."""
        if not self.intercept:
            return torch.zeros_like(Y[0])
        return (Y.sum(0) - Y[fold].sum(0)) / (len(Y) - (fold.stop - fold.start))

    def _batches(self) -> Iterator[tuple[slice, Matrix]]:
        return self.targets.batches(self.batch, self.X.dtype)

    def _chosen(self, wanted: Bool[torch.Tensor, " targets"]) -> Iterator[tuple[Int[torch.Tensor, " some"], Matrix]]:
        """Some of the targets by their numbers."""
        numbers, width = wanted.nonzero().flatten(), min(self.batch, NARROW)
        for first in range(0, len(numbers), width):
            mine = numbers[first : first + width]
            yield mine, self.targets.these(mine, self.X.dtype)


def span(
    values: Float[torch.Tensor, " m"], alphas: Sequence[float], dtype: torch.dtype
) -> tuple[Float[torch.Tensor, "r m"], Float[torch.Tensor, "alphas r"]]:
    """The fewest functions of λ whose combinations are 1 / (λ + α) for every α, to working precision.

    The error allowed is a share of the greatest shrinkage factor λ / (λ + α) of each α.
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
