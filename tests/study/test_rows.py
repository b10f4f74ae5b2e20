"""Rows that are no music, rows at fault, and rows that name what lies elsewhere."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from brain2music._utils.errors import InputError
from brain2music.config import EventRows, RunConfig
from brain2music.study import Clip, Finding, Stimuli, check_study, read_study
from brain2music.study.bids import survey_study
from brain2music.study.stimuli import leaves_folder

from .tiny_study import RUNS, STIM_FILE, TinyStudy, Write, presented, song

MUSIC = [f"{6 * i}\t3\t{song(i + 1)}\tmusic" for i in range(5)]
KINDS = f"{STIM_FILE}\ttrial_type"
SONGS = [(song(i), 0.0, 3.0) for i in range(1, 6)]


def warned(tiny: TinyStudy, code: str) -> list[Finding]:
    found = survey_study(tiny.root).findings
    assert {finding.severity for finding in found} <= {"warning"}
    return [finding for finding in found if finding.code == code]


@pytest.mark.parametrize(
    ("row", "label"),
    [
        ("images/scale.png\trating", "rating (.png, no sound): 2"),
        ("images/scale.PNG\tmusic", "music (.PNG, no sound): 2"),
        ("film.mp4\tn/a", "(.mp4, no sound): 2"),
        ("notes.txt\tn/a", "(.txt, no sound): 2"),
        ("jazz/jazz.00006.wav\tsilence", "silence: 2"),
        ("jazz/jazz.00006.wav\tcatch_trial", "catch_trial: 2"),
        ("jazz/jazz.00006.wav\tCue tone 2", "Cue tone 2: 2"),
        ("jazz/jazz.00006.wav\tno music", "no music: 2"),
        ("silence_3s.wav\tmusic", "music silence_3s.wav: 2"),
        ("n/a\tmusic", "music: 2"),
        ("n/a\tn/a", "rows that name no recording: 2"),
    ],
)
def test_rows_that_are_no_music_are_left_out_and_counted(listening: Write, row: str, label: str) -> None:
    tiny = listening([*MUSIC, f"40\t3\t{row}", f"45\t3\t{row}"], header=KINDS)
    assert presented(read_study(tiny.root)) == SONGS
    (finding,) = warned(tiny, "rows-skipped")
    assert f": 2 rows, {label}" in finding.what


@pytest.mark.parametrize("cell", ["", "n/a", "N/A", "NaN", "nan"])
def test_missing_names_and_genres_are_none_however_they_are_written(listening: Write, cell: str) -> None:
    tiny = listening(
        [*(f"{line}\t{cell}" for line in MUSIC), f"40\t3\t{cell}\tmusic\t{cell}"], header=f"{KINDS}\tgenre"
    )
    study = read_study(tiny.root)
    assert presented(study) == SONGS
    assert {clip.genre for clip in study.train_clips} == {""}


@pytest.mark.parametrize(
    "kind", ["music", "Silent Night", "rest of the world", "film music", "section0", "n/a", "response to Bach"]
)
def test_rows_of_music_are_kept(listening: Write, kind: str) -> None:
    tiny = listening([line.replace("\tmusic", f"\t{kind}") for line in MUSIC], header=KINDS)
    assert presented(read_study(tiny.root)) == SONGS
    assert survey_study(tiny.root).findings == ()


def test_which_rows_count_can_be_chosen(listening: Write, tmp_path: Path) -> None:
    rows = [line.replace("\tmusic", "\tsilence") if i % 2 else line for i, line in enumerate(MUSIC)]
    tiny = listening(rows, header=KINDS)
    (tmp_path / "config.toml").write_text('[events]\nvalues = ["Silence"]')
    chosen = RunConfig.from_toml(tmp_path / "config.toml").events.rows
    assert presented(read_study(tiny.root, events=chosen)) == [SONGS[1], SONGS[3]]
    assert presented(read_study(tiny.root)) == [SONGS[0], SONGS[2], SONGS[4]]
    with pytest.raises(InputError, match=r"no presentation of music is left.*setting events.values"):
        read_study(tiny.root, events=EventRows(values=("jazz",)))
    with pytest.raises(InputError, match="has no column kind"):
        read_study(tiny.root, events=EventRows(column="kind", values=("jazz",)))


def test_what_lies_before_the_first_scan_is_left_out(listening: Write) -> None:
    tiny = listening(["-9\t3\t" + song(6) + "\tmusic", "-2\t3\t" + song(6) + "\tmusic", *MUSIC[1:]], header=KINDS)
    assert presented(read_study(tiny.root)) == SONGS[1:]
    (finding,) = warned(tiny, "onset-negative")
    assert "line 2 at -9 s, line 3 at -2 s" in finding.what


def test_an_onset_that_rounds_to_the_first_scan_is_there(listening: Write) -> None:
    tiny = listening(["-0.5\t3\t" + song(1) + "\tmusic", *MUSIC[1:]], header=KINDS)
    assert presented(read_study(tiny.root)) == SONGS
    assert read_study(tiny.root).runs[0].presentations[0].volumes == range(2)


def test_a_study_without_a_presentation_left_is_refused(listening: Write) -> None:
    early = [f"{6 * i - 500}\t3\t{song(i + 1)}\tmusic" for i in range(5)]
    assert presented(read_study(listening(early, MUSIC, header=KINDS).root)) == SONGS
    with pytest.raises(InputError, match=r"no presentation of music is left in the runs of task music of sub-01"):
        read_study(listening(early, header=KINDS).root)


def test_small_overlaps_are_tolerated_and_large_ones_cost_both_rows(listening: Write) -> None:
    touching = [f"{3 * i - 0.05 * i}\t3\t{song(i + 1)}\tmusic" for i in range(5)]
    tiny = listening(touching, header=KINDS)
    assert presented(read_study(tiny.root)) == SONGS
    (finding,) = warned(tiny, "events-touch")
    assert "overlap 4 times, by up to 0.05 s" in finding.what
    tiny.write_events(RUNS[0], [KINDS, *MUSIC, f"25\t3\t{song(6)}\tmusic"])
    assert presented(read_study(tiny.root)) == SONGS[:4]
    assert len(warned(tiny, "events-overlap")) == 1


def test_blocks_probes_and_doubles_are_left_out(listening: Write) -> None:
    block = [f"0\t15\t{song(6)}\tblock", f"18\t9\t{song(1)}\tn/a"]
    tiny = listening([*block, *MUSIC, f"12.5\t0.2\t{song(6)}\ttarget", MUSIC[3]], header=KINDS)
    assert presented(read_study(tiny.root)) == SONGS
    assert len(warned(tiny, "event-spans-others")) == 2
    assert len(warned(tiny, "event-twice")) == 1


def test_a_row_for_the_whole_run_is_a_block_however_sparse_its_clips(listening: Write) -> None:
    tiny = listening([*MUSIC, f"0\t150\t{song(6)}\trun"], header=KINDS, n_volumes=100)
    assert presented(read_study(tiny.root)) == SONGS


@pytest.mark.parametrize("row", ["n/a\t3", "60\tn/a", "60\t0", "soon\t3", "900\t3", "58.5\t3", "60\t-3"])
def test_one_row_at_fault_costs_that_row(listening: Write, row: str) -> None:
    tiny = listening([*MUSIC, f"{row}\t{song(6)}\tmusic"], header=KINDS)
    assert presented(read_study(tiny.root)) == SONGS
    (finding,) = survey_study(tiny.root).findings
    assert (finding.severity, finding.file) == ("warning", tiny.events(RUNS[0]))
    assert finding.what.startswith("line 7: ")
    assert finding.what.endswith("left out")


def test_a_presentation_that_was_broken_off_is_left_out(listening: Write) -> None:
    whole = [f"{5 * i}\t3.7\t{song(1 + i % 5)}\tmusic" for i in range(10)]
    tiny = listening([*whole, f"55\t0.9\t{song(6)}\tmusic"], header=KINDS)
    assert len(presented(read_study(tiny.root))) == 10
    (finding,) = warned(tiny, "presentation-broken-off")
    assert "broken off after 0.9 s" in finding.what
    tiny.write_track(6, seconds=0.9)  # a short recording is what it is
    assert len(presented(read_study(tiny.root))) == 11


def test_a_table_mostly_at_fault_is_refused(listening: Write) -> None:
    tiny = listening([f"{6000 * i}\t3\t{song(i + 1)}\tmusic" for i in range(5)], header=KINDS)  # milliseconds
    with pytest.raises(InputError, match="starts after the recording ends"):
        read_study(tiny.root)


@pytest.mark.parametrize(
    ("header", "row", "hint"),
    [
        ("onset,duration,stim_file", "{},3,{}", "separate columns by tabs, not by commas"),
        ("onset  duration  stim_file", "{}  3  {}", "separate columns by tabs, not by spaces"),
        ("Onset\tDuration\tStim File", "{}\t3\t{}", "onset for Onset, duration for Duration"),
        (STIM_FILE, "{},0\t3\t{}", "with a decimal point: 0.0"),
        (STIM_FILE, "{}000\t3000\t{}", "in seconds, if these are milliseconds"),
    ],
)
def test_how_a_table_is_to_be_written_is_said(listening: Write, header: str, row: str, hint: str) -> None:
    tiny = listening([row.format(6 * i, song(i + 1)) for i in range(5)], header=header)
    found = [finding for finding in survey_study(tiny.root).findings if finding.severity == "error"]
    assert hint in found[0].hint


@pytest.mark.parametrize(
    "name", ["../secret.wav", "jazz/../../secret.wav", "/stimuli/../secret.wav", "..\\secret.wav", "D:\\secret.wav"]
)
def test_nothing_outside_the_folder_of_stimuli_is_read(listening: Write, name: str) -> None:
    tiny = listening([*MUSIC, f"40\t3\t{name}\tmusic"], header=KINDS)
    soundfile.write(tiny.root / "secret.wav", np.ones(32_000) / 2, 8000)
    (found,) = [finding for finding in check_study(tiny.root) if finding.code == "stimulus-outside"]
    assert (found.severity, found.file) == ("error", tiny.events(RUNS[0]))
    with pytest.raises(InputError, match="is outside the folder of stimuli"):
        read_study(tiny.root)


@pytest.mark.parametrize("clip", [Clip("../secret", 0.0, 1.0), Clip("secret", 0.0, 1.0, genre="../..")])
def test_clips_are_not_cut_from_outside(tmp_path: Path, clip: Clip) -> None:
    (tmp_path / "stimuli").mkdir()
    (tmp_path / "secret.wav").touch()
    with pytest.raises(InputError, match="is outside"):
        Stimuli(tmp_path / "stimuli").find(clip)


@pytest.mark.parametrize("place", ["C:\\Exp\\Stimuli\\", "/home/lab/stimuli/", "bids::stimuli/", "/stimuli/", "./"])
def test_paths_of_the_machine_that_presented_are_read_below_stimuli(listening: Write, place: str) -> None:
    tiny = listening([line.replace("jazz/", f"{place}jazz/") for line in MUSIC], header=KINDS)
    assert presented(read_study(tiny.root)) == SONGS


@pytest.mark.parametrize(
    ("column", "cells", "warns"),
    [
        ("stim_onset", "1", True),
        ("audio_offset", "0.25", True),
        ("stim_onset", "0", False),
        ("trigger_start", "812.5", False),
        ("onset_of", "drums", False),
        ("loudness", "1", False),
    ],
)
def test_a_column_that_may_place_clips_is_not_passed_over_in_silence(
    listening: Write, column: str, cells: str, warns: bool
) -> None:
    tiny = listening([line.replace("music", cells) for line in MUSIC], header=f"{STIM_FILE}\t{column}")
    assert presented(read_study(tiny.root)) == SONGS
    assert [column in finding.what for finding in warned(tiny, "column-unread")] == [True] * warns


@pytest.mark.parametrize("link", [True, False])
def test_a_recording_under_two_names_is_one(listening: Write, link: bool) -> None:
    again = [line.replace("/jazz", "/copy") for line in MUSIC]
    tiny = listening(MUSIC, again, header=KINDS)
    for number in range(1, 6):
        copy = tiny.track(number).with_name(f"copy.{number:05d}.wav")
        copy.symlink_to(tiny.track(number)) if link else shutil.copyfile(tiny.track(number), copy)
    first, second = read_study(tiny.root).runs
    clips = [[each.clip for each in run.presentations] for run in (first, second)]
    assert clips[0] == clips[1]
    assert len(set(clips[0])) == 5
    (finding,) = warned(tiny, "recordings-alike")
    assert "4 more pairs" in finding.what
    for number in range(1, 6):
        copy = tiny.track(number).with_name(f"copy.{number:05d}.wav")
        copy.unlink()
        soundfile.write(copy, np.random.default_rng(number + 50).uniform(-0.5, 0.5, 32_000), 8000)
    assert len(set(presented(read_study(tiny.root)))) == 10
    assert warned(tiny, "recordings-alike") == []


def test_links_of_a_data_manager_are_followed(tmp_path: Path) -> None:
    (tmp_path / "annex").mkdir()
    (tmp_path / "annex" / "key.wav").touch()
    (tmp_path / "stimuli").mkdir()
    (tmp_path / "stimuli" / "song.wav").symlink_to(tmp_path / "annex" / "key.wav")
    assert Stimuli(tmp_path / "stimuli").find(Clip("song.wav", 0.0, 1.0)).name == "song.wav"
    assert [leaves_folder(name) for name in ("a..b/c", "a/../b", "..")] == [False, False, True]
