"""Scores of held-out predictions are those of scikit-learn, scipy and himalaya."""

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr
from sklearn.metrics import mean_squared_error, r2_score

from brain2music.ridge._scores import SCORES, check_scoring, score_fold, score_from_sums


@pytest.fixture
def fold(rng) -> tuple[np.ndarray, np.ndarray]:
    """Truth, far from zero, and a prediction of some of it."""
    truth = rng.standard_normal((25, 6)) * [1, 2, 5, 0.1, 1, 30] + 7
    return truth, 0.6 * truth + rng.standard_normal((25, 6)) + 1


def test_scores_equal_the_references(fold) -> None:
    truth, prediction = fold
    tensors = torch.from_numpy(truth), torch.from_numpy(prediction)
    np.testing.assert_allclose(score_fold(*tensors, "r2"), r2_score(*fold, multioutput="raw_values"))
    expected = -mean_squared_error(*fold, multioutput="raw_values")
    np.testing.assert_allclose(score_fold(*tensors, "neg_mean_squared_error"), expected)
    expected = [pearsonr(t, p).statistic for t, p in zip(truth.T, prediction.T, strict=True)]
    np.testing.assert_allclose(score_fold(*tensors, "correlation"), expected)


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_scores_equal_himalayas_where_something_is_constant(fold) -> None:
    from himalaya import scoring
    from himalaya.backend import set_backend

    truth, prediction = fold
    truth[:, 1], prediction[:, 2] = 3.0, 4.0
    set_backend("numpy")
    tensors = torch.from_numpy(truth), torch.from_numpy(prediction)
    np.testing.assert_allclose(score_fold(*tensors, "correlation"), scoring.correlation_score(*fold), atol=1e-12)
    expected = scoring.r2_score(*fold)
    expected[1] = 0.0  # ours is 0 whatever the error, as where it is none
    np.testing.assert_allclose(score_fold(*tensors, "r2"), expected)


@pytest.mark.parametrize("scoring", SCORES)
def test_sums_give_the_scores_of_rows(scoring, fold) -> None:
    truth, prediction = (torch.from_numpy(each) for each in fold)
    centred, predicted = truth - truth.mean(0), prediction - prediction.mean(0)
    found = score_from_sums(
        25,
        sst=centred.square().sum(0),
        sse=(truth - prediction).square().sum(0),
        cross=(centred * predicted).sum(0),
        spread=predicted.square().sum(0),
        scoring=scoring,
    )
    torch.testing.assert_close(found, score_fold(truth, prediction, scoring))


@pytest.mark.parametrize("scoring", SCORES)
def test_a_perfect_prediction_has_the_greatest_score(scoring, fold) -> None:
    truth, prediction = (torch.from_numpy(each) for each in fold)
    perfect = score_fold(truth, truth, scoring)
    assert bool((perfect >= score_fold(truth, prediction, scoring)).all())
    torch.testing.assert_close(perfect, torch.full((6,), 0.0 if scoring.startswith("neg") else 1.0, dtype=truth.dtype))


def test_unknown_scores_are_refused() -> None:
    with pytest.raises(
        ValueError, match="scoring='R2' is unknown: give one of r2, correlation, neg_mean_squared_error"
    ):
        check_scoring("R2")
