"""Decoding: planted truth, scikit-learn, and what must not leak."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music.brain.responses import VoxelSpace
from brain2music.decoding.decoder import decode, decode_kfold, group_k_fold
from brain2music.decoding.ensemble import correlations, decode_ensemble
from brain2music.decoding.shuffled import decode_kfold_shuffled, decode_shuffled
from brain2music.embeddings.alignment import match_windows


def identification(decoded) -> float:
    """Two-way identification, written out (Brain2Music Eqs. 2-3)."""
    predicted, true = (side.mean(1) - decoded.train_mean for side in (decoded.predicted, decoded.true))
    similarity = np.corrcoef(predicted, true)[: len(true), len(true) :]
    n = len(similarity)
    return float(np.mean([(similarity[i, i] > np.delete(similarity[i], i)).sum() / (n - 1) for i in range(n)]))


def test_planted_embeddings_come_back_in_their_own_units(planted):
    decoded = decode(*planted(noise=0.01))
    assert decoded.predicted.shape == decoded.true.shape == (20, 5, 4)
    assert np.abs(decoded.predicted - decoded.true).max() < 0.05
    assert [clip.track for clip in decoded.clips[:2]] == ["test0", "test1"]
    assert decoded.space.name == "toy"


@pytest.mark.filterwarnings("ignore::brain2music._utils.errors.Brain2MusicWarning")
def test_equals_scikit_learn_at_the_chosen_penalties(planted):
    train, train_embeddings, test, test_embeddings = planted(noise=5.0)
    decoded = decode(train, train_embeddings, test, test_embeddings, alphas=[1e3, 1.0, 1e6])
    fitted, asked = match_windows(train, train_embeddings), match_windows(test, test_embeddings)
    for dim in range(4):
        ridge = Ridge(alpha=decoded.best_alphas[0, dim]).fit(fitted.X.astype(float), fitted.Y[:, dim])
        expected = ridge.predict(asked.X).reshape(20, 5)
        np.testing.assert_allclose(decoded.predicted[..., dim], expected, atol=2e-4)
    assert decoded.alphas.tolist() == [1.0, 1e3, 1e6]


def test_penalties_are_those_of_grouped_cross_validation(planted):
    train, train_embeddings, test, test_embeddings = planted(noise=5.0)
    grid = [1.0, 1e2, 1e4]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Brain2MusicWarning)
        decoded = decode(train, train_embeddings, test, test_embeddings, alphas=grid)
    pairs = match_windows(train, train_embeddings)
    scores = np.zeros((len(grid), 4))
    for fit, held in GroupKFold(5).split(pairs.X, groups=pairs.groups):
        for a, alpha in enumerate(grid):
            predicted = Ridge(alpha=alpha).fit(pairs.X[fit].astype(float), pairs.Y[fit]).predict(pairs.X[held])
            residual, total = ((pairs.Y[held] - predicted) ** 2).sum(0), pairs.Y[held].var(0) * held.size
            scores[a] += (1 - residual / total) / 5
    np.testing.assert_array_equal(decoded.best_alphas[0], np.array(grid)[scores.argmax(0)])
    np.testing.assert_allclose(decoded.cv_scores[0], scores.max(0), atol=1e-3)


def test_penalties_on_the_edge_are_warned_of(planted):
    with pytest.warns(Brain2MusicWarning, match=r"4 are best predicted by the smallest and 0 by the largest"):
        decoded = decode(*planted(noise=0.01), alphas=[10.0, 1e3, 1e5])
    assert decoded.on_edge.all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not decode(*planted(noise=1.0), alphas=np.logspace(-6, 12, 19).tolist()).on_edge.any()


def test_test_data_do_not_enter_the_fit(planted):
    train, train_embeddings, test, test_embeddings = planted()
    whole = decode(train, train_embeddings, test, test_embeddings, standardise=True)
    spoiled = test.data.copy()
    spoiled[1:] = 1e3
    alone = decode(train, train_embeddings, replace(test, data=spoiled), test_embeddings, standardise=True)
    np.testing.assert_allclose(alone.predicted[0], whole.predicted[0], rtol=1e-6)


def test_standardised_decoding_does_not_depend_on_the_voxels_scale(planted, rng):
    train, train_embeddings, test, test_embeddings = planted()
    scale = rng.uniform(0.1, 1000, train.n_voxels).astype(np.float32)
    scaled = replace(train, data=train.data * scale), replace(test, data=test.data * scale)
    expected = decode(train, train_embeddings, test, test_embeddings, standardise=True)
    decoded = decode(scaled[0], train_embeddings, scaled[1], test_embeddings, standardise=True)
    np.testing.assert_allclose(decoded.predicted, expected.predicted, atol=1e-3)


def test_folds_can_keep_runs_together(planted):
    train, train_embeddings, test, test_embeddings = planted(noise=5.0)
    by_run = decode(train, train_embeddings, test, test_embeddings, groups="run")
    by_clip = decode(train, train_embeddings, test, test_embeddings, groups="clip")
    assert (by_run.cv_scores != by_clip.cv_scores).all()
    with pytest.raises(InputError, match="20 training runs of 40 clips cannot make 21 folds"):
        decode(train, train_embeddings, test, test_embeddings, groups="run", n_folds=21)


@pytest.mark.parametrize(("field", "value"), [("tr", 2.0), ("lag_tr", 3)])
def test_sides_that_were_made_differently_are_refused(planted, field, value):
    train, train_embeddings, test, test_embeddings = planted()
    with pytest.raises(InputError, match=f"differ in {field}"):
        decode(train, train_embeddings, replace(test, **{field: value}), test_embeddings)


def test_other_voxels_and_other_spaces_are_refused(planted):
    train, train_embeddings, test, test_embeddings = planted()
    with pytest.raises(InputError, match="30 voxels, test responses 29"):
        decode(train, train_embeddings, replace(test, data=test.data[..., 1:]), test_embeddings)
    other = replace(test_embeddings, space=replace(test_embeddings.space, sha256="other"))
    with pytest.raises(InputError, match="differ in sha256"):
        decode(train, train_embeddings, test, other)


def test_kfold_recovers_planted_embeddings_and_repeats_bit_for_bit(planted):
    responses, embeddings, *_ = planted()
    decoded = decode_kfold(responses, embeddings, n_folds=8, seed=3)
    assert decoded.predicted.shape == (40, 5, 4)
    assert decoded.best_alphas.shape == (8, 4)
    assert identification(decoded) > 0.99
    again = decode_kfold(responses, embeddings, n_folds=8, seed=3)
    np.testing.assert_array_equal(again.predicted, decoded.predicted)


def test_kfold_never_sees_the_clip_it_predicts(planted):
    """A clip's own embedding, however absurd, must not change its prediction."""
    responses, embeddings, *_ = planted(n_clips=20)
    honest = decode_kfold(responses, embeddings, n_folds=20)
    data = embeddings.data.copy()
    data[7] = 1e4
    poisoned = decode_kfold(responses, replace(embeddings, data=data), n_folds=20)
    np.testing.assert_array_equal(poisoned.predicted[7], honest.predicted[7])
    assert (poisoned.predicted[8] != honest.predicted[8]).any()


