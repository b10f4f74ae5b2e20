"""Groups of clips are whole in every fold and every permutation, and folds are those that the clips allow."""

import numpy as np
import pytest

from brain2music._utils.errors import InputError, LeakageError
from brain2music.metrics.leakage import check_split
from brain2music.ridge import assign_folds
from brain2music.study import Clip, group_clips, group_k_fold
from brain2music.study.folds import draw_permutations, inner_groups, most_folds, plan_folds, require_undivided


def excerpts(*counts: int) -> tuple[Clip, ...]:
    """Clips of recordings with the given numbers of excerpts."""
    return tuple(Clip(f"track{i}", 10.0 * j, 10.0 * j + 8) for i, n in enumerate(counts) for j in range(n))


def test_recordings_are_groups_and_labels_join_them():
    clips = excerpts(2, 1, 1, 2, 1)
    assert group_clips(clips).tolist() == [0, 0, 1, 2, 3, 3, 4]
    artist = ["a", "", "b", "a", None, "", ""]
    assert group_clips(clips, artist).tolist() == [0, 0, 1, 0, 2, 2, 3]
    song = ["", "", "s", "", "", "s", ""]
    assert group_clips(clips, artist, song).tolist() == [0, 0, 1, 0, 1, 1, 2]
    assert group_clips(clips, range(7), song).tolist() == group_clips(clips, song).tolist()


def test_a_song_in_two_formats_is_one_recording():
    clips = [Clip(name, 0.0, 8.0) for name in ("a/1.wav", "a/1.FLAC", "a/1", "b/1.wav", "a/1.5", "a/1.5.mp3")]
    assert group_clips(clips).tolist() == [0, 0, 0, 1, 2, 2]
    (leak,) = check_split(clips[:1], [clips[1], clips[3]])
    assert (leak.kind, leak.clip, leak.severity) == ("overlap", clips[1], "error")


def test_a_fold_that_divides_a_recording_is_refused():
    groups = group_clips(excerpts(2, 2, 2))
    require_undivided(group_k_fold(6, 3, 0, groups), groups)
    with pytest.raises(LeakageError, match="divides 1 recordings"):
        require_undivided([np.array([0, 2, 3]), np.array([1, 4, 5])], groups)


def test_ten_clips_are_planned_in_the_folds_that_they_allow():
    plan = plan_folds(group_clips(excerpts(*[1] * 10)), 10, 5)
    assert [fold.tolist() for fold in sorted(plan.held_out, key=min)] == [[i] for i in range(10)]
    assert plan.inner == 4
    (line,) = plan.remarks
    assert "10 clips" in line
    assert "4 folds, not 5" in line
    assert plan_folds(group_clips(excerpts(*[1] * 20)), 10, 5).remarks == ()


def test_recordings_fewer_than_folds_make_fewer_folds():
    groups = group_clips(excerpts(5, 4, 4, 3))
    plan = plan_folds(groups, 10, 5)
    assert len(plan.held_out) == 4
    assert plan.inner == 3
    assert all(len(np.unique(groups[fold])) == 1 for fold in plan.held_out)
    assert "16 clips of 4 recordings are scored in 4 folds, not 10" in plan.remarks[0]


@pytest.mark.parametrize("counts", [(12,), (6, 6), (1, 1, 1), (1,)])
def test_clips_that_make_no_folds_are_refused_by_the_setting(counts):
    with pytest.raises(InputError, match="folds"):
        plan_folds(group_clips(excerpts(*counts)), 10, 5)


def test_with_test_clips_apart_only_the_inner_folds_are_planned():
    plan = plan_folds(group_clips(excerpts(*[1] * 9)), None, 5)
    assert plan.held_out == ()
    assert plan.inner == 4


@pytest.mark.parametrize("counts", [(1,) * 11, (3, 2, 2, 1, 1), (7, 1, 1, 1), (2, 2, 2)])
def test_the_most_folds_are_those_that_the_fits_deal(counts):
    groups = group_clips(excerpts(*counts))
    allowed = [
        n for n in range(2, min(5, len(counts)) + 1) if np.bincount(assign_folds(len(groups), groups, n)).min() >= 2
    ]
    assert most_folds(groups, 5) == max(allowed, default=0)


def test_folds_of_a_single_row_are_refused_before_the_fit():
    units, clips = np.arange(9), np.arange(9)
    with pytest.raises(InputError, match=r"9 training clips of one window cannot make 5 folds.*n_inner_folds"):
        inner_groups(units, clips, 5)
    assert inner_groups(units, np.repeat(clips, 2), 5).tolist() == np.repeat(units, 2).tolist()
    with pytest.raises(InputError, match="4 training clips of 9 clips cannot make 5 folds"):
        inner_groups(np.array([0, 0, 0, 1, 1, 2, 2, 3, 3]), np.repeat(clips, 2), 5)


def test_recordings_are_permuted_whole(rng):
    groups = group_clips(excerpts(*[1] * 6, *[2] * 6))
    orders = draw_permutations(groups, 50, rng, deranged=True)
    assert (np.sort(orders, axis=1) == np.arange(18)).all()
    assert (groups[orders] != groups).all()
    pairs = orders[:, 6:].reshape(50, 6, 2)
    assert (pairs[..., 1] - pairs[..., 0] == 1).all()
    assert (groups[pairs[..., 0]] == groups[pairs[..., 1]]).all()


def test_permutations_are_drawn_evenly(rng):
    orders = draw_permutations(np.arange(6), 6000, rng)
    counts = np.stack([(orders == i).sum(axis=0) for i in range(6)])
    assert np.abs(counts / 6000 - 1 / 6).max() < 0.03
    moved = draw_permutations(np.arange(6), 6000, rng, deranged=True)
    counts = np.stack([(moved == i).sum(axis=0) for i in range(6)])
    np.testing.assert_allclose(counts / 6000, (1 - np.eye(6)) / 5, atol=0.03)


def test_recordings_stay_within_runs_that_are_long_enough(rng):
    runs = np.arange(20) // 10
    assert (runs[draw_permutations(np.arange(20), 30, rng, runs)] == runs).all()
    short = np.arange(20) // 2
    assert (short[draw_permutations(np.arange(20), 30, rng, short)] != short).any()


def test_recordings_of_several_runs_are_exchanged_with_their_like(rng):
    runs = np.repeat([0, 1, 2], 6)  # six recordings, an excerpt of each in every run
    orders = draw_permutations(np.tile(np.arange(6), 3), 30, rng, runs, deranged=True)
    assert (runs[orders] == runs).all()
    assert (orders[:, :6] % 6 == orders[:, 6:12] % 6).all()


def test_recordings_of_all_lengths_are_exchanged(rng):
    groups = group_clips(excerpts(2, 3, 4, 5, 6, 7))
    orders = draw_permutations(groups, 40, rng, deranged=True)
    for i in range(6):
        sources = groups[orders[:, groups == i]]
        assert (sources == sources[:, :1]).all()
        assert (sources != i).all()
