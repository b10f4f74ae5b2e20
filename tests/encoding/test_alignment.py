"""Features meet responses in the same windows as decoding's, whatever the embedding's own windows are."""

import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music.embeddings import match_windows
from brain2music.encoding import Windows, common_windows
from brain2music.encoding.alignment import average_in, features_in, match_scans


def test_windows_are_those_of_decoding_with_the_roles_swapped(rng, make_responses, make_embeddings):
    responses = make_responses(rng.standard_normal((4, 10, 6)))
    embeddings = make_embeddings(rng.standard_normal((4, 4, 3)), responses.clips, window_s=10.0)
    decoding, encoding = match_windows(responses, embeddings), match_scans(responses, embeddings)
    np.testing.assert_array_equal(encoding.Y, decoding.X)
    np.testing.assert_allclose(encoding.X, decoding.Y, rtol=1e-6)
    np.testing.assert_array_equal(encoding.groups, decoding.groups)


def test_clips_are_matched_by_name(rng, make_responses, make_embeddings):
    responses = make_responses(rng.standard_normal((4, 10, 6)))
    embeddings = make_embeddings(np.arange(4.0)[:, None, None] * np.ones((1, 4, 2)), responses.clips[::-1], "x", 10.0)
    X = match_scans(responses, embeddings).X
    np.testing.assert_allclose(X[:, 0], np.repeat([3, 2, 1, 0], 4))


def test_one_vector_a_clip_is_repeated_at_the_rate_of_the_music(rng, make_responses, make_embeddings):
    responses = make_responses(rng.standard_normal((3, 10, 2)))
    genre = make_embeddings(np.eye(3)[:, None], responses.clips, "genre", 15.0)
    music = make_embeddings(rng.standard_normal((3, 4, 5)), responses.clips, "music", 10.0)
    windows = common_windows(responses, [genre, music])
    assert windows == Windows(length=7, step=1, count=4)
    np.testing.assert_array_equal(match_scans(responses, genre, windows=windows).X, np.repeat(np.eye(3), 4, axis=0))
    assert common_windows(responses, [genre]) == Windows(length=10, step=1, count=1)


def test_shorter_windows_are_averaged_inside_the_scans_window(rng, make_responses, make_embeddings):
    responses = make_responses(rng.standard_normal((2, 10, 2)))
    short = make_embeddings(rng.standard_normal((2, 7, 3)), responses.clips, "speech", 5.0)
    windows = Windows(length=7, step=1, count=4)
    X = features_in(short, responses.clips, windows, responses.tr).reshape(2, 4, 3)
    for j in range(4):  # 10.5 s of scans hold the 5-s windows that start 0, 1.5, 3 and 4.5 s after their first
        np.testing.assert_allclose(X[:, j], short.data[:, j : j + 4].mean(axis=1), rtol=1e-5)


def test_one_scan_a_clip_meets_the_mean_over_its_windows(rng, make_responses, make_embeddings):
    responses = make_responses(rng.standard_normal((5, 1, 4)))
    embeddings = make_embeddings(rng.standard_normal((5, 3, 2)), responses.clips, window_s=0.5, step_s=0.5)
    pairs = match_scans(responses, embeddings)
    np.testing.assert_array_equal(pairs.Y, responses.data[:, 0])
    np.testing.assert_allclose(pairs.X, embeddings.mean, rtol=1e-5)


def test_delays_stay_inside_the_clip(rng, make_responses, make_embeddings):
    responses = make_responses(rng.standard_normal((3, 5, 2)))
    embeddings = make_embeddings(rng.standard_normal((3, 5, 2)), responses.clips, window_s=1.5)
    X = match_scans(responses, embeddings, delays=(0, 2)).X.reshape(3, 5, 2, 2)
    np.testing.assert_array_equal(X[:, :, 0], embeddings.data)
    np.testing.assert_array_equal(X[:, 2:, 1], embeddings.data[:, :3])
    assert not X[:, :2, 1].any()


def test_averages_are_those_of_the_scans(rng):
    data = rng.standard_normal((2, 9, 3)).astype(np.float32)
    averaged = average_in(data, Windows(length=3, step=2, count=4))
    np.testing.assert_allclose(averaged[:, 3], data[:, 6:9].mean(axis=1), rtol=1e-6)


def test_missing_clips_and_long_windows_are_told(rng, make_responses, make_embeddings):
    responses = make_responses(rng.standard_normal((3, 4, 2)))
    other = make_embeddings(rng.standard_normal((2, 3, 2)), responses.clips[:2])
    with pytest.raises(InputError, match="1 of 3 clips have no toy embedding"):
        match_scans(responses, other)
    long = make_embeddings(rng.standard_normal((3, 3, 2)), responses.clips, window_s=10.0)
    with pytest.raises(InputError, match="covers 7 scans, but clips have 4"):
        match_scans(responses, long)
