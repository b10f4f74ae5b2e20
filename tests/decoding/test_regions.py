"""The ensemble of regions: which it finds, that it averages them, and that it chooses inside the training set."""

from dataclasses import replace

import numpy as np
import pytest

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music.brain.responses import VoxelSpace
from brain2music.decoding import regions
from brain2music.decoding.decoded import undivided
from brain2music.decoding.fits import RidgeSettings
from brain2music.decoding.problem import Problem, View
from brain2music.decoding.regions import average, rank_regions
from brain2music.embeddings.alignment import match_windows

from .fitting import decode, two_way


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Regions of five voxels are large enough, and three are averaged."""
    monkeypatch.setattr(regions, "MIN_VOXELS", 5)
    monkeypatch.setattr(regions, "N_BEST", 3)


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


def ranked_of(train, embeddings):
    """The regions of one subject's training pairs, best first."""
    pairs = match_windows(train, embeddings)
    views = (View.of(pairs.X, train.space.roi),)
    return rank_regions(Problem(views, pairs.groups, undivided(train), RidgeSettings()), [pairs.Y])[0]


@pytest.mark.filterwarnings("ignore::brain2music._utils.errors.Brain2MusicWarning")
def test_ensemble_finds_the_regions_with_signal_and_averages_them(regional, monkeypatch):
    train, train_embeddings, test, test_embeddings = regional
    ranked = ranked_of(train, train_embeddings)
    best = {region.name for region in ranked[:3]}
    assert best == {"signal0", "signal1", "signal2"}
    assert len(ranked) == 8
    assert [region.cv_score for region in ranked] == sorted((region.cv_score for region in ranked), reverse=True)
    ensemble = decode(*regional, "roi-ensemble")
    asked = match_windows(test, test_embeddings)
    np.testing.assert_allclose(average(ranked).predict(asked.X).reshape(20, 5, 4), ensemble.predicted, atol=1e-6)
    alone = [decode(*_only(regional, name)) for name in sorted(best)]
    np.testing.assert_allclose(ensemble.predicted, np.mean([each.predicted for each in alone], axis=0), atol=1e-4)
    assert ensemble.best_alphas.shape == (3, 4)
    assert two_way(ensemble) > 0.9
    monkeypatch.setattr(regions, "N_BEST", 1)
    single = decode(*_only(regional, ranked[0].name))
    np.testing.assert_allclose(decode(*regional, "roi-ensemble").predicted, single.predicted, atol=1e-4)


@pytest.mark.filterwarnings("ignore::brain2music._utils.errors.Brain2MusicWarning")
def test_ensemble_chooses_without_the_test_set(regional, rng):
    train, train_embeddings, test, test_embeddings = regional
    other = replace(test_embeddings, data=rng.standard_normal(test_embeddings.data.shape).astype(np.float32))
    noise = replace(test, data=test.data.copy())
    noise.data[1:] = 1e3 * rng.standard_normal(noise.data[1:].shape)
    ours = decode(*regional, "roi-ensemble")
    theirs = decode(train, train_embeddings, noise, other, "roi-ensemble")
    np.testing.assert_allclose(theirs.predicted[0], ours.predicted[0], rtol=1e-6)
    np.testing.assert_array_equal(theirs.best_alphas, ours.best_alphas)
    np.testing.assert_array_equal(theirs.cv_scores, ours.cv_scores)


def test_ensemble_needs_named_regions_that_are_large_enough(planted, regional, monkeypatch):
    with pytest.raises(InputError, match="no region names"):
        decode(*planted(), "roi-ensemble")
    monkeypatch.setattr(regions, "N_BEST", 9)
    with pytest.warns(Brain2MusicWarning, match="of 8 regions, not 9"):
        decode(*regional, "roi-ensemble")
    monkeypatch.setattr(regions, "MIN_VOXELS", 7)
    with pytest.raises(InputError, match="no region has 7 voxels"):
        decode(*regional, "roi-ensemble")


@pytest.mark.filterwarnings("ignore::brain2music._utils.errors.Brain2MusicWarning")
def test_every_set_of_targets_has_regions_of_its_own(regional, rng):
    """Targets that only one region of noise follows are ranked by themselves, beside the true ones."""
    train, train_embeddings, *_ = regional
    pairs = match_windows(train, train_embeddings)
    other = pairs.X[:, np.array(train.space.roi) == "noise6"][:, :4]
    problem = Problem((View.of(pairs.X, train.space.roi),), pairs.groups, undivided(train), RidgeSettings())
    ours, theirs = rank_regions(problem, [pairs.Y, other])
    assert ours[0].name.startswith("signal")
    assert theirs[0].name == "noise6"
    alone = ranked_of(train, train_embeddings)
    assert [region.name for region in ours] == [region.name for region in alone]
    np.testing.assert_allclose([r.cv_score for r in ours], [r.cv_score for r in alone], atol=1e-5)


def _only(sides, name):
    """The same sides with the voxels of one region."""
    result = list(sides)
    for i in (0, 2):
        roi = sides[i].space.roi
        keep = np.array([label == name for label in roi])
        space = VoxelSpace(keep.reshape(1, 1, -1), np.eye(4), tuple(np.array(roi)[keep].tolist()))
        result[i] = replace(sides[i], data=np.ascontiguousarray(sides[i].data[..., keep]), space=space)
    return result
