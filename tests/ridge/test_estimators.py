import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from brain2music.ridge import BandedRidgeCV, RidgeCV, ridge_cv

pytestmark = pytest.mark.filterwarnings("ignore:the best alpha")


@parametrize_with_checks([RidgeCV(n_folds=2), BandedRidgeCV(n_folds=2, n_draws=2)])
def test_scikit_learn_conventions(estimator, check) -> None:
    check(estimator)


@pytest.mark.parametrize("estimator", [RidgeCV(), BandedRidgeCV(bands=[10, 20], n_draws=5)])
def test_saved_and_loaded_predicts_the_same(estimator, rng, tmp_path) -> None:
    X, Y = rng.standard_normal((60, 30)), rng.standard_normal((60, 3))
    fitted = estimator.fit(X, Y, groups=np.repeat(np.arange(12), 5))
    fitted.save(tmp_path / "map.safetensors")
    loaded = type(estimator).load(tmp_path / "map.safetensors")
    np.testing.assert_array_equal(loaded.predict(X), fitted.predict(X))
    np.testing.assert_array_equal(loaded.cv_scores_, fitted.cv_scores_)
    assert loaded.get_params() == fitted.get_params()
    assert [path.name for path in tmp_path.iterdir()] == ["map.safetensors"]


def test_another_class_is_refused(rng, tmp_path) -> None:
    RidgeCV().fit(rng.standard_normal((20, 3)), rng.standard_normal((20, 2))).save(tmp_path / "map")
    with pytest.raises(ValueError, match="holds a RidgeCV"):
        BandedRidgeCV.load(tmp_path / "map")


def test_decoder_is_ridge_cv(rng) -> None:
    X, Y = rng.standard_normal((60, 30)), rng.standard_normal((60, 3))
    decoder, fit = RidgeCV(scoring="correlation").fit(X, Y), ridge_cv(X, Y, score="correlation", dtype="float64")
    np.testing.assert_allclose(decoder.predict(X), fit.predict(X), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(decoder.best_alphas_, fit.best_alphas)
