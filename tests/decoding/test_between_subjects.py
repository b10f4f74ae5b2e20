"""Decoding across subjects: what alignment brings, and what must not reach the decoder of the subject left out."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ortho_group

from brain2music._utils.errors import InputError, LeakageError
from brain2music.brain.align import METHODS
from brain2music.brain.responses import Responses
from brain2music.decoding import Decoder, between_subjects, predict_between_subjects
from brain2music.decoding.between_subjects import decode_between_subjects
from brain2music.decoding.decoded import Decoded
from brain2music.decoding.fits import RidgeSettings
from brain2music.decoding.problem import inner_identification
from brain2music.embeddings.embeddings import Embeddings

DIMS = 6
Study = tuple[list[Responses], list[Responses], Embeddings]


@pytest.fixture
def study(rng: np.random.Generator, make_responses, make_embeddings) -> Callable[..., Study]:
    """``study(noise=)``: three subjects, each with voxels of its own for one and the same embedding."""

    def make(noise: float = 0.5, n_train: int = 40, n_test: int = 20) -> Study:
        latent = rng.standard_normal((n_train + n_test, 3, DIMS))
        windows = (latent[:, :-1] + latent[:, 1:]) / 2 + 10.0
        train, test = [], []
        for subject in range(3):
            rotation = 2 * ortho_group.rvs(24, random_state=subject)[:DIMS]
            data = latent @ rotation + noise * rng.standard_normal((n_train + n_test, 3, 24))
            train.append(replace(make_responses(data[:n_train], "train"), subject=str(subject)))
            test.append(replace(make_responses(data[n_train:], "test"), subject=str(subject)))
        return train, test, make_embeddings(windows, train[0].clips + test[0].clips)

    return make


def score(decoded: Decoded) -> float:
    about = [side.mean(axis=1) - decoded.train_mean for side in (decoded.predicted, decoded.true)]
    return inner_identification(*about)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("include_own", [False, True])
def test_others_decode_a_subject_through_the_alignment(study, method, include_own) -> None:
    train, test, embeddings = study()
    found = decode_between_subjects(train, test, embeddings, method, include_own=include_own, n_components=DIMS)
    assert [each.clips for each in found] == [each.clips for each in test]
    assert min(score(each) for each in found) > 0.9


def test_without_alignment_voxels_of_others_say_nothing(study, monkeypatch) -> None:
    """What the test above would score if every subject kept its own axes."""
    train, test, embeddings = study()
    monkeypatch.setattr(between_subjects, "align", _first_voxels)
    assert np.mean([score(each) for each in decode_between_subjects(train, test, embeddings)]) < 0.75


@pytest.mark.parametrize("method", METHODS)
def test_a_subject_aligned_on_shuffled_clips_is_at_chance(study, method) -> None:
    train, test, embeddings = study()
    scores = []
    for shift in range(3, 40, 4):  # no clip keeps its own response, as one would by chance
        mixed = [*train[:2], replace(train[2], data=np.roll(train[2].data, shift, axis=0))]
        scores.append(score(decode_between_subjects(mixed, test, embeddings, method, n_components=DIMS)[2]))
    assert abs(np.mean(scores) - 0.5) < 0.15


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("include_own", [False, True])
def test_test_responses_enter_no_fit(study, method, include_own) -> None:
    """Everybody's test responses are poisoned but for one clip: its prediction and the penalties stay the same."""
    train, test, embeddings = study()
    poisoned = []
    for each in test:
        data = each.data.copy()
        data[1:] = 1e3 * np.random.default_rng(1).standard_normal(data[1:].shape)
        poisoned.append(replace(each, data=data))
    clean, dirty = (
        decode_between_subjects(train, side, embeddings, method, include_own=include_own) for side in (test, poisoned)
    )
    for a, b in zip(clean, dirty, strict=True):
        np.testing.assert_array_equal(a.predicted[0], b.predicted[0])
        np.testing.assert_array_equal(a.best_alphas, b.best_alphas)
        assert not np.array_equal(a.predicted[1:], b.predicted[1:])