def test_folds_hold_out_every_clip_once_and_keep_labels_together():
    artists = [f"artist{i // 3}" for i in range(31)]
    folds = list(group_k_fold(31, 5, seed=1, groups=artists))
    assert sorted(np.concatenate(folds)) == list(range(31))
    fold_of = {clip: k for k, fold in enumerate(folds) for clip in fold}
    assert all(len({fold_of[i] for i in range(31) if artists[i] == label}) == 1 for label in artists)
    assert max(map(len, folds)) - min(map(len, folds)) <= 3
    with pytest.raises(InputError, match="11 clips or groups of clips cannot make 12 folds"):
        list(group_k_fold(31, 12, seed=1, groups=artists))


@pytest.mark.filterwarnings("ignore::brain2music._utils.errors.Brain2MusicWarning")
def test_shuffled_decoding_is_at_chance_and_keeps_the_truth(planted):
    sides = planted(n_clips=60)
    shuffles = decode_shuffled(*sides, n_shuffles=20, seed=1)
    assert len(shuffles) == 20
    np.testing.assert_array_equal(shuffles[3].true, decode(*sides).true)
    assert abs(np.mean([identification(each) for each in shuffles]) - 0.5) < 0.05
    assert (shuffles[0].predicted != shuffles[1].predicted).any()


@pytest.mark.filterwarnings("ignore::brain2music._utils.errors.Brain2MusicWarning")
def test_shuffled_kfold_equals_decoding_permuted_embeddings(planted):
    responses, embeddings, *_ = planted(n_clips=30)
    shuffles = decode_kfold_shuffled(responses, embeddings, n_shuffles=10, n_folds=5, seed=2)
    first = shuffles[0]
    permuted = replace(embeddings, data=first.true)
    expected = decode_kfold(responses, permuted, n_folds=5, seed=2)
    np.testing.assert_allclose(first.predicted, expected.predicted, atol=1e-3)
    assert sorted(first.true[:, 0, 0]) == sorted(embeddings.data[:, 0, 0])
    assert abs(np.mean([identification(each) for each in shuffles]) - 0.5) < 0.05


