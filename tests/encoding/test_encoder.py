"""The encoder is scikit-learn's ridge, finds what is planted, and is at chance where nothing is."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.preprocessing import StandardScaler

from brain2music._utils.errors import InputError
from brain2music.encoding import EncoderSettings, encode, encode_kfold
from brain2music.encoding.alignment import match_scans
from brain2music.encoding.encoder import correlation, standardise_voxels

ALPHAS = (0.1, 10.0, 1000.0)


def test_predictions_and_penalties_are_those_of_scikit_learn(rng, planted):
    train, train_emb, test, test_emb = planted(30, 8, rng.standard_normal((4, 6)), 3.0)
    encoded = encode(train, train_emb, test, test_emb, fit=EncoderSettings(ALPHAS, 5, standardise=True))
    known, asked = match_scans(train, train_emb), match_scans(test, test_emb)
    scaler = StandardScaler().fit(known.X.astype(float))
    X, X_test = scaler.transform(known.X), scaler.transform(asked.X)
    for voxel in range(6):
        y = known.Y[:, voxel].astype(float)
        scores = []
        for alpha in ALPHAS:
            held_out = cross_val_predict(Ridge(alpha), X, y, groups=known.groups, cv=GroupKFold(5))
            folds = [rows for _, rows in GroupKFold(5).split(X, y, known.groups)]
            scores.append(
                np.mean([1 - ((y - held_out)[f] ** 2).sum() / ((y[f] - y[f].mean()) ** 2).sum() for f in folds])
            )
        best = ALPHAS[int(np.argmax(scores))]
        assert encoded.best_alphas[0, voxel] == best
        np.testing.assert_allclose(encoded.cv_scores[0, voxel], max(scores), atol=1e-4)
        expected = Ridge(best).fit(X, y).predict(X_test)
        np.testing.assert_allclose(encoded.predicted[..., voxel].ravel() + y.mean(), expected, atol=1e-3)
        truth = asked.Y[:, voxel]
        np.testing.assert_allclose(encoded.r[voxel], np.corrcoef(expected, truth)[0, 1], atol=1e-4)


def test_planted_voxels_are_predicted_and_others_are_not(rng, planted):
    weights = rng.standard_normal((4, 60))
    weights[:, 30:] = 0
    encoded = encode(*planted(60, 30, weights, 2.0))
    assert encoded.r[:30].mean() > 0.7
    assert abs(encoded.r[30:].mean()) < 0.1
    assert encoded.r[:30].min() > encoded.r[30:].max() - 0.3


def test_folds_predict_planted_voxels_and_nothing_elsewhere(rng, planted):
    weights = rng.standard_normal((4, 200))
    weights[:, 20:] = 0
    train, train_emb, _, _ = planted(60, 4, weights, 2.0)
    encoded = encode_kfold(train, train_emb, n_folds=10)
    assert encoded.measured.shape == (60, 4, 200)
    assert encoded.r[:20].mean() > 0.6
    assert -0.12 < encoded.r[20:].mean() < 0.03


def test_folds_hold_their_clips_out(rng, planted):
    train, train_emb, _, _ = planted(12, 4, rng.standard_normal((3, 2)), 1.0)
    spoilt = train.data.copy()
    spoilt[5] += 100
    before, after = (
        encode_kfold(each, train_emb, n_folds=12, fit=EncoderSettings((1.0,), 2))
        for each in (train, type(train)(**{**vars(train), "data": spoilt}))
    )
    np.testing.assert_array_equal(before.predicted[5], after.predicted[5])
    assert not np.allclose(before.predicted[4], after.predicted[4])


def test_delays_find_a_response_that_comes_late(rng, make_responses, make_embeddings):
    sides = []
    for prefix, n in (("train", 60), ("test", 20)):
        latent = rng.standard_normal((n, 8, 3))
        late = np.roll(latent, 2, axis=1)
        late[:, :2] = 0
        responses = make_responses(late + 0.5 * rng.standard_normal((n, 8, 3)), prefix)
        sides += [responses, make_embeddings(latent, responses.clips, window_s=1.5)]
    assert encode(*sides, delays=(0, 1, 2)).r.min() > 0.7
    assert np.abs(encode(*sides).r).max() < 0.3


def test_correlations_are_numpys_and_zero_where_nothing_varies(rng):
    a, b = rng.standard_normal((2, 5, 3, 4)).astype(np.float32) + 100
    a[..., 2] = 7.0
    r = correlation(a, b)
    for voxel in (0, 1, 3):
        np.testing.assert_allclose(r[voxel], np.corrcoef(a[..., voxel].ravel(), b[..., voxel].ravel())[0, 1], atol=1e-5)
    assert r[2] == 0
    assert not standardise_voxels(a)[..., 2].any()


def test_sides_that_cannot_meet_are_told(rng, planted):
    train, train_emb, test, test_emb = planted(10, 4, rng.standard_normal((3, 2)), 1.0)
    with pytest.raises(InputError, match="differ in lag_tr"):
        encode(train, train_emb, type(test)(**{**vars(test), "lag_tr": 3}), test_emb)
    with pytest.raises(InputError, match="10 training clips cannot make 11 folds"):
        encode(train, train_emb, test, test_emb, fit=EncoderSettings(n_folds=11))
    with pytest.raises(InputError, match="4 clips or groups of clips cannot make 5 folds"):
        encode_kfold(test, test_emb, n_folds=5)