def test_own_pairs_teach_the_pool_but_not_the_decoder_of_the_one_left_out(study, monkeypatch) -> None:
    """With maps that are fixed, other training responses of a subject change the pool and nothing else of its own."""
    train, test, embeddings = study()
    monkeypatch.setattr(between_subjects, "align", _first_voxels)
    other = [replace(train[0], data=train[0].data[::-1].copy()), *train[1:]]
    for include_own in (False, True):
        before, after = (
            decode_between_subjects(side, test, embeddings, include_own=include_own)[0].predicted
            for side in (train, other)
        )
        assert np.array_equal(before, after) is not include_own


def test_folds_do_not_divide_a_clip_between_subjects(study, monkeypatch) -> None:
    train, test, embeddings = study()
    problems = []
    fit = between_subjects.fit_decoder

    def noted(name, problem, targets):
        problems.append((problem, targets))
        return fit(name, problem, targets)

    monkeypatch.setattr(between_subjects, "fit_decoder", noted)
    decode_between_subjects(train, test, embeddings)
    problem, (Y,) = problems[0]
    folds, clips = problem.folds, problem.clip
    assert len(folds) == 2 * 40 * 2
    assert all(len(np.unique(folds[clips == clip])) == 1 for clip in range(40))
    np.testing.assert_array_equal(Y[: len(folds) // 2], Y[len(folds) // 2 :])


def test_post_processing_stands_on_it_too(study) -> None:
    train, test, embeddings = study()
    found = decode_between_subjects(train, test, embeddings, decoder="contrastive", n_components=DIMS)
    assert min(score(each) for each in found) > 0.9


def test_predictions_at_the_front_door_are_those_of_the_decoder_named(study) -> None:
    train, test, embeddings = study()
    test = [replace(each, simulated=True) for each in test]
    decoder = Decoder("contrastive", alphas=[1.0, 100.0], n_folds=4, random_state=3)
    found = predict_between_subjects(decoder, train, test, embeddings, alignment="procrustes", n_components=DIMS)
    settings = RidgeSettings([1.0, 100.0], 4)
    names = {"decoder": "contrastive", "settings": settings, "n_components": DIMS, "seed": 3}
    expected = decode_between_subjects(train, test, embeddings, "procrustes", **names)
    for each, plain in zip(found, expected, strict=True):
        np.testing.assert_array_equal(each.data, plain.predicted)
        np.testing.assert_array_equal(each.train_mean, plain.train_mean)
    assert [each.subject for each in found] == ["0", "1", "2"]
    assert all(each.simulated and not each.in_folds for each in found)
    assert found[0].names == tuple(clip.name for clip in test[0].clips)
    with pytest.raises(InputError):
        predict_between_subjects(decoder, [], [], embeddings)


def test_what_cannot_be_decoded_is_refused_in_words(study) -> None:
    train, test, embeddings = study()
    with pytest.raises(InputError, match="training responses are of sub-0, sub-1, sub-2, test responses of sub-0"):
        decode_between_subjects(train, test[:1], embeddings)
    poisoned = replace(test[1], clips=(train[0].clips[0], *test[1].clips[1:]))
    with pytest.raises(LeakageError, match="1 test clips of sub-1 are training clips: train0_0"):
        decode_between_subjects(train, [test[0], poisoned, test[2]], embeddings)
    with pytest.raises(InputError, match="no decoder 'magic'"):
        decode_between_subjects(train, test, embeddings, decoder="magic")


class _FirstVoxels:
    def transform(self, i: int, responses: Responses) -> Responses:
        return replace(responses, data=responses.data[..., :DIMS].copy(), space=None)


def _first_voxels(train: list[Responses], method: str, n_components: int) -> _FirstVoxels:
    return _FirstVoxels()


def test_one_fit_serves_all_where_a_subjects_own_pairs_are_included(study, monkeypatch) -> None:
    train, test, embeddings = study()
    fit, fitted = between_subjects.fit_decoder, []
    monkeypatch.setattr(between_subjects, "fit_decoder", lambda *given: fitted.append(given) or fit(*given))
    for include_own, n_fits in ((True, 1), (False, 3)):
        fitted.clear()
        decode_between_subjects(train, test, embeddings, include_own=include_own)
        assert len(fitted) == n_fits
