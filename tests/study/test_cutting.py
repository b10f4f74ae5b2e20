"""Cutting of pieces: clips on a step, blocks with gaps that hold a response, and sounds with the edges of the whole."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from brain2music._utils.errors import InputError, LeakageError
from brain2music.brain.stimulus_lists import list_from_events
from brain2music.config import RESPONSE_S, EventsConfig, RunConfig
from brain2music.metrics.leakage import check_folds, check_split, require_no_leak_in_folds, shared_labels
from brain2music.simulation.brain import DESIGNS
from brain2music.simulation.brain.dataset import plan_subjects
from brain2music.study import Clip, Cutting, Stimuli, group_clips, group_k_fold, read_study
from brain2music.study.bids import survey_study
from brain2music.study.folds import plan_folds
from brain2music.study.stimuli import fade

from . import layouts
from .tiny_study import Write, song

pytestmark = pytest.mark.filterwarnings("ignore::brain2music.Brain2MusicWarning")


@given(
    st.floats(0, 500),
    st.floats(0, 500),
    st.sampled_from([3.0, 6.0, 15.0]),
    st.sampled_from([0.8, 1.5, 3.0, 15.0]),
    st.sampled_from([None, 15.0, 47.0, 60.0]),
)
def test_clips_are_within_the_piece_and_blocks_are_apart(
    start: float, lasts: float, clip_s: float, step_s: float, block_s: float | None
) -> None:
    cutting = Cutting(clip_s, step_s, block_s, None if block_s is None else 20.0)
    spans = cutting.spans(start, start + lasts)
    for block, first, last in spans:
        assert start - 1e-6 <= first
        assert last <= start + lasts + 0.1 + 1e-5
        assert last - first == pytest.approx(clip_s, abs=1e-5)
        assert (block is None) == (block_s is None)
    for (one, first, end), (other, second, _) in pairwise(spans):
        if one == other:
            assert second - first == pytest.approx(step_s, abs=1e-5)
        else:
            assert second - end >= 20.0 - 1e-5
    if block_s is None:
        assert len(spans) == max(0, int((lasts - clip_s + 0.1) / step_s + 1e-6) + 1 if lasts + 0.1 >= clip_s else 0)


def test_blocks_hold_a_clip_and_gaps_a_response() -> None:
    with pytest.raises(InputError, match="hold no clip of 15 s"):
        Cutting(15.0, 15.0, 10.0, 20.0)
    with pytest.raises(InputError, match="hold no clip of 15 s"):
        RunConfig.of(clip_s=15.0, block_s=10.0)
    with pytest.raises(InputError, match="greater than or equal to 20"):
        RunConfig.of(gap_s=5.0)
    with pytest.raises(InputError, match="clip_s = 0 forbids"):
        RunConfig.of(clip_s=0, block_s=60.0)


def blocks_of(seconds: float, gap_s: float = RESPONSE_S) -> list[Clip]:
    cutting = Cutting(15.0, 15.0, 60.0, gap_s)
    return [Clip("opera.wav", start, end, block=block) for block, start, end in cutting.spans(0.0, seconds)]


def test_folds_divide_blocks_and_never_within_them() -> None:
    clips = blocks_of(1200.0)
    groups = group_clips(clips)
    assert groups.tolist() == [i // 4 for i in range(len(clips))]
    assert group_clips([replace(clip, block=None) for clip in clips]).tolist() == [0] * len(clips)
    planned = plan_folds(groups, 5, 5)
    leaks = require_no_leak_in_folds(clips, planned.held_out)
    assert {(leak.kind, leak.severity) for leak in leaks} == {("piece", "warning")}
    assert len(leaks) <= 5  # one of each fold, not one of each clip


def test_too_few_blocks_are_called_blocks() -> None:
    clips = blocks_of(500.0)
    with pytest.raises(InputError, match=r"12 clips of 3 blocks .*Give more blocks"):
        plan_folds(group_clips(clips[:12]), 2, 5, units="blocks")


def test_the_gate_measures_gaps_and_believes_no_block() -> None:
    clips = blocks_of(1200.0)
    near = [replace(clip, block=i) for i, clip in enumerate(clips)]
    folds = list(group_k_fold(len(near), 5, 0))
    assert {leak.kind for leak in check_folds(near, folds)} == {"gap", "piece"}
    with pytest.raises(LeakageError, match=r"gap.*nearer than a response lasts"):
        require_no_leak_in_folds(near, folds)
    assert {leak.severity for leak in require_no_leak_in_folds(near, folds, allow=["gap"])} == {"warning"}
    undivided = [replace(clip, block=None) for clip in clips]
    assert {leak.kind for leak in check_folds(undivided, folds)} == {"track"}
    overlapping = replace(clips[0], start=5.0, end=20.0, block=7)
    assert [leak.kind for leak in check_split([clips[0]], [overlapping])] == ["overlap"]


def test_artists_that_the_study_names_are_held_together_but_not_blocks() -> None:
    clips = [Clip("a", 0.0, 9.0, artist="Bach, J. S."), Clip("b", 0.0, 9.0, artist="bach js"), Clip("c", 0.0, 9.0)]
    assert group_clips(clips, *shared_labels(clips, None, "artist")).tolist() == [0, 0, 1]
    assert shared_labels(clips, None, "recording") == []
    assert shared_labels(clips, None, "song") == []
    assert [leak.kind for leak in check_split(clips[:1], clips[1:])] == ["artist"]
    blocks = [replace(clip, block=i, track="a", start=40.0 * i, end=40.0 * i + 9) for i, clip in enumerate(clips)]
    assert group_clips(blocks, *shared_labels(blocks, None, "artist")).tolist() == [0, 1, 2]


def test_parts_of_a_piece_have_the_edges_and_the_level_of_the_whole(tmp_path: Path, rng: np.random.Generator) -> None:
    rate = 4000
    sound = rng.normal(0, 0.1, 40 * rate) * np.linspace(0.1, 1, 40 * rate)
    soundfile.write(tmp_path / "piece.flac", sound, rate)
    stimuli = Stimuli(tmp_path, fade_s=3.0, rms=0.1)
    whole = stimuli.waveform(Clip("piece", 4.0, 34.0))[0]
    parts = [
        stimuli.waveform(Clip("piece", start, end, piece=(4.0, 34.0)))[0]
        for _, start, end in Cutting(7.5, 7.5).spans(4.0, 34.0)
    ]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-6)
    own = stimuli.waveform(Clip("piece", 11.5, 19.0))[0]
    assert own[0] == 0 != parts[1][0]  # a clip by itself fades in
    np.testing.assert_allclose(
        fade(30 * rate, 3.0, rate)[: len(parts[0])]
        * sound[4 * rate :][: len(parts[0])]
        * 0.1
        / np.sqrt(np.mean((fade(30 * rate, 3.0, rate) * sound[4 * rate : 34 * rate]) ** 2)),
        parts[0],
        atol=1e-4,
    )


def test_pieces_are_cut_by_themselves_and_songs_of_clips_are_not(listening: Write, tmp_path: Path) -> None:
    layout = layouts.long_piece(tmp_path / "long", minutes=8.0)
    study = read_study(layout.root)
    assert str(study.cutting) == "clips of 15 s, in blocks of 60 s with 20 s between them"
    assert {clip.duration for clip in study.train_clips} == {15.0}
    assert {clip.piece for clip in study.train_clips} == {(0.0, 480.0)}
    shorter = read_study(layout.root, events=EventsConfig(clip_s=6.0, clip_step_s=3.0, block_s=120.0, gap_s=30.0))
    assert str(shorter.cutting) == "clips of 6 s every 3 s, in blocks of 120 s with 30 s between them"
    whole = read_study(layout.root, events=EventsConfig(clip_s=0))
    assert (whole.cutting, whole.train_clips) == (None, (Clip("opera.wav", 0.0, 480.0),))
    findings = survey_study(layout.root, events=EventsConfig(clip_s=0)).findings
    assert "pieces-cut" not in [finding.code for finding in findings]


def test_times_that_are_no_seconds_are_not_cut_into_a_million(tmp_path: Path) -> None:
    layout = layouts.long_piece(tmp_path / "long", minutes=8.0)
    next(layout.root.rglob("*_events.tsv")).write_text("onset\tduration\tstim_file\n5\t480000000\topera.wav\n")
    with pytest.raises(InputError, match=r"would be cut into 32000000 clips, one every 15 s.*durations in seconds"):
        read_study(layout.root)


def test_one_long_song_among_clips_leaves_them_as_they_are(listening: Write) -> None:
    rows = [f"{6 * i}\t3\t{song(i + 1)}" for i in range(4)]
    tiny = listening([*rows, "30\t70\tconcert.wav"], n_volumes=80)
    study = read_study(tiny.root)
    assert study.cutting is None
    assert len(study.train_clips) == 5


def test_what_is_simulated_by_events_is_heard_whole(tmp_path: Path) -> None:
    layout = layouts.long_piece(tmp_path / "long", minutes=8.0)
    (planned,) = plan_subjects(["001"], DESIGNS["small"], 0, events=layout.root)
    assert [[(each.clip.duration, each.onset) for each in run.presentations] for run in planned] == [[(480.0, 5.0)]]
    assert [len(clips.clips) for clips in list_from_events(layout.root, ["01"]).values()] == [1, 0]


def test_names_of_clips_do_not_hang_on_the_subjects_chosen(tmp_path: Path) -> None:
    layout = layouts.ds000113(tmp_path / "study", ("01", "02"), 2)
    asked = EventsConfig(clip_s=3.0)
    both = read_study(layout.root, events=asked)
    assert len(both.train_clips) == 50
    one = read_study(layout.root, subjects=["02"], events=asked)
    assert {clip.name for clip in one.train_clips} == {clip.name for clip in both.train_clips}


def test_a_piece_that_the_scanner_left_early_is_used_as_far_as_it_goes(tmp_path: Path) -> None:
    layout = layouts.long_piece(tmp_path / "long", minutes=8.0)
    events = next(layout.root.rglob("*_events.tsv"))
    events.write_text("onset\tduration\tstim_file\n200\t480\topera.wav\n")
    survey = survey_study(layout.root)
    (said,) = [finding.what for finding in survey.findings if finding.code == "piece-unfinished"]
    assert "opera.wav goes on for 190 s after the last scan" in said
    assert max(clip.end for clip in survey.study.train_clips) <= 290.0
