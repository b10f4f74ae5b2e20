"""The parts that options are made of, against what is known of them."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.special import softmax
from sklearn.covariance import LedoitWolf
from sklearn.kernel_ridge import KernelRidge

from brain2music._utils.errors import InputError
from brain2music._utils.files import write_arrays
from brain2music.decoding.contrastive import contrastive, info_nce
from brain2music.decoding.exemplars import TEMPERATURES, Exemplars, exemplars
from brain2music.decoding.fits import Fit
from brain2music.decoding.nonlinear import WIDTHS
from brain2music.decoding.options import predict_with
from brain2music.decoding.problem import HeldOut, Problem, View, identification, shrunk_spectrum
from brain2music.decoding.select import encoding_scores
from brain2music.decoding.shrinkage import Calibration
from brain2music.decoding.stack import convex_weights
from brain2music.decoding.whiten import fit_whitening, whitened
from brain2music.embeddings.alignment import Matched
from brain2music.metrics.ranking import identification_by_clip as scored
from brain2music.metrics.ranking import similarity


def problem_of(X, Y, test_X, **fit):
    n = len(X)
    train = Matched(X.astype(np.float32), Y.astype(np.float32), np.arange(n), np.zeros(n, dtype=int))
    return Problem((View(train, test_X.astype(np.float32)),), np.arange(n), Fit(**fit))


def held_out_of(predicted, true, n_folds=5):
    n = len(true)
    return HeldOut(predicted.astype(np.float32), true.astype(np.float32), np.arange(n) % n_folds, np.arange(n))


@pytest.mark.parametrize("shape", [(30, 50), (200, 8)])
def test_shrunk_spectrum_is_scikit_learns_ledoit_wolf(rng, shape):
    rows = (rng.standard_normal(shape) * np.linspace(0.2, 3, shape[1])).astype(np.float32)
    basis, values, floor = shrunk_spectrum(rows)
    full = (basis * (values - floor)) @ basis.T + floor * np.eye(shape[1])
    np.testing.assert_allclose(full, LedoitWolf().fit(rows.astype(float)).covariance_, atol=1e-5)


def test_identification_is_that_of_the_scores(rng):
    predicted, true = rng.standard_normal((2, 30, 6)).astype(np.float32)
    predicted += true
    assert identification(predicted, true) == pytest.approx(scored(similarity(predicted, true)).mean())
    assert identification(np.zeros_like(true), true) == 0


def test_held_out_sides_are_about_the_mean_that_their_fold_was_fitted_with(rng):
    problem = problem_of(*rng.standard_normal((2, 20, 5)), rng.standard_normal((3, 5)), n_folds=4)
    held_out = HeldOut.of(problem.ridge(problem.views[0].train.X), problem)
    for fold in range(4):
        expected = problem.Y[problem.folds != fold].mean(0)
        np.testing.assert_allclose(
            (problem.Y - held_out.true)[problem.folds == fold], expected[None].repeat(5, 0), atol=1e-6
        )


def test_calibration_gives_predictions_the_covariance_of_true_embeddings(rng):
    true = rng.multivariate_normal([5, -3, 0], [[4, 1, 0], [1, 2, 0.5], [0, 0.5, 1]], 5000).astype(np.float32)
    shrunk = ((true - true.mean(0)) * [0.5, 0.4, 0.35] + rng.normal(0, 0.2, true.shape)).astype(np.float32)
    mapped = Calibration.fit(shrunk, true).transform(shrunk)
    np.testing.assert_allclose(mapped.mean(0), true.mean(0), atol=1e-3)
    np.testing.assert_allclose(np.cov(mapped.T), np.cov(true.T), atol=0.05)


def test_calibration_is_the_optimal_transport_between_gaussians(rng):
    predicted, true = rng.standard_normal((2, 4000, 4)).astype(np.float32)
    mixing = np.linalg.qr(rng.standard_normal((4, 4)))[0] * [0.5, 0.8, 1.0, 2.0]
    predicted = (predicted @ mixing @ np.linalg.qr(rng.standard_normal((4, 4)))[0]).astype(np.float32)
    calibration = Calibration.fit(predicted, true)
    full = calibration.basis @ calibration.inner @ calibration.basis.T
    S, T = np.cov(predicted.T.astype(float)), np.cov(true.T.astype(float))
    root = np.real(sqrtm(S))
    expected = np.linalg.inv(root) @ np.real(sqrtm(root @ T @ root)) @ np.linalg.inv(root)
    np.testing.assert_allclose(full, expected, rtol=0.05, atol=0.03)


def test_what_is_not_decoded_is_not_filled_with_noise(rng):
    true = rng.standard_normal((500, 6)).astype(np.float32)
    predicted = (true * [0.5, 0.5, 0, 0, 0, 0] + 1e-4 * rng.standard_normal((500, 6))).astype(np.float32)
    mapped = Calibration.fit(predicted, true).transform(predicted)
    np.testing.assert_allclose(mapped.std(0)[:2], 1, atol=0.1)
    assert mapped.std(0)[2:].max() < 1e-3


def test_a_calibration_survives_the_disk_and_other_files_are_refused(rng, tmp_path):
    predicted, true = rng.standard_normal((2, 40, 6)).astype(np.float32)
    calibration = Calibration.fit(predicted, true)
    calibration.save(tmp_path / "c.safetensors")
    again = Calibration.load(tmp_path / "c.safetensors")
    np.testing.assert_array_equal(again.transform(predicted), calibration.transform(predicted))
    write_arrays(tmp_path / "other.safetensors", {"a": predicted})
    with pytest.raises(InputError, match="not a calibration"):
        Calibration.load(tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="all true embeddings are equal"):
        Calibration.fit(predicted, np.ones_like(true))


def test_exemplars_are_half_the_prediction_and_half_what_it_calls_to_mind(rng):
    predicted, true = rng.standard_normal((2, 30, 6)).astype(np.float32)
    mapped = Exemplars.of(held_out_of(predicted, true), 0.1).transform(predicted)
    own, clips = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (predicted, true))
    recalled = softmax(own @ clips.T / 0.1, axis=1) @ clips
    both = own + recalled / np.linalg.norm(recalled, axis=1, keepdims=True)
    expected = both / np.linalg.norm(both, axis=1, keepdims=True) * np.linalg.norm(true, axis=1).mean()
    np.testing.assert_allclose(mapped, expected, rtol=1e-4, atol=1e-5)
    assert np.isfinite(Exemplars.of(held_out_of(predicted, true), 0.1).transform(np.zeros_like(predicted))).all()


def test_exemplars_lead_noisy_predictions_nearer_to_music_of_a_few_kinds(rng):
    kinds = rng.standard_normal((8, 40))
    true = kinds[rng.integers(8, size=300)] + 0.3 * rng.standard_normal((300, 40))
    true -= true.mean(0)
    predicted = 0.1 * (true + 2 * rng.standard_normal(true.shape))
    fitted, across = exemplars(held_out_of(predicted, true), 0)
    assert fitted.temperature in TEMPERATURES

    def nearness(rows):
        return similarity(rows.astype(np.float64), true).diagonal().mean()

    assert nearness(across.predicted) > nearness(predicted) + 0.1
    lengths = [np.linalg.norm(rows, axis=1).mean() for rows in (across.predicted, true)]
    assert lengths[0] == pytest.approx(lengths[1], rel=0.02)


def test_whitening_is_the_power_of_the_covariance_of_true_embeddings(rng):
    predicted, true = rng.standard_normal((2, 60, 9)).astype(np.float32)
    held_out = held_out_of(predicted, true)
    mapped = fit_whitening(held_out, [0.5])[0].transform(predicted)
    expected = predicted @ np.linalg.inv(np.real(sqrtm(LedoitWolf().fit(true.astype(float)).covariance_)))
    np.testing.assert_allclose(mapped, expected * predicted.std() / expected.std(), rtol=1e-3, atol=1e-3)


def test_whitening_brings_out_what_a_loud_direction_hides(rng):
    """A loud direction whose prediction is noise hides quiet ones that are decoded."""
    true = rng.standard_normal((80, 6)) * [10, 1, 1, 1, 1, 1]
    predicted = true + rng.standard_normal((80, 6)) * [30, 0.3, 0.3, 0.3, 0.3, 0.3]
    fresh_true = rng.standard_normal((80, 6)) * [10, 1, 1, 1, 1, 1]
    fresh = (fresh_true + rng.standard_normal((80, 6)) * [30, 0.3, 0.3, 0.3, 0.3, 0.3]).astype(np.float32)
    fitted, across = whitened(held_out_of(predicted, true), 0)
    assert fitted.power > 0
    before = identification(fresh, fresh_true.astype(np.float32))
    assert identification(fitted.transform(fresh), fresh_true.astype(np.float32)) > before + 0.03
    assert across.identification() > held_out_of(predicted, true).identification()


def test_info_nce_is_the_cross_entropy_written_out(rng):
    predicted, candidates = rng.standard_normal((2, 5, 3))
    candidates /= np.linalg.norm(candidates, axis=1, keepdims=True)
    logits = predicted / np.linalg.norm(predicted, axis=1, keepdims=True) @ candidates.T / 0.2
    expected = np.mean([np.log(np.exp(logits[i]).sum()) - logits[i, i] for i in range(5)])
    loss = info_nce(torch.from_numpy(predicted).float(), torch.from_numpy(candidates).float(), 0.2)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_the_contrastive_head_undoes_a_rotation(rng):
    """Predictions that are turned away from the truth: their correlation is lost, not their information."""
    turn = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    true = rng.standard_normal((140, 8))
    predicted = true @ turn + 0.3 * rng.standard_normal((140, 8))
    train = held_out_of(predicted[:100], true[:100])
    head, across = contrastive(train, 0)
    fresh, truth = predicted[100:].astype(np.float32), true[100:].astype(np.float32)
    assert identification(fresh, truth) < 0.75
    assert identification(head.transform(fresh), truth) > 0.95
    assert across.identification() > 0.95


def test_the_contrastive_head_leaves_windows_of_one_clip_on_one_side(rng):
    """Repeating every clip as two equal windows changes nothing."""
    predicted, true = rng.standard_normal((2, 40, 5))
    predicted += true
    once = held_out_of(predicted, true)
    twice = HeldOut(*(np.repeat(side, 2, axis=0) for side in (once.predicted, once.true, once.fold, once.clip)))
    heads = [contrastive(each, 0)[0] for each in (once, twice)]
    np.testing.assert_allclose(heads[0].weights, heads[1].weights, atol=1e-5)


def test_encoding_finds_the_voxels_that_hear_and_selection_keeps_them(rng):
    Y = rng.standard_normal((120, 5))
    hears = np.arange(400) < 40
    X = np.where(hears, Y @ rng.standard_normal((5, 400)), 0) + 3 * rng.standard_normal((120, 400))
    problem = problem_of(X[:80], Y[:80], X[80:])
    scores = encoding_scores(problem.views[0].train, np.arange(80))
    assert scores[hears].mean() > scores[~hears].mean() + 0.2
    plain = predict_with("ridge", problem).values
    error = [((values - Y[80:]) ** 2).mean() for values in (predict_with("selected", problem).values, plain)]
    assert error[0] < 0.9 * error[1]


def test_selection_of_all_voxels_is_ridge(rng):
    problem = problem_of(rng.standard_normal((30, 12)), rng.standard_normal((30, 3)), rng.standard_normal((4, 12)))
    plain = predict_with("ridge", problem)
    np.testing.assert_allclose(predict_with("selected", problem).values, plain.values, atol=1e-5)


def test_nonlinear_is_kernel_ridge_at_one_of_its_widths(rng):
    X, test_X = rng.standard_normal((50, 3)), rng.standard_normal((6, 3))
    Y = np.stack([X[:, 0] * X[:, 1], X[:, 2] ** 2], axis=1)
    found = predict_with("nonlinear", problem_of(X, Y, test_X, alphas=[1.0]))
    Z, test_Z = ((each - X.mean(0)) / X.std(0) for each in (X, test_X))
    squared = ((Z[:, None] - Z) ** 2).sum(-1)
    gaps = []
    for width in WIDTHS:
        gamma = 1 / (width * np.median(squared[np.triu_indices(50, 1)]))
        K, test_K = (np.exp(-gamma * ((each[:, None] - Z) ** 2).sum(-1)) for each in (Z, test_Z))
        centred = K - K.mean(0) - K.mean(1)[:, None] + K.mean()
        asked = test_K - K.mean(0) - test_K.mean(1)[:, None] + K.mean()
        kernel = KernelRidge(alpha=1 / 50, kernel="precomputed").fit(centred, Y - Y.mean(0))
        gaps.append(np.abs(kernel.predict(asked) + Y.mean(0) - found.values).max())
    assert min(gaps) < 1e-3


def test_nonlinear_decodes_what_no_line_can(rng):
    X = rng.standard_normal((200, 3))
    Y = np.stack([X[:, 0] * X[:, 1], X[:, 2] ** 2], axis=1)
    found = predict_with("nonlinear", problem_of(X[:150], Y[:150], X[150:]))
    assert np.corrcoef(found.values[:, 0], Y[150:, 0])[0, 1] > 0.8


def test_convex_weights_solve_the_non_negative_problem(rng):
    A = rng.standard_normal((200, 4))
    b = A @ [0.7, 0.0, 0.3, -0.5] + 0.01 * rng.standard_normal(200)
    weights = convex_weights(A.T @ A, A.T @ b)
    free = np.linalg.lstsq(A[:, [0, 1, 2]], b, rcond=None)[0]
    assert weights[3] == 0
    np.testing.assert_allclose(weights[:3], np.maximum(free, 0), atol=0.05)
    np.testing.assert_allclose(convex_weights(A.T @ A, -A.T @ np.abs(A).sum(1) * 0 - 1e3), 0.25)
