"""A recording is a recording: which presentations are of one clip, and what rows stand for."""

import shutil
from collections.abc import Callable

import numpy as np
import pytest

from brain2music.brain.load import load_responses
from brain2music.study import Clip, read_study
from brain2music.study.bids import survey_study
from brain2music.study.event import Event
from brain2music.study.excerpts import merge_excerpts

from .tiny_study import RUNS, STIM_FILE, TinyStudy, Write, presented, song


def codes(tiny: TinyStudy) -> list[str]:
    return [finding.code for finding in survey_study(tiny.root).findings]


def test_jittered_durations_are_one_clip(listening: Write, rng: np.random.Generator) -> None:
    jitter = rng.uniform(-0.04, 0.04, (3, 4))
    runs = [[f"{6 * i}\t{4 + jitter[r, i]:.4f}\t{song(i + 1)}" for i in range(4)] for r in range(3)]
    tiny = listening(*runs)
    study = read_study(tiny.root)
    assert study.train_clips == tuple(Clip(song(i), 0.0, 4.0) for i in range(1, 5))
    assert [len(run.presentations) for run in study.runs] == [4, 4, 4]
    first = study.runs[0].presentations[0]
    assert first.duration == float(f"{4 + jitter[0, 0]:.4f}")  # scans and times stay the presentation's own
    tiny.add_mask()
    responses = load_responses(study, "01", "train")
    assert responses.repeats is not None
    assert responses.repeats.shape[:2] == (3, 4)
    np.testing.assert_allclose(responses.data, responses.repeats.mean(axis=0), atol=1e-6)


def test_clips_hang_neither_on_the_subjects_asked_for_nor_on_tasks(listening: Write) -> None:
    tiny = listening([f"0\t4.0312\t{song(1)}"], [f"0\t3.9871\t{song(1)}"])
    shutil.copytree(tiny.func.parent, tiny.root / "sub-02")
    for path in (tiny.root / "sub-02" / "func").iterdir():
        path.rename(path.with_name(path.name.replace("sub-01", "sub-02")))
    (tiny.root / "sub-02" / "func" / "sub-02_task-music_run-02_events.tsv").write_text(
        f"{STIM_FILE}\n0\t4.0011\t{song(1)}\n"
    )
    whole = read_study(tiny.root)
    assert set(whole.train_clips) == {Clip(song(1), 0.0, 4.0)}
    for subject in ("01", "02"):
        assert read_study(tiny.root, subjects=[subject]).train_clips == whole.train_clips


def events(*excerpts: tuple[float, float], track: str = "a", measured: bool = False) -> list[Event]:
    return [Event(Clip(track, start, end), 0.0, end - start, 2, measured) for start, end in excerpts]


def merged(excerpts: list[Event]) -> list[Clip]:
    found = merge_excerpts(excerpts)
    assert merge_excerpts(excerpts[::-1]) == found
    return [found[event.clip] for event in excerpts]


def test_excerpts_that_are_alike_everywhere_stay_exactly() -> None:
    clips = events((6.44, 21.44), (6.44, 21.44), (0.5, 15.5)) + events((6.44, 21.44), track="b")
    assert merged(clips) == [event.clip for event in clips]


@pytest.mark.parametrize(
    "different",
    [
        [(0.0, 15.0), (15.0, 30.0)],  # adjacent
        [(0.0, 4.0), (0.5, 4.5)],
        [(0.0, 4.0), (0.0, 4.15)],
        [(0.0, 0.6), (0.0, 0.65)],
        [(0.0, 0.25), (0.0, 0.3), (0.0, 0.35)],  # gates of a growing excerpt
        [(0.0, 4.0), (0.0, 4.5), (0.0, 5.0)],
        [(100.0, 110.0), (100.5, 110.5)],
    ],
)
def test_designed_excerpts_stay_apart(different: list[tuple[float, float]]) -> None:
    assert merged(events(*different)) == [Clip("a", *each) for each in different]


def test_no_chain_of_small_differences_joins_different_excerpts() -> None:
    steps = [round(0.08 * i, 2) for i in range(20)]
    excerpts = events(*((start, start + 5.0) for start in steps))
    for event, clip in zip(excerpts, merged(excerpts), strict=True):
        assert abs(event.clip.start - clip.start) <= 0.1 + 1e-9
    of_clip: dict[Clip, list[float]] = {}
    for event, clip in zip(excerpts, merged(excerpts), strict=True):
        of_clip.setdefault(clip, []).append(event.clip.start)
    assert max(np.ptp(starts) for starts in of_clip.values()) <= 0.1 + 1e-9


def test_measured_ends_may_spread_to_both_sides(rng: np.random.Generator) -> None:
    ends = 4 + rng.uniform(-0.09, 0.09, 100)
    assert set(merged(events(*((0.0, end) for end in ends), measured=True))) == {Clip("a", 0.0, 4.0)}


@pytest.mark.parametrize(("duration", "spread"), [(0.5, 0.035), (1.0, 0.07), (4.0, 0.19), (15.0, 0.45)])
def test_times_logged_to_milliseconds_never_make_a_clip(duration: float, spread: float) -> None:
    ends = [duration, duration, duration + spread + 0.0003, duration - spread + 0.0004]
    assert set(merged(events(*((0.0, end) for end in ends), measured=True))) == {Clip("a", 0.0, duration)}


