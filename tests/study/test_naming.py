"""What the rows of any study name: columns, codes, participants, markers, tasks and runs."""

import shutil
from pathlib import Path

import pytest

from brain2music._utils.errors import InputError
from brain2music.config import EventsConfig
from brain2music.study import Clip, read_study
from brain2music.study.bids import survey_study

from .layouts import write_text
from .tiny_study import TinyStudy, Write, presented, song, voxels

pytestmark = pytest.mark.filterwarnings("ignore::brain2music.Brain2MusicWarning")


def said(tiny: TinyStudy, code: str, **settings: object) -> list[str]:
    found = survey_study(tiny.root, events=EventsConfig(**settings)).findings
    return [finding.what for finding in found if finding.code == code]


@pytest.fixture
def codes(tmp_path: Path) -> Path:
    """A table of codes, of which one is an excerpt."""
    path = tmp_path / "codes.tsv"
    lines = [
        "condition\tfile\tgenre\tartist\tstart",
        f"1\t{song(1)}\tbebop\tBird\tn/a",
        f"2\t{song(2)}\tcool\tMiles\t0.5",
    ]
    write_text(path, "\n".join(lines) + "\n")
    return path


def test_a_column_is_asked_for_or_found(listening: Write) -> None:
    tiny = listening(
        [f"0\t3\tx\t{song(1)}", f"6\t3\tx\t{song(2)}", "12\t3\tx\tfixation"], header="onset\tduration\tcue\tmelody"
    )
    heard = [(song(1), 0.0, 3.0), (song(2), 0.0, 3.0)]
    assert presented(read_study(tiny.root)) == heard
    assert presented(read_study(tiny.root, events=EventsConfig(stimulus="melody"))) == heard
    assert "the column melody is taken to name what was presented, in 2 of 3 rows" in said(tiny, "column-inferred")[0]
    assert said(tiny, "column-inferred", stimulus="melody") == []
    with pytest.raises(InputError, match="has no column tune"):
        read_study(tiny.root, events=EventsConfig(stimulus="tune"))


def test_a_column_of_the_standard_that_is_empty_names_nothing(listening: Write) -> None:
    rows = [f"{6 * i}\t3\tn/a\t0.{i}5\t{song(i + 1)}" for i in range(3)]
    tiny = listening(rows, header="onset\tduration\tstim_file\trating\tplayed")
    assert presented(read_study(tiny.root)) == [(song(i), 0.0, 3.0) for i in (1, 2, 3)]
    assert "the column played is taken" in said(tiny, "column-inferred")[0]


def test_codes_are_those_of_a_table(listening: Write, codes: Path) -> None:
    rows = ["0\t3\t1", "6\t3\t2", "12\t3\t9"]
    tiny = listening(rows, header="onset\tduration\ttrial_type")
    for asked in ({}, {"stimulus": "trial_type"}):
        study = read_study(tiny.root, events=EventsConfig(stimulus_table=str(codes), **asked))
        assert study.train_clips == (Clip(song(1), 0.0, 3.0), Clip(song(2), 0.5, 3.5))
        assert [(clip.genre, clip.artist) for clip in study.train_clips] == [("bebop", "Bird"), ("cool", "Miles")]
    assert ": 1 row, 9: 1" in said(tiny, "rows-skipped", stimulus_table=str(codes))[0]


def test_a_table_that_lists_nothing_of_it_is_refused(listening: Write, codes: Path, tmp_path: Path) -> None:
    tiny = listening(["0\t3\t7", "6\t3\t8"], header="onset\tduration\ttrial_type")
    with pytest.raises(InputError, match="the events name 7, 8, the table 1, 2"):
        read_study(tiny.root, events=EventsConfig(stimulus_table=str(codes), stimulus="trial_type"))
    with pytest.raises(InputError, match="there is no such table of stimuli"):
        read_study(tiny.root, events=EventsConfig(stimulus_table="codes.csv"))
    write_text(tmp_path / "odd.csv", "code,genre\n7,jazz\n")
    with pytest.raises(InputError, match="has no column file; it has code, genre"):
        read_study(tiny.root, events=EventsConfig(stimulus_table=str(tmp_path / "odd.csv")))


def test_a_code_that_stands_for_two_recordings_is_refused(listening: Write, codes: Path) -> None:
    tiny = listening(["0\t3\t1", "6\t3\t2"], header="onset\tduration\ttrial_type")
    write_text(codes, codes.read_text() + f"1\t{song(3)}\tbebop\tBird\tn/a\n")
    assert said(tiny, "stimulus-twice", stimulus_table=str(codes)) == [
        "line 4: 1 is listed in line 2 already, as another stimulus"
    ]
    write_text(codes, codes.read_text().replace(song(3), song(1)))  # the same again
    assert said(tiny, "stimulus-twice", stimulus_table=str(codes)) == []


def test_what_to_do_about_codes_is_said(listening: Write, codes: Path) -> None:
    tiny = listening(["0\t3\t1.0", "6\t3\t2.0"], header="onset\tduration\ttrial_type")
    with pytest.raises(InputError, match="Write codes in both alike"):
        read_study(tiny.root, events=EventsConfig(stimulus_table=str(codes), stimulus="trial_type"))
    with pytest.raises(InputError, match=r"has no column track.*events\.stimulus_table"):
        read_study(tiny.root)