def test_train_mean_is_that_of_the_fit(planted):
    train, train_embeddings, test, test_embeddings = planted(n_clips=20)
    decoded = decode(train, train_embeddings, test, test_embeddings)
    np.testing.assert_allclose(decoded.train_mean[3], train_embeddings.data.mean((0, 1)), rtol=1e-5)
    folded = decode_kfold(train, train_embeddings, n_folds=20)
    others = np.delete(train_embeddings.data, 7, axis=0)
    np.testing.assert_allclose(folded.train_mean[7], others.mean((0, 1)), rtol=1e-5)


@pytest.fixture
def regional(rng, make_responses, make_embeddings):
    """Eight regions of six voxels; only those named "signal" follow the embedding. One is too small."""
    names = [f"{'signal' if r < 3 else 'noise'}{r}" for r in range(8) for _ in range(6)]
    roi = (*names, "tiny", "")
    sides = []
    weights = rng.standard_normal((4, len(roi))) * np.array([name.startswith("signal") for name in roi])
    for prefix, n in (("train", 40), ("test", 20)):
        latent = rng.standard_normal((n, 6, 4))
        noisy = latent @ weights + rng.standard_normal((n, 6, len(roi)))
        responses = make_responses(noisy, prefix, roi)
        sides += [responses, make_embeddings((latent[:, :-1] + latent[:, 1:]) / 2, responses.clips)]
    return sides


@pytest.mark.filterwarnings("ignore::brain2music._utils.errors.Brain2MusicWarning")
def test_ensemble_finds_the_regions_with_signal_and_averages_them(regional):
    ensemble = decode_ensemble(*regional, n_best=3, min_voxels=5)
    assert {region.name for region in ensemble.chosen} == {"signal0", "signal1", "signal2"}
    assert len(ensemble.ranked) == 8
    assert [region.cv_score for region in ensemble.ranked] == sorted(
        (region.cv_score for region in ensemble.ranked), reverse=True
    )
    alone = [decode_ensemble(*_only(regional, region.name), n_best=1, min_voxels=5) for region in ensemble.chosen]
    expected = np.mean([each.decoded.predicted for each in alone], axis=0)
    np.testing.assert_allclose(ensemble.decoded.predicted, expected, atol=1e-4)
    assert identification(ensemble.decoded) > 0.9


@pytest.mark.filterwarnings("ignore::brain2music._utils.errors.Brain2MusicWarning")
def test_ensemble_chooses_without_the_test_set(regional, rng):
    train, train_embeddings, test, test_embeddings = regional
    other = replace(test_embeddings, data=rng.standard_normal(test_embeddings.data.shape).astype(np.float32))
    ranked = decode_ensemble(train, train_embeddings, test, test_embeddings, min_voxels=5).ranked
    assert decode_ensemble(train, train_embeddings, test, other, min_voxels=5).ranked == ranked


def test_ensemble_needs_named_regions_that_are_large_enough(planted, regional):
    with pytest.raises(InputError, match="no region names"):
        decode_ensemble(*planted())
    with pytest.raises(InputError, match="no region has 7 voxels"):
        decode_ensemble(*regional, min_voxels=7)
    with pytest.warns(Brain2MusicWarning, match="of 8 regions, not 9"):
        decode_ensemble(*regional, n_best=9, min_voxels=5)


def test_correlations_equal_numpys(rng):
    a, b = rng.standard_normal((2, 20, 3)).astype(np.float32)
    b[:, 2] = 1.0
    expected = [np.corrcoef(a[:, i], b[:, i])[0, 1] for i in range(2)] + [0.0]
    np.testing.assert_allclose(correlations(a, b), expected, atol=1e-5)


def _only(sides, name):
    """The same sides with the voxels of one region."""
    result = list(sides)
    for i in (0, 2):
        roi = sides[i].space.roi
        keep = np.array([label == name for label in roi])
        space = VoxelSpace(keep.reshape(1, 1, -1), np.eye(4), tuple(np.array(roi)[keep].tolist()))
        result[i] = replace(sides[i], data=np.ascontiguousarray(sides[i].data[..., keep]), space=space)
    return result
