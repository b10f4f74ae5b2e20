"""Variance is given to the band that explains it."""

import numpy as np
import pytest

from brain2music.ridge import banded_ridge_cv, variance_partition

pytestmark = pytest.mark.filterwarnings("ignore:the best alpha")
ALPHAS = np.logspace(-1, 5, 7)
TRAIN, TEST = slice(0, 140), slice(140, 200)


def test_variance_is_given_to_the_band_that_has_it(two_bands) -> None:
    Xs, Y = two_bands
    part = variance_partition(
        [X[TRAIN] for X in Xs], Y[TRAIN], [X[TEST] for X in Xs], Y[TEST], alphas=ALPHAS, n_candidates=20
    )
    np.testing.assert_allclose(part.product.sum(0), part.r2)
    np.testing.assert_allclose(part.unique.sum(0) + part.shared, part.r2)
    assert (part.product[0, :3] > 0.9 * part.r2[:3]).all()
    assert (part.unique[1, 3:] > 0.8 * part.r2[3:]).all()
    assert (np.abs(part.unique[1, :3]) < 0.1).all()


def test_product_measure_equals_himalayas(two_bands) -> None:
    from himalaya.backend import set_backend
    from himalaya.scoring import r2_score_split

    Xs, Y = two_bands
    settings = {"alphas": ALPHAS, "n_candidates": 5, "dtype": "float64"}
    part = variance_partition([X[TRAIN] for X in Xs], Y[TRAIN], [X[TEST] for X in Xs], Y[TEST], **settings)
    contributions = banded_ridge_cv([X[TRAIN] for X in Xs], Y[TRAIN], **settings).predict_bands([X[TEST] for X in Xs])
    set_backend("numpy")
    centred = contributions - contributions.mean(1, keepdims=True)
    expected = r2_score_split(Y[TEST] - Y[TEST].mean(0), centred, include_correlation=True)
    np.testing.assert_allclose(part.product, expected, rtol=1e-9, atol=1e-12)


def test_unique_variance_is_the_loss_of_a_fit_without_the_band(two_bands) -> None:
    Xs, Y = two_bands
    settings = {"alphas": ALPHAS, "n_candidates": 5, "dtype": "float64"}
    part = variance_partition([X[TRAIN] for X in Xs], Y[TRAIN], [X[TEST] for X in Xs], Y[TEST], **settings)
    for b, other in ((0, 1), (1, 0)):
        predicted = banded_ridge_cv([Xs[other][TRAIN]], Y[TRAIN], **settings).predict([Xs[other][TEST]])
        r2 = 1 - (predicted - predicted.mean(0) - Y[TEST] + Y[TEST].mean(0)).var(0) / Y[TEST].var(0)
        np.testing.assert_allclose(part.unique[b], part.r2 - r2, rtol=1e-8, atol=1e-10)


def test_test_groups_divide_the_sums(two_bands) -> None:
    Xs, Y = two_bands
    arguments = [X[TRAIN] for X in Xs], Y[TRAIN], [X[TEST] for X in Xs], Y[TEST]
    groups = np.random.default_rng(0).permutation(np.repeat(np.arange(6), 10))
    settings = {"alphas": ALPHAS, "n_candidates": 3}
    whole, part = (
        variance_partition(*arguments, **settings),
        variance_partition(*arguments, groups_test=groups, **settings),
    )
    assert part.error_increase.shape == (2, 6, 6)
    assert whole.error_increase.shape == (2, 1, 6)
    np.testing.assert_allclose(part.error_increase.sum(1), whole.error_increase[:, 0], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(part.sum_of_squares.sum(0), whole.sum_of_squares[0])
    np.testing.assert_allclose(part.error_increase.sum(1) / part.sum_of_squares.sum(0), part.unique, atol=1e-9)
    centred = Y[TEST] - Y[TEST].mean(0)
    np.testing.assert_allclose(part.sum_of_squares[2], (centred[groups == 2] ** 2).sum(0))


def test_candidates_of_all_bands_do_not_hinder_fits_without_one(two_bands) -> None:
    Xs, Y = two_bands
    candidates = np.array([[0.5, 0.5], [0.8, 0.2]])
    part = variance_partition(
        [X[TRAIN] for X in Xs], Y[TRAIN], [X[TEST] for X in Xs], Y[TEST], alphas=ALPHAS, candidates=candidates
    )
    assert (part.unique[0, :3] > 0.3).all()


def test_one_band_is_refused(two_bands) -> None:
    (X, _), Y = two_bands
    with pytest.raises(ValueError, match="1 band: a partition needs 2 or more"):
        variance_partition([X], Y, [X], Y)
