"""
Decoders in scikit-learn's pipelines and searches
=================================================

``RidgeCV`` and ``BandedRidgeCV`` are estimators on plain matrices, ``Decoder`` and ``Encoder`` on responses and
embeddings. All of them have parameters that can be set, are cloned, and go where scikit-learn's estimators go. The
brain is simulated.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import brain2music as b2m
from brain2music.ridge import BandedRidgeCV, RidgeCV

plt.style.use("brain2music.figures")

study = b2m.simulate_study(design="small")
bold = study.responses("001", lag_tr=3)
music = study.embed("mulan-small")

# %%
# A pipeline on matrices: one row per clip, the mean response of every voxel, scaled, reduced to principal components,
# and mapped to the embedding with a penalty per dimension. What is searched is the number of components; what decides
# is identification, written as a scorer.


def identification(estimator, X: np.ndarray, Y: np.ndarray) -> float:
    """Share of the other held-out clips that the right one beats; predictions and truth are centred on their mean."""
    predicted = np.asarray(estimator.predict(X))
    similarity = b2m.metrics.similarity(predicted - predicted.mean(axis=0), Y - Y.mean(axis=0))
    return b2m.metrics.identification_accuracy(similarity)


X, X_test = bold.train.data.mean(axis=1), bold.test.data.mean(axis=1)
Y, Y_test = (music.of([clip.name for clip in side.clips]).mean for side in (bold.train, bold.test))

warnings.filterwarnings("ignore", "the best alpha")  # dimensions that nothing predicts take the largest penalty
pipeline = make_pipeline(StandardScaler(), PCA(random_state=0), RidgeCV())
components = [2, 5, 10, 20, 30, 40]
search = GridSearchCV(pipeline, {"pca__n_components": components}, scoring=identification, cv=5).fit(X, Y)
chosen = search.best_params_["pca__n_components"]
print(f"{chosen} components; test clips: identification {identification(search, X_test, Y_test):.3f}")

# %%
# The same with a decoder of this package, whose name is a parameter like any other. ``Decoder`` takes arrays with an
# axis of time, too: it averages the scans in each window itself.


def decoder_score(decoder: b2m.Decoder, responses: np.ndarray, true: np.ndarray) -> float:
    """Identification of the clips that a fold holds out."""
    return b2m.metrics.identification(decoder.predict(responses), true, n_permutations=10).value


names = ["ridge", "whitened", "selected", "selected+whitened", "selected+contrastive"]
clips = [clip.name for clip in bold.train.clips]
decoders = GridSearchCV(b2m.Decoder(), {"name": names}, scoring=decoder_score, cv=5)
decoders.fit(bold.train.data, music.of(clips).data)
best = clone(decoders.best_estimator_).fit(bold.train, music)
test_score = b2m.metrics.identification(best.predict(bold.test), music)
print(f"{best.name}; test clips: identification {test_score.value:.3f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 4.0), width_ratios=(1, 1.1))
values, spread = (search.cv_results_[f"{what}_test_score"] for what in ("mean", "std"))
left.errorbar(components, values, spread / np.sqrt(5), fmt="o-", capsize=0, label="held-out clips, 5 folds")
left.plot(chosen, identification(search, X_test, Y_test), "*", color="C1", markersize=13, label="test clips")
left.set_xscale("log")
left.set_xticks(components, components)
left.minorticks_off()
left.set(xlabel="principal components of the responses", ylabel="two-way identification", ylim=(0.4, 1.04))
left.set_title("Pipeline of scaler, PCA and RidgeCV")
values, spread = (decoders.cv_results_[f"{what}_test_score"] for what in ("mean", "std"))
right.errorbar(values, range(len(names)), xerr=spread / np.sqrt(5), fmt="o", label="held-out clips, 5 folds")
right.plot(test_score.value, names.index(best.name), "*", color="C1", markersize=13, label="test clips")
right.set_yticks(range(len(names)), names)
right.invert_yaxis()
right.set(xlabel="two-way identification", xlim=(0.4, 1.04))
right.set_title("Decoder(name)")
for axes, line in ((left, "axhline"), (right, "axvline")):
    getattr(axes, line)(0.5, color="#1b1f24", linestyle=(0, (4, 3)), linewidth=1, label="chance")
    getattr(axes, line)(1, color="#7d8590", linewidth=1, label="ceiling")
left.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.2), fontsize=8, ncols=2)
figure.suptitle("Searches by scikit-learn, simulated brain; bars: standard error over folds")
plt.show()

# %%
# ``BandedRidgeCV`` predicts voxels from several feature spaces side by side, each with its own penalty. How much each
# adds to the covariance of predicted with measured responses tells what a region follows: here the spectrum of each
# scan's sound against the genre of the clip. The simulation tuned Heschl's gyrus to spectra and modulations, the
# inferior frontal gyrus to genre, mood and instruments. Genre has a share in Heschl's gyrus too, as clips of a genre
# have similar spectra.

spectra = study.embed("logmel", window_s=1.5)  # a window for each scan
genres = np.array(sorted({clip.genre for clip in study.clips}))
voxels = np.array([bool(roi) for roi in bold.train.space.roi])
rows = {}
for split, side in (("train", bold.train), ("test", bold.test)):
    spectrum = spectra.of([clip.name for clip in side.clips]).data
    genre = np.array([clip.genre for clip in side.clips])[:, None] == genres
    features = np.concatenate([spectrum, np.repeat(genre[:, None], side.n_scans, axis=1)], axis=2)
    rows[split] = features.reshape(-1, features.shape[2]), side.data[..., voxels].reshape(-1, voxels.sum())
(X, Y), (X_test, Y_test) = rows["train"], rows["test"]
groups = np.repeat(np.arange(len(bold.train)), bold.train.n_scans)  # scans of a clip stay in one fold

scaler = StandardScaler().fit(X)
banded = BandedRidgeCV(bands=[spectra.space.dims, len(genres)], n_candidates=20, alphas=np.logspace(0, 6, 13))
predicted = banded.fit(scaler.transform(X), Y, groups=groups).predict(scaler.transform(X_test))
r = np.array([np.corrcoef(*pair)[0, 1] for pair in zip(predicted.T, Y_test.T, strict=True)])

regions = np.array([roi.removesuffix(" L").removesuffix(" R") for roi in np.array(bold.train.space.roi)[voxels]])
order = ["Heschl's gyrus", "Planum temporale", "Superior temporal gyrus", "Middle temporal gyrus"]
order += ["Inferior frontal gyrus", "Precentral gyrus", "Occipital pole"]
reached = np.array([r[regions == name].mean() for name in order])
bands = slice(0, spectra.space.dims), slice(spectra.space.dims, None)
parts = [scaler.transform(X_test)[:, band] @ banded.coef_[:, band].T * (Y_test - Y_test.mean(axis=0)) for band in bands]
shares = np.array([[part[:, regions == name].sum() for part in parts] for name in order[:5]])
shares /= shares.sum(axis=1, keepdims=True)

figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 3.4), sharey=True)
at = np.arange(len(order))
left.barh(at[:5], shares[:, 0], color="C1", height=0.65, label="spectrum")
left.barh(at[:5], shares[:, 1], left=shares[:, 0], color="C0", height=0.65, label="genre")
left.axvline(0.5, color="#1b1f24", linestyle=(0, (4, 3)), linewidth=1)
left.set_yticks(at, order)
left.invert_yaxis()
left.set(xlabel="share of the prediction", xlim=(0, 1))
left.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2)
right.barh(at, reached, color="C2", height=0.65)
right.axvline(0, color="#1b1f24", linestyle=(0, (4, 3)), linewidth=1, label="chance")
right.set(xlabel="mean r over voxels and scans, test clips")
right.legend(loc="lower right")
figure.suptitle("Banded ridge: which features a region follows, simulated brain")
plt.show()
