"""Alignment of subjects: planted shared responses under random rotations, and what must not matter."""

import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ortho_group
from sklearn.linear_model import Ridge

from brain2music._utils.errors import InputError
from brain2music.brain import Responses
from brain2music.brain.align import METHODS, _ridge_map, align, leading_axes, procrustes, srm
from brain2music.study import Clip

DIMS = 4


@pytest.fixture
def planted(rng: np.random.Generator) -> Callable[..., tuple[list[Responses], list[Responses]]]:
    """``planted(noise=, n_voxels=)``: subjects whose responses are one shared course through maps of their own."""

    def make(noise: float = 0.1, n_voxels: tuple[int, ...] = (30, 30, 24), n_clips: int = 24):
        latent = {
            split: rng.standard_normal((n, 5, DIMS)) * [2.0, 1.6, 1.3, 1.0]
            for split, n in zip(("train", "test"), (n_clips, 12), strict=True)
        }
        splits: dict[str, list[Responses]] = {"train": [], "test": []}
        for number, width in enumerate(n_voxels):
            rotation = ortho_group.rvs(width, random_state=number)[:DIMS]
            for split, course in latent.items():
                data = course @ rotation + noise * rng.standard_normal((*course.shape[:2], width)) + 3.0
                clips = tuple(Clip(f"{split}{i}", 0.0, 7.5) for i in range(len(course)))
                ones = np.ones(len(course), dtype=int)
                splits[split].append(
                    Responses(f"{number}", data.astype(np.float32), clips, np.arange(len(course)) // 4, 1.5, 0, ones)
                )
        return splits["train"], splits["test"]

    return make


def agreement(aligned: list[Responses]) -> float:
    """Correlation of subjects' courses, all components and pairs of subjects together."""
    flat = np.array([each.data.ravel() for each in aligned])
    return float(np.corrcoef(flat)[np.triu_indices(len(flat), 1)].min())


@pytest.mark.parametrize("method", METHODS)
def test_rotated_copies_of_one_response_agree_on_test_clips(planted, method) -> None:
    train, test = planted()
    alignment = align(train, method, DIMS)
    aligned = [alignment.transform(i, each) for i, each in enumerate(test)]
    assert agreement(aligned) > 0.98
    assert aligned[0].data.shape == (12, 5, DIMS)
    unaligned = [replace(each, data=each.data[..., :DIMS]) for each in test]
    assert agreement(unaligned) < 0.9


@pytest.mark.parametrize("method", METHODS)
def test_clips_are_matched_by_name(planted, method) -> None:
    train, test = planted()
    order = np.random.default_rng(3).permutation(len(train[1].clips))
    mixed = replace(train[1], data=train[1].data[order], clips=tuple(train[1].clips[i] for i in order))
    found, expected = align([train[0], mixed, train[2]], method, DIMS), align(train, method, DIMS)
    for i, each in enumerate(test):
        np.testing.assert_allclose(found.transform(i, each).data, expected.transform(i, each).data, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_a_subject_whose_clips_are_mislabelled_agrees_no_more(planted, method) -> None:
    train, test = planted(n_voxels=(30, 30))
    found = []
    for shift in range(1, len(train[1].clips), 2):  # no clip keeps its own response, as one would by chance
        alignment = align([train[0], replace(train[1], data=np.roll(train[1].data, shift, axis=0))], method, DIMS)
        found.append(agreement([alignment.transform(i, each) for i, each in enumerate(test)]))
    assert abs(np.mean(found)) < 0.2


@pytest.mark.parametrize("method", METHODS)
def test_repeats_give_the_same_maps(planted, method) -> None:
    train, _ = planted(0.5)
    first, second = align(train, method, 3), align(train, method, 3)
    for a, b in zip(first.maps, second.maps, strict=True):
        np.testing.assert_array_equal(a, b)


def test_shared_response_maps_are_orthonormal_and_no_step_worsens_the_fit(planted) -> None:
    series = [each.data.reshape(-1, each.n_voxels).astype(float) - 3.0 for each in planted(1.0)[0]]

    def error(n_steps: int) -> float:
        maps = srm(series, 3, n_steps)
        shared = np.mean([x @ w for x, w in zip(series, maps, strict=True)], axis=0)
        return sum(float(((x - shared @ w.T) ** 2).sum()) for x, w in zip(series, maps, strict=True))

    for each in srm(series, 3):
        np.testing.assert_allclose(each.T @ each, np.eye(3), atol=1e-10)
    errors = [error(n) for n in (1, 2, 4, 8)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > errors[-1]


def test_procrustes_recovers_a_rotation_exactly(rng) -> None:
    x = rng.standard_normal((60, 6)) * np.arange(1, 7)
    x -= x.mean(axis=0)
    rotation = ortho_group.rvs(6, random_state=0)
    first, second = procrustes([x, x @ rotation], 6)
    np.testing.assert_allclose(x @ rotation @ second, x @ first, atol=1e-9)


def test_principal_axes_are_those_of_the_svd_on_either_side(rng) -> None:
    for shape in ((20, 50), (50, 20)):
        x = rng.standard_normal(shape)
        expected = np.linalg.svd(x, full_matrices=False)[2][:5].T
        overlap = np.abs(expected.T @ leading_axes(x, 5))
        np.testing.assert_allclose(overlap, np.eye(5), atol=1e-8)


@pytest.mark.parametrize("n_voxels", [8, 90])
def test_ridge_map_is_that_of_refitting(rng, n_voxels) -> None:
    """Against scikit-learn refitted fold by fold, for every penalty."""
    x = rng.standard_normal((40, n_voxels))
    x -= x.mean(axis=0)
    y = x @ rng.standard_normal((n_voxels, 2)) + 3 * rng.standard_normal((40, 2))
    y -= y.mean(axis=0)
    folds = np.repeat(np.arange(5), 8)
    alphas = np.logspace(-4, 4, 17) * np.linalg.eigvalsh(x @ x.T).clip(0).mean()
    errors = [
        sum(
            ((Ridge(alpha).fit(x[folds != f], y[folds != f]).predict(x[folds == f]) - y[folds == f]) ** 2).sum()
            for f in range(5)
        )
        for alpha in alphas
    ]
    expected = Ridge(alphas[int(np.argmin(errors))], fit_intercept=False).fit(x, y).coef_.T
    np.testing.assert_allclose(_ridge_map(x, y, folds), expected, atol=1e-7)


def test_ridge_leaves_constant_voxels_out_and_says_nothing_of_them(planted) -> None:
    train, test = planted(n_voxels=(30, 30))
    dead = [replace(each[1], data=np.where(np.arange(30) < 3, np.float32(2), each[1].data)) for each in (train, test)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        alignment = align([train[0], dead[0]], "ridge", DIMS)
    np.testing.assert_array_equal(alignment.maps[1][:3], 0)
    aligned = [alignment.transform(0, test[0]), alignment.transform(1, dead[1])]
    assert agreement(aligned) > 0.95


def test_ridge_of_responses_that_are_all_constant_maps_them_to_zero(planted) -> None:
    train, _ = planted(n_voxels=(30, 30))
    dead = replace(train[1], data=np.full_like(train[1].data, 5))
    np.testing.assert_array_equal(align([train[0], dead], "ridge", DIMS).maps[1], 0)


@pytest.mark.parametrize("method", METHODS)
def test_the_number_and_unit_of_voxels_do_not_change_the_size_of_what_is_shared(planted, method) -> None:
    train, test = planted(n_voxels=(24, 24))
    louder = [replace(each[1], data=np.tile(5 * each[1].data, 3)) for each in (train, test)]
    alignment = align([train[0], louder[0]], method, DIMS)
    first, second = alignment.transform(0, test[0]).data, alignment.transform(1, louder[1]).data
    assert 0.9 < second.std() / first.std() < 1.1


def test_repeats_are_transformed_like_their_mean(planted) -> None:
    train, test = planted()
    pair = np.stack([test[0].data + 1, test[0].data - 1])
    found = align(train).transform(0, replace(test[0], repeats=pair))
    np.testing.assert_allclose(found.repeats.mean(axis=0), found.data, atol=1e-5)


def test_what_cannot_be_aligned_is_refused_in_words(planted) -> None:
    train, test = planted()
    with pytest.raises(InputError, match="1 subject cannot be aligned"):
        align(train[:1])
    with pytest.raises(InputError, match="no alignment 'isc'"):
        align(train, "isc")
    with pytest.raises(InputError, match="0 components"):
        align(train, "srm", 0)
    fewer = replace(
        train[1],
        data=train[1].data[1:],
        clips=train[1].clips[1:],
        runs=train[1].runs[1:],
        n_repeats=train[1].n_repeats[1:],
    )
    with pytest.raises(InputError, match="did not hear the same training clips: 1 were heard by one only, train0_0"):
        align([train[0], fewer])
    with pytest.raises(InputError, match="differ in lag_tr"):
        align([train[0], replace(train[1], lag_tr=3)])
    with pytest.raises(InputError, match="cannot be aligned by the map of sub-0 with 30"):
        align(train).transform(0, test[2])
