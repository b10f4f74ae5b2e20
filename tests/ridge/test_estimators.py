"""The estimators are scikit-learn's in their conventions, and the functions of the package in their results."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, KFold, LeaveOneGroupOut, PredefinedSplit, ShuffleSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from brain2music._utils.errors import InputError
from brain2music.ridge import BandedRidgeCV, RidgeCV, banded_ridge_cv, ridge_cv

pytestmark = pytest.mark.filterwarnings("ignore:the best alpha")


@parametrize_with_checks([RidgeCV(cv=2), RidgeCV(), BandedRidgeCV(cv=2, n_candidates=2)])
def test_scikit_learn_conventions(estimator, check) -> None:
    check(estimator)


@pytest.fixture
def data(rng) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X, Y and group labels."""
    X = rng.standard_normal((60, 30))
    return X, X[:, :3] + rng.standard_normal((60, 3)), np.repeat(np.arange(12), 5)


@pytest.mark.parametrize("scoring", ["r2", "correlation", "neg_mean_squared_error"])
def test_ridge_is_ridge_cv(scoring, data) -> None:
    X, Y, groups = data
    settings = {"scoring": scoring, "fit_intercept": False}
    model = RidgeCV(cv=4, alpha_per_target=False, solver="dual", **settings).fit(X, Y, groups)
    fit = ridge_cv(X, Y, groups=groups, n_folds=4, per_target=False, solver="dual", dtype="float64", **settings)
    np.testing.assert_array_equal(model.coef_, fit.coef.T)
    np.testing.assert_array_equal(model.intercept_, fit.intercept)
    np.testing.assert_array_equal(model.best_alphas_, fit.best_alphas)
    np.testing.assert_array_equal(model.cv_scores_, fit.cv_scores)
    np.testing.assert_allclose(model.predict(X), fit.predict(X), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", ["random", "gradient"])
def test_banded_ridge_is_banded_ridge_cv(method, data) -> None:
    X, Y, groups = data
    settings = {"n_candidates": 4, "method": method, "n_steps": 5, "random_state": 3}
    model = BandedRidgeCV(bands=[10, 20], cv=3, **settings).fit(X, Y, groups)
    fit = banded_ridge_cv([X[:, :10], X[:, 10:]], Y, groups=groups, n_folds=3, dtype="float64", **settings)
    np.testing.assert_array_equal(model.coef_, np.concatenate(fit.coefs).T)
    np.testing.assert_array_equal(model.band_weights_, fit.band_weights)
    np.testing.assert_array_equal(model.cv_scores_, fit.cv_scores)
    np.testing.assert_allclose(model.predict(X), fit.predict([X[:, :10], X[:, 10:]]))


@pytest.mark.filterwarnings("ignore:The groups parameter is ignored")
@pytest.mark.parametrize("estimator", [RidgeCV(), BandedRidgeCV(bands=[10, 20], n_candidates=3)])
@pytest.mark.parametrize("cv", [KFold(4, shuffle=True, random_state=0), LeaveOneGroupOut(), GroupKFold(3), "splits"])
def test_splitters_of_scikit_learn(cv, estimator, data) -> None:
    X, Y, groups = data
    if cv == "splits":
        cv = list(KFold(4, shuffle=True, random_state=0).split(X))
        splits = cv
    else:
        splits = list(cv.split(X, Y, groups))
    folds = np.empty(60, dtype=int)
    for fold, (_, test) in enumerate(splits):
        folds[test] = fold
    model = clone(estimator).set_params(cv=cv).fit(X, Y, groups=groups)
    expected = clone(estimator).set_params(cv=PredefinedSplit(folds)).fit(X, Y)
    np.testing.assert_array_equal(model.cv_scores_, expected.cv_scores_)
    np.testing.assert_array_equal(model.coef_, expected.coef_)


@pytest.mark.parametrize(
    ("cv", "message"),
    [
        (ShuffleSplit(3, random_state=0), "must hold out every row once and train on all others"),
        (PredefinedSplit([0] * 20 + [1] * 20 + [-1] * 20), "must hold out every row once: 20 are in no test set"),
        ([(np.arange(30), np.arange(30, 60)), (np.arange(40, 60), np.arange(30))], "train on all others"),
        ([], "must hold out every row once"),
        (1, "n_folds=1: cross-validation needs at least 2 folds"),
    ],
)
def test_splitters_that_are_no_folds_are_refused(cv, message, data) -> None:
    with pytest.raises(ValueError, match=message):
        RidgeCV(cv=cv).fit(*data[:2])


@pytest.mark.parametrize("bands", [[10, 19], [10, 21], [30, 0], [31, -1]])
def test_bands_that_are_not_the_features_are_refused(bands, data) -> None:
    with pytest.raises(ValueError, match="give sizes that sum to the 30 features of X"):
        BandedRidgeCV(bands=bands).fit(*data[:2])


@pytest.mark.parametrize("estimator", [RidgeCV, BandedRidgeCV])
def test_names_are_refused_when_fitted(estimator, data) -> None:
    with pytest.raises(ValueError, match="solver='svd' is unknown"):
        estimator(solver="svd").fit(*data[:2])
    unknown = {"scoring": "mse"} if estimator is RidgeCV else {"method": "grid"}
    with pytest.raises(ValueError, match="is unknown: give one of"):
        estimator(**unknown).fit(*data[:2])


def test_works_among_the_tools_of_scikit_learn(data) -> None:
    X, Y, groups = data
    model = make_pipeline(StandardScaler(), RidgeCV(alphas=[1.0, 10.0, 100.0]))
    scores = cross_val_score(model, X, Y, cv=GroupKFold(4), groups=groups)
    by_hand = []
    for train, test in GroupKFold(4).split(X, Y, groups):
        scaler = StandardScaler().fit(X[train])
        fitted = RidgeCV(alphas=[1.0, 10.0, 100.0]).fit(scaler.transform(X[train]), Y[train])
        by_hand.append(fitted.score(scaler.transform(X[test]), Y[test]))
    np.testing.assert_allclose(scores, by_hand)


@pytest.mark.parametrize("seed", [7, None, np.random.RandomState(7), np.random.default_rng(7)])
def test_random_states(seed, data) -> None:
    X, Y, _ = data
    model = BandedRidgeCV(bands=[10, 20], n_candidates=4, random_state=seed).fit(X, Y)
    np.testing.assert_allclose(model.band_weights_.sum(0), 1)
    if seed == 7:
        again = clone(model).fit(X, Y)
        np.testing.assert_array_equal(again.band_weights_, model.band_weights_)


@pytest.mark.parametrize("n_axes", [1, 2])
@pytest.mark.parametrize(
    "estimator",
    [
        RidgeCV(),
        RidgeCV(alphas=np.array([1.0, 10.0]), cv=3, scoring="correlation", alpha_per_target=False),
        RidgeCV(solver="primal_per_fold", fit_intercept=False),
        BandedRidgeCV(bands=[10, 20], n_candidates=3),
        BandedRidgeCV(bands=(10, 15, 5), method="gradient", n_candidates=2, n_steps=3),
    ],
)
def test_saved_and_loaded_is_the_same(estimator, n_axes, data, tmp_path) -> None:
    X, Y, groups = data
    fitted = clone(estimator).fit(X, Y if n_axes == 2 else Y[:, 0], groups=groups)
    fitted.save(tmp_path / "map.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["map.safetensors"]
    loaded = type(estimator).load(tmp_path / "map.safetensors")
    np.testing.assert_array_equal(loaded.predict(X), fitted.predict(X))
    fitted_names = {name for name in vars(fitted) if name.endswith("_")}
    assert {name for name in vars(loaded) if name.endswith("_")} == fitted_names
    for name in fitted_names:
        assert np.shape(getattr(loaded, name)) == np.shape(getattr(fitted, name))
        np.testing.assert_array_equal(getattr(loaded, name), getattr(fitted, name))
    for name, value in fitted.get_params().items():
        np.testing.assert_array_equal(loaded.get_params()[name], value)
    np.testing.assert_array_equal(loaded.fit(X, Y, groups=groups).coef_, fitted.fit(X, Y, groups=groups).coef_)


def test_what_cannot_be_saved_is_refused(data, tmp_path) -> None:
    model = RidgeCV(cv=KFold(3)).fit(*data[:2])
    with pytest.raises(InputError, match=r"cv=KFold\(.*\) cannot be saved") as refusal:
        model.save(tmp_path / "map.safetensors")
    assert "\n" not in str(refusal.value)
    assert not list(tmp_path.iterdir())
    model.set_params(cv=3).save(tmp_path / "map.safetensors")
    np.testing.assert_array_equal(RidgeCV.load(tmp_path / "map.safetensors").coef_, model.coef_)


def test_files_that_are_no_such_map_are_refused(data, tmp_path) -> None:
    path = tmp_path / "map.safetensors"
    with pytest.raises(InputError, match="the file is missing"):
        RidgeCV.load(path)
    path.write_bytes(b"not safetensors")
    with pytest.raises(InputError, match="not a readable safetensors file"):
        RidgeCV.load(path)
    RidgeCV().fit(*data[:2]).save(path)
    with pytest.raises(InputError, match="this holds a RidgeCV, not a BandedRidgeCV"):
        BandedRidgeCV.load(path)


def test_saving_replaces_the_file_as_a_whole(data, tmp_path: Path) -> None:
    X, Y, _ = data
    path = tmp_path / "map.safetensors"
    RidgeCV().fit(X, Y).save(path)
    second = RidgeCV().fit(X[:, :10], Y)
    second.save(path)
    assert RidgeCV.load(path).n_features_in_ == 10
    np.testing.assert_array_equal(RidgeCV.load(path).coef_, second.coef_)