def test_participants_may_have_heard_their_own(listening: Write) -> None:
    tiny = listening(["0\t3\tmusic", "6\t3\trest"], header="onset\tduration\ttrial_type")
    shutil.copytree(tiny.func.parent, tiny.root / "sub-02")
    for path in (tiny.root / "sub-02" / "func").iterdir():
        path.rename(path.with_name(path.name.replace("sub-01", "sub-02")))
    table = (
        f"participant_id\tfavourite\tgenre\tartist\nsub-01\t{song(1)}\tjazz\tBird\nsub-02\t{song(5)}\tfunk\tPrince\n"
    )
    write_text(tiny.root / "participants.tsv", table)
    study = read_study(tiny.root, events=EventsConfig(stimulus="favourite"))
    assert [study.clips_of("train", subject) for subject in ("01", "02")] == [
        (Clip(song(1), 0.0, 3.0),),
        (Clip(song(5), 0.0, 3.0),),
    ]
    assert [(clip.genre, clip.artist) for clip in study.train_clips] == [("jazz", "Bird"), ("funk", "Prince")]


@pytest.mark.parametrize("header", ["onset\tduration\tstim_file", "onset\tstim_file"])
def test_markers_last_until_the_next_event_or_as_long_as_is_said(listening: Write, header: str) -> None:
    cell = "0\t" if "duration" in header else ""
    rows = [f"0\t{cell}{song(1)}", f"3\t{cell}{song(2)}", f"9\t{cell}n/a", f"15\t{cell}{song(3)}"]
    tiny = listening(rows, header=header)
    # recordings last 4 s; the second goes on until its end, the last has nothing after it
    assert presented(read_study(tiny.root)) == [(song(1), 0.0, 3.0), (song(2), 0.0, 4.0), (song(3), 0.0, 4.0)]
    assert "3 events have no duration" in said(tiny, "durations-inferred")[0]
    assert presented(read_study(tiny.root, events=EventsConfig(marker_s=2.5)))[1] == (song(2), 0.0, 2.5)


@pytest.mark.parametrize("cell", ["0.000", "0.", "NA", "n/a", "N/A", "nan"])
def test_markers_may_write_that_they_have_no_duration_as_any_program_does(listening: Write, cell: str) -> None:
    tiny = listening([f"{onset}\t{cell}\t{song(number)}" for number, onset in ((1, 0), (2, 3), (3, 9))])
    assert presented(read_study(tiny.root)) == [(song(1), 0.0, 3.0), (song(2), 0.0, 4.0), (song(3), 0.0, 4.0)]


def test_a_run_may_be_the_piece(listening: Write, tmp_path: Path) -> None:
    tiny = listening(["0\t0\tstart"], ["6\t3\tstart"], header="onset\tduration\ttrial_type")
    table = tmp_path / "runs.csv"
    write_text(
        table, f'run,file,genre\ntask-music_run-01,{song(1)},jazz\nsub-01_task-music_run-02,{song(2)},"jazz, too"\n'
    )
    asked = EventsConfig(piece="run", stimulus_table=str(table))
    study = read_study(tiny.root, events=asked)
    assert [[(each.clip, each.onset) for each in run.presentations] for run in study.runs] == [
        [(Clip(song(1), 0.0, 4.0), 0.0)],
        [(Clip(song(2), 0.0, 4.0), 0.0)],
    ]
    assert [clip.genre for clip in study.train_clips] == ["jazz", "jazz, too"]
    from_events = read_study(tiny.root, events=EventsConfig(piece="run", stimulus_table=str(table), values=("start",)))
    assert [run.presentations[0].onset for run in from_events.runs] == [0.0, 6.0]
    with pytest.raises(InputError, match="no recording and no code is called music, as the piece of this run"):
        read_study(tiny.root, events=EventsConfig(piece="task"))


def test_tasks_that_are_pieces_all_train(listening: Write) -> None:
    tiny = listening()
    for number, task in enumerate(("waltz", "tango"), 1):
        tiny.write_json(tiny.func / f"sub-01_task-{task}_bold.json", {"RepetitionTime": 1.5})
        tiny.write_image("", voxels(20), path=tiny.func / f"sub-01_task-{task}_bold.nii.gz")
        shutil.copyfile(tiny.track(number), tiny.root / "stimuli" / f"{task}.wav")
    study = read_study(tiny.root, events=EventsConfig(piece="task"))
    assert {clip.track for clip in study.train_clips} == {"tango", "waltz"}
    with pytest.raises(InputError, match=r'events.piece = "task", where each is a piece'):
        read_study(tiny.root)


def test_a_study_that_names_its_stimuli_reads_as_ever(listening: Write) -> None:
    tiny = listening([f"0\t3\t{song(1)}\tx.wav"], header="onset\tduration\tstim_file\tother")
    plain, full = read_study(tiny.root), read_study(tiny.root, events=EventsConfig())
    assert plain == full
    assert presented(plain) == [(song(1), 0.0, 3.0)]