def test_what_a_table_says_wins_over_what_was_measured() -> None:
    excerpts = events((0.0, 4.03)) + events((0.0, 4.05), (0.0, 4.06), measured=True)
    assert set(merged(excerpts)) == {Clip("a", 0.0, 4.03)}


def test_rows_that_run_on_are_sections_of_a_recording(listening: Write) -> None:
    rows = [f"{onset}\t1.3\t{song(number)}" for number, onset in ((1, 0), (1, 1.3), (1, 2.61), (2, 4), (3, 6))]
    tiny = listening(rows, [f"{float(row.split()[0]) + 1.02:.2f}\t1.31\t{row.split()[2]}" for row in rows])
    study = read_study(tiny.root)
    first = [each.clip for each in study.runs[0].presentations]
    assert [clip.track for clip in first] == [song(1)] * 3 + [song(2), song(3)]
    np.testing.assert_allclose([clip.start for clip in first], [0, 1.3, 2.6, 0, 0], atol=0.02)
    assert [each.clip for each in study.runs[1].presentations] == first
    assert codes(tiny).count("rows-run-on") == 2


@pytest.mark.parametrize("rows", ["gaps", "start is given", "recording is shorter"])
def test_rows_of_one_recording_that_are_repeats(listening: Write, rows: str) -> None:
    step, length = (6, 3) if rows == "gaps" else (3, 3)
    extra = "\t0" if rows == "start is given" else "\tn/a"
    lines = [f"{step * i}\t{length}\t{song(1)}{extra}" for i in range(4)]  # the recording lasts 4 s
    tiny = listening(lines, header=f"{STIM_FILE}\tstart")
    assert set(read_study(tiny.root).train_clips) == {Clip(song(1), 0.0, 3.0)}
    assert codes(tiny) == (["rows-run-on"] if rows == "recording is shorter" else [])


@pytest.mark.parametrize("start", [lambda onset: onset, lambda onset: onset + 100, lambda onset: 1000 * onset + 5])
def test_a_start_that_is_a_time_of_the_run_is_left_out(listening: Write, start: Callable[[int], int]) -> None:
    lines = [f"{6 * i + 2}\t3\t{song(i + 1)}\t{start(6 * i + 2)}" for i in range(5)]
    tiny = listening(lines, header=f"{STIM_FILE}\tstart")
    assert read_study(tiny.root).train_clips == tuple(Clip(song(i), 0.0, 3.0) for i in range(1, 6))
    assert codes(tiny) == ["start-is-run-time", "between-scans"]


def test_presentations_of_subjects_at_fault_are_not_counted_between_scans(listening: Write) -> None:
    tiny = listening([f"{6 * i + 0.7}\t3\t{song(i + 1)}" for i in range(5)])
    tiny.copy_subject("02")
    image = next((tiny.root / "sub-02" / "func").glob("*_bold.nii.gz"))
    image.write_bytes(image.read_bytes()[:100])
    (line,) = [each.what for each in survey_study(tiny.root).findings if each.code == "between-scans"]
    assert line.startswith("5 of 5 presentations")


def test_starts_in_recordings_are_taken_as_they_are(listening: Write) -> None:
    starts = [0.0, 0.2, 0.4, 0.6, 0.8]
    lines = [f"{6 * i}\t3\t{song(i + 1)}\t{start}" for i, start in enumerate(starts)]
    tiny = listening(lines, header=f"{STIM_FILE}\tstart")
    assert [start for _, start, _ in presented(read_study(tiny.root))] == starts
    whole = [f"{6 * i}\t6\tconcert.wav\t{6 * i}" for i in range(5)]  # played from the first scan on
    tiny.write_events(RUNS[0], [f"{STIM_FILE}\tstart", *whole])
    assert [start for _, start, _ in presented(read_study(tiny.root))] == [0, 6, 12, 18, 24]


def test_one_recording_by_several_spellings_is_one(listening: Write) -> None:
    spelt = [
        "jazz/jazz.00001.wav",
        "./jazz/jazz.00001.wav",
        "/stimuli/jazz//jazz.00001.wav",
        "stimuli/x/../jazz/jazz.00001.wav",
    ]
    tiny = listening([f"{5 * i}\t3\t{name}" for i, name in enumerate(spelt)])
    assert read_study(tiny.root).train_clips == (Clip(song(1), 0.0, 3.0),)


def test_one_recording_with_and_without_its_suffix_is_one(listening: Write) -> None:
    tiny = listening([f"0\t3\t{song(1)}", "5\t3\tjazz/jazz.00001", f"10\t3\t{song(1)}", "15\t3\tjazz/jazz.00002"])
    assert read_study(tiny.root).train_clips == (Clip(song(1), 0.0, 3.0), Clip("jazz/jazz.00002", 0.0, 3.0))


def test_logged_starts_and_ends_are_measured_too(rng: np.random.Generator) -> None:
    starts, ends = 10 + rng.uniform(-0.05, 0.05, 50), 14 + rng.uniform(-0.02, 0.02, 50)
    assert set(merged(events(*zip(starts.tolist(), ends.tolist(), strict=True)))) == {Clip("a", 10.0, 14.0)}
