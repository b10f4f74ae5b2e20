"""On a GPU the answers are those of the processor; skipped where there is none."""

import numpy as np
import pytest
import torch

from brain2music.ridge import assign_folds, ridge_cv
from brain2music.ridge._plan import SOLVERS

from .conftest import KINDS, make_problem

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    pytest.mark.filterwarnings("ignore:the best alpha", "ignore:. is constant"),
]
ALPHAS = np.logspace(-2, 7, 7)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_processor(kind, solver, rng) -> None:
    X, Y, groups = make_problem(kind, rng)
    settings = {"alphas": ALPHAS, "groups": groups, "n_folds": 4, "keep_held_out": True, "solver": solver}
    here = ridge_cv(X, Y, dtype="float64", **settings)
    for dtype, tolerance in [(torch.float64, 1e-7), (torch.float32, 1e-5)]:
        device = [torch.from_numpy(a).to("cuda", dtype) for a in (X, Y)]
        fit = ridge_cv(*device, dtype=str(dtype).removeprefix("torch."), **settings)
        assert fit.coef.device.type == "cuda"
        np.testing.assert_allclose(fit.cv_scores.cpu(), here.cv_scores, rtol=tolerance, atol=tolerance)
        scale = np.abs(Y).max()
        np.testing.assert_allclose(fit.held_out.cpu(), here.held_out, rtol=tolerance, atol=tolerance * scale)
        np.testing.assert_allclose(fit.predict(device[0]).cpu(), here.predict(X), atol=3 * tolerance * scale)


@pytest.mark.parametrize(("features", "targets"), [(20_000, 128), (512, 4000)])
def test_a_study_of_full_size(features, targets) -> None:
    """4,800 rows over rows and over features, against refitting one fold in double precision."""
    generator = torch.Generator("cuda").manual_seed(0)
    X = torch.randn(4800, features, generator=generator, device="cuda")
    Y = X[:, :50] @ torch.randn(50, targets, generator=generator, device="cuda")
    Y += 10 * torch.randn(4800, targets, generator=generator, device="cuda")
    fit = ridge_cv(X, Y, alphas=[1e2, 1e3, 1e4, 1e5], keep_held_out=True, memory_gb=16)
    held = torch.as_tensor(assign_folds(4800, None, 5) == 2, device="cuda")
    mean, train = X[~held].double().mean(0), X[~held].double()
    train = train - mean
    truth = Y[~held].double()
    for alpha in fit.best_alphas.unique():
        same = fit.best_alphas == alpha
        if features < len(train):
            penalised = train.T @ train + float(alpha) * torch.eye(features, device="cuda", dtype=torch.float64)
            coef = torch.linalg.solve(penalised, train.T @ (truth[:, same] - truth[:, same].mean(0)))
        else:
            penalised = train @ train.T + float(alpha) * torch.eye(len(train), device="cuda", dtype=torch.float64)
            coef = train.T @ torch.linalg.solve(penalised, truth[:, same] - truth[:, same].mean(0))
        expected = (X[held].double() - mean) @ coef + truth[:, same].mean(0)
        error = (fit.held_out[held][:, same] - expected).abs().max() / expected.abs().max()
        assert float(error) < 1e-4
