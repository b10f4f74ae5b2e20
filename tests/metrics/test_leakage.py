"""Poisoned splits are caught, and what the official split really shares is told."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brain2music._utils.errors import InputError, LeakageError
from brain2music.metrics.leakage import (
    check_folds,
    check_split,
    gallery_leaks,
    read_gtzan_index,
    require_no_leak,
    require_no_leak_in_folds,
    shared_labels,
)
from brain2music.study.bids import read_study
from brain2music.study.folds import group_clips, group_k_fold, plan_folds
from brain2music.study.study import Clip, Presentation, Run

TRAIN = (Clip("a", 0.0, 15.0), Clip("b", 5.0, 20.0), Clip("c", 0.0, 15.0))
TEST = (Clip("d", 0.0, 15.0), Clip("e", 0.0, 15.0))
INDEX = pd.DataFrame(
    [
        ("a", "Ella Fitzgerald", "Summertime"),
        ("b", "Ella Fitzgerald", "Misty"),
        ("c", "", "Blue Moon"),
        ("d", "ELLA  FITZGERALD", "Summertime!"),
        ("e", "", "Blue Moon"),
    ],
    columns=["track", "artist", "title"],
)


def kinds(leaks: list) -> list[tuple[str, str, str]]:
    return [(leak.kind, leak.clip.track, leak.severity) for leak in leaks]


def test_a_clean_split_is_clean() -> None:
    assert check_split(TRAIN, TEST) == []
    assert require_no_leak(TRAIN, TEST) == []


def test_the_gate_covers_folds_as_they_are_dealt() -> None:
    clips = (*TRAIN, *TEST, Clip("b", 15.0, 30.0), Clip("b", 40.0, 50.0))
    torn = [np.array([0, 1]), np.array([2, 3, 4]), np.array([5, 6])]
    assert {(leak.kind, leak.clip.name) for leak in check_folds(clips, torn)} == {
        ("overlap", "b_5-20"),
        ("track", "b_5-20"),
        ("overlap", "b_15-30"),
        ("track", "b_40-50"),
    }
    with pytest.raises(LeakageError, match=r"overlap.*b_5-20"):
        require_no_leak_in_folds(clips, torn)
    assert all(leak.severity == "warning" for leak in check_folds(clips, torn, allow=["overlap", "track"]))
    whole = list(group_k_fold(len(clips), 3, 0, group_clips(clips)))
    assert require_no_leak_in_folds(clips, whole) == []


def test_songs_and_artists_are_held_together_where_an_index_knows_them() -> None:
    clips = (*TRAIN, *TEST)
    assert shared_labels(clips, None, "artist") == []
    by = {each: group_clips(clips, *shared_labels(clips, INDEX, each)).tolist() for each in ("recording", "song")}
    assert by == {"recording": [0, 1, 2, 3, 4], "song": [0, 1, 2, 0, 3]}
    artists = group_clips(clips, *shared_labels(clips, INDEX, "artist"))
    assert artists.tolist() == [0, 0, 1, 0, 2]
    dealt = list(group_k_fold(5, 3, 0, artists))
    assert check_folds(clips, dealt, INDEX) == []
    apart = [np.array([i]) for i in range(5)]
    assert {leak.kind for leak in require_no_leak_in_folds(clips, apart, INDEX)} == {"song", "artist"}


def test_an_index_knows_tracks_by_their_files() -> None:
    clips = [Clip("genres/a.wav", 0.0, 5.0), Clip("d.mp3", 0.0, 5.0)]
    assert group_clips(clips, *shared_labels(clips, INDEX, "song")).tolist() == [0, 0]
    assert {leak.kind for leak in check_split(clips[:1], clips[1:], INDEX)} == {"song", "artist"}


@pytest.mark.parametrize(
    ("poison", "kind"),
    [
        (Clip("b", 5.0, 20.0), "clip"),
        (Clip("b", 19.9, 30.0), "overlap"),
        (Clip("b", 0.0, 5.1), "overlap"),
        (Clip("b", 20.0, 30.0), "track"),
    ],
)
def test_a_poisoned_split_is_caught(poison: Clip, kind: str) -> None:
    assert kinds(check_split(TRAIN, (*TEST, poison))) == [(kind, "b", "error")]
    with pytest.raises(LeakageError, match=rf"{kind}.*b_5-20"):
        require_no_leak(TRAIN, (*TEST, poison))


def test_allowing_names_the_kind_and_hides_nothing() -> None:
    poisoned = (*TEST, TRAIN[0], Clip("b", 20.0, 30.0))
    assert kinds(check_split(TRAIN, poisoned, allow=["track"])) == [
        ("clip", "a", "error"),
        ("track", "b", "warning"),
    ]
    with pytest.raises(LeakageError):
        require_no_leak(TRAIN, poisoned, allow=["track"])
    assert kinds(require_no_leak(TRAIN, poisoned, allow=["track", "clip"])) == [
        ("clip", "a", "warning"),
        ("track", "b", "warning"),
    ]


def test_unknown_kinds_are_not_allowed() -> None:
    with pytest.raises(InputError, match="no kind of leak 'everything'"):
        check_split(TRAIN, TEST, allow=["everything"])


def test_songs_and_artists_are_warnings_and_the_unknown_match_nothing() -> None:
    leaks = require_no_leak(TRAIN, TEST, INDEX)
    assert kinds(leaks) == [("song", "d", "warning"), ("artist", "d", "warning")]
    assert [leak.others for leak in leaks] == [("a_0-15",), ("a_0-15", "b_5-20")]
    assert leaks[0].as_row() == {
        "kind": "song",
        "clip": "d_0-15",
        "others": ["a_0-15"],
        "severity": "warning",
    }


def test_a_carry_in_that_is_not_marked_is_caught() -> None:
    marked = [run("1", "c", "a", "b"), run("2", "b", "d", "e", "c")]
    assert check_split(TRAIN, TEST, runs=marked) == []
    unmarked = [marked[0], replace(marked[1], presentations=tuple(map(use, marked[1].presentations)))]
    (leak,) = check_split(TRAIN, TEST, runs=unmarked)
    assert (leak.kind, leak.clip.track, leak.others) == ("carry-in", "b", ("sub-01_task-listen_run-2",))
    with pytest.raises(LeakageError, match="carry-in"):
        require_no_leak(TRAIN, TEST, runs=unmarked)


def run(label: str, *tracks: str) -> Run:
    """A run whose first clip is a carry-in."""
    heard = tuple(
        Presentation(Clip(track, 0.0, 15.0), 15.0 * i, 15.0, range(10 * i, 10 * i + 10), carry_in=i == 0)
        for i, track in enumerate(tracks)
    )
    return Run("01", "listen", label, "train", Path("events.tsv"), None, 1.5, None, heard)


def use(presentation: Presentation) -> Presentation:
    return replace(presentation, carry_in=False)


@pytest.mark.parametrize("track", ["blues.00017", "blues/blues.00017.wav", "x/blues.00017.MP3"])
def test_the_stimulus_itself_in_the_gallery(track: str) -> None:
    clips = (Clip("blues.00017", 0.0, 15.0), Clip("blues.00018", 0.0, 15.0))
    (leak,) = gallery_leaks(clips, ["blues.00001", track])
    assert (leak.kind, leak.clip, leak.others, leak.severity) == ("gallery", clips[0], (track,), "warning")
    assert gallery_leaks(clips, ["blues.00001", "blues.000170"]) == []


def test_gtzan_index_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "index.txt"
    path.write_text("## a ::: comment\n\nblues.00000.wav ::: Hooker ::: One\npop.1.wav ::: :::\nx.wav ::: Y :::\n")
    assert read_gtzan_index(path).to_numpy().tolist() == [
        ["blues.00000", "Hooker", "One"],
        ["pop.1", "", ""],
        ["x", "Y", ""],
    ]


@pytest.mark.parametrize("content", [None, b"", b"nothing here", b"\xff\xfe\x00"])
def test_gtzan_index_that_is_none(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "index.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"index\.txt"):
        read_gtzan_index(path)


@pytest.mark.real_data
def test_what_the_official_split_shares(real_data: Path) -> None:
    study = read_study(real_data / "ds003720", subjects=["001"], need_images=False)
    index = read_gtzan_index(real_data / "gtzan" / "GTZANindex.txt")
    leaks = require_no_leak(study.train_clips, study.test_clips, index, runs=study.runs)
    assert Counter(leak.kind for leak in leaks) == {"song": 6, "artist": 50}
    pairs = {(leak.clip.track, other.split("_")[0]) for leak in leaks if leak.kind == "song" for other in leak.others}
    assert pairs == {
        ("disco.00071", "disco.00074"),
        ("hiphop.00049", "hiphop.00069"),
        ("jazz.00040", "jazz.00067"),
        ("jazz.00044", "jazz.00070"),
        ("jazz.00069", "jazz.00043"),
        ("reggae.00033", "reggae.00044"),
    }
    identified = set(index.loc[index["artist"] != "", "track"])
    assert sum(clip.track in identified for clip in study.test_clips) == 58
    clips = study.train_clips + study.test_clips
    groups = group_clips(clips, *shared_labels(clips, index, "artist"))
    held_out = plan_folds(groups, 10, 5).held_out[0]
    test = [clips[row] for row in held_out]
    train = [clip for row, clip in enumerate(clips) if row not in set(held_out)]
    assert check_split(train, test, index) == []
