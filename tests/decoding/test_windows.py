"""Window matching: the paper's table, and plain indexing."""

import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music.embeddings.alignment import match_windows

PAPER = [(1.5, 10, 1, 10), (5.0, 7, 4, 7), (10.0, 4, 7, 4), (15.0, 1, 10, 1)]


@pytest.mark.parametrize(("window_s", "given", "k", "expected"), PAPER)
def test_table_1_of_the_paper(rng, make_responses, make_embeddings, window_s, given, k, expected):
    responses = make_responses(rng.standard_normal((3, 10, 5)))
    embeddings = make_embeddings(rng.standard_normal((3, given, 2)), responses.clips, window_s)
    pairs = match_windows(responses, embeddings)
    assert pairs.n_windows == expected
    clip, last = 1, expected - 1
    row = clip * expected + last
    np.testing.assert_allclose(pairs.X[row], responses.data[clip, last : last + k].mean(0), rtol=1e-5)
    np.testing.assert_array_equal(pairs.Y[row], embeddings.data[clip, last])
    assert (pairs.groups[row], pairs.window[row]) == (clip, last)
    assert last + k == 10


def test_windows_without_scans_are_left_out(rng, make_responses, make_embeddings):
    responses = make_responses(rng.standard_normal((2, 6, 3)))
    embeddings = make_embeddings(rng.standard_normal((2, 9, 2)), responses.clips)
    pairs = match_windows(responses, embeddings)
    assert pairs.n_windows == 5
    np.testing.assert_array_equal(pairs.Y.reshape(2, 5, 2), embeddings.data[:, :5])


def test_scans_per_window_can_be_the_papers_five(rng, make_responses, make_embeddings):
    responses = make_responses(rng.standard_normal((2, 10, 3)))
    embeddings = make_embeddings(rng.standard_normal((2, 4, 2)), responses.clips, 10.0)
    pairs = match_windows(responses, embeddings, scans_per_window=5)
    np.testing.assert_allclose(pairs.X[3], responses.data[0, 3:8].mean(0), rtol=1e-5)


def test_steps_of_several_scans(rng, make_responses, make_embeddings):
    responses = make_responses(rng.standard_normal((2, 10, 3)))
    embeddings = make_embeddings(rng.standard_normal((2, 4, 2)), responses.clips, 3.0, 4.5)
    pairs = match_windows(responses, embeddings)
    assert pairs.n_windows == 3
    np.testing.assert_allclose(pairs.X[2], responses.data[0, 6:8].mean(0), rtol=1e-5)


def test_rounding_of_step_and_window_is_tolerated(rng, make_responses, make_embeddings):
    responses = make_responses(rng.standard_normal((2, 10, 3)))
    exact = make_embeddings(rng.standard_normal((2, 8, 2)), responses.clips, 3.0, 1.5)
    rounded = make_embeddings(exact.data, responses.clips, 3.008, 1.504)
    np.testing.assert_array_equal(match_windows(responses, rounded).X, match_windows(responses, exact).X)


def test_steps_off_the_scans_are_refused(rng, make_responses, make_embeddings):
    responses = make_responses(rng.standard_normal((2, 10, 3)))
    embeddings = make_embeddings(rng.standard_normal((2, 8, 2)), responses.clips, 3.0, 2.0)
    with pytest.raises(InputError, match=r"a vector every 2 s, no multiple of the TR of 1\.5 s"):
        match_windows(responses, embeddings)


def test_windows_longer_than_the_clip_are_refused(rng, make_responses, make_embeddings):
    responses = make_responses(rng.standard_normal((2, 4, 3)))
    embeddings = make_embeddings(rng.standard_normal((2, 3, 2)), responses.clips, 9.0)
    with pytest.raises(InputError, match="covers 6 scans, but clips have 4"):
        match_windows(responses, embeddings)


def test_responses_without_time_meet_the_mean_over_windows(rng, make_responses, make_embeddings):
    responses = make_responses(rng.standard_normal((3, 1, 6)))
    embeddings = make_embeddings(rng.standard_normal((3, 5, 2)), responses.clips)
    pairs = match_windows(responses, embeddings)
    np.testing.assert_array_equal(pairs.X, responses.data[:, 0])
    np.testing.assert_allclose(pairs.Y, embeddings.data.mean(1), rtol=1e-6)


def test_clips_are_matched_by_name(rng, make_responses, make_embeddings):
    responses = make_responses(rng.standard_normal((4, 6, 3)))
    embeddings = make_embeddings(rng.standard_normal((4, 5, 2)), responses.clips[::-1])
    pairs = match_windows(responses, embeddings)
    np.testing.assert_array_equal(pairs.Y.reshape(4, 5, 2), embeddings.data[::-1])
    with pytest.raises(InputError, match="1 of 4 clips have no toy embedding: a3_0-9"):
        match_windows(responses, make_embeddings(embeddings.data[1:], responses.clips[:3]))
