"""Reading a study: runs, presentations and the scans that they cover."""

import warnings
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music.study import Clip, Presentation, Run, read_study
from brain2music.study.index import index_bids
from brain2music.study.run_files import group_run_files
from brain2music.study.runs import mark_carry_ins
from brain2music.study.usable import volumes_of

from .tiny_study import CLIP_S, HEADER, TR, TinyStudy, voxels

TRAIN, OTHER, TEST = "task-Training_run-01", "task-Training_run-02", "task-Test_run-01"


def jazz(number: int) -> Clip:
    return Clip(f"jazz.{number:05d}", 0.5, 3.5, genre="jazz")


def test_runs_clips_and_scans(tiny: TinyStudy) -> None:
    study = read_study(str(tiny.root))
    assert (study.name, study.simulated, study.subjects) == ("Tiny", False, ("01",))
    assert study.stimuli == tiny.root / "stimuli"
    assert [run.name for run in study.runs] == [f"sub-01_{name}" for name in (TRAIN, OTHER, TEST)]
    assert [run.split for run in study.runs] == ["train", "train", "test"]
    first = study.runs[0]
    assert (first.tr, first.n_volumes, first.bold, first.events) == (
        TR,
        6,
        tiny.image(TRAIN),
        tiny.events(TRAIN),
    )
    assert first.presentations[1] == Presentation(jazz(1), CLIP_S, CLIP_S, range(2, 4))
    assert study.train_clips == (jazz(1), jazz(2), jazz(3), jazz(4))
    assert study.test_clips == (jazz(5), jazz(6))


def test_carry_ins_of_a_ring_and_of_a_run(tiny: TinyStudy) -> None:
    for run in read_study(tiny.root).runs:
        assert [presentation.carry_in for presentation in run.presentations][:3] == [True, False, False]


def test_carry_in_is_known_from_the_other_runs_when_the_ring_is_broken() -> None:
    ring = [(9, 1, 2), (2, 3, 4), (4, 5, 6)]  # 9 ended a run that is missing
    assert [run.presentations[0].carry_in for run in marked(*ring)] == [True, True, True]


@pytest.mark.parametrize(
    "played",
    [
        [(1, 2, 3), (4, 5, 6)],  # nothing comes twice
        [(1, 2, 2, 1)],  # begins with what it ends with, but no clip is presented more often than another
        [(1,)],
    ],
)
def test_what_is_no_carry_in(played: list[tuple[int, ...]]) -> None:
    assert not any(run.presentations[0].carry_in for run in marked(*played))


def test_only_the_first_event_is_ever_a_carry_in() -> None:
    (run,) = marked((1, 2, 1, 2, 1))
    assert [presentation.carry_in for presentation in run.presentations] == [True] + [False] * 4


def marked(*played: tuple[int, ...]) -> list[Run]:
    """Runs that play numbered clips, after marking."""
    return mark_carry_ins(
        [
            Run(
                subject="01",
                task="listen",
                label=str(number),
                split="train",
                events=Path("events.tsv"),
                bold=None,
                tr=TR,
                n_volumes=None,
                presentations=tuple(Presentation(jazz(i), 0.0, CLIP_S, range(2)) for i in tracks),
            )
            for number, tracks in enumerate(played)
        ]
    )


@pytest.mark.parametrize(
    ("onset", "duration", "tr", "scans"),
    [
        (15, 15, 1.5, range(10, 20)),
        (0.1 + 0.2, 0.3, 0.1, range(3, 6)),  # floating-point noise
        (0.7, 15, 1.5, range(0, 10)),  # the nearest scan
        (0.8, 15, 1.5, range(1, 11)),
        (15, 15, 2, range(8, 16)),  # 7.5 scans, whichever scan it starts at
        (30, 15, 2, range(15, 23)),
        (3, 0.2, 1.5, range(2, 3)),  # never none
        (3, 1, float("nan"), range(0)),
    ],
)
def test_scans_of_an_event(onset: float, duration: float, tr: float, scans: range) -> None:
    assert volumes_of(float(onset), float(duration), float(tr)) == scans


def test_scans_of_gapless_events_tile_the_run() -> None:
    for tr in (0.8, 1.0, 1.4999, 1.5, 3.0):
        scans = [volumes_of(12.0 * i, 12.0, tr) for i in range(40)]
        assert {len(covered) for covered in scans} == {round(12 / tr)}
        assert all(abs(later.start - earlier.stop) <= 1 for earlier, later in pairwise(scans))


def test_tr_may_stand_in_milliseconds_in_the_header(tiny: TinyStudy) -> None:
    tiny.write_image(TRAIN, voxels(6), tr=1500, unit="msec")
    assert read_study(tiny.root).runs[0].tr == TR


def test_sidecars_are_inherited_and_the_closest_wins(tiny: TinyStudy) -> None:
    for name in (TRAIN, OTHER, TEST):
        tiny.sidecar(name).unlink()
    tiny.write_json("task-Training_bold.json", {"RepetitionTime": 9})
    tiny.write_json("sub-01/sub-01_task-Training_bold.json", {"RepetitionTime": TR})
    tiny.write_json("task-Test_bold.json", {"RepetitionTime": TR})
    assert [run.tr for run in read_study(tiny.root).runs] == [TR, TR, TR]


def test_events_are_inherited(tiny: TinyStudy) -> None:
    tiny.events(TRAIN).rename(tiny.root / "task-Training_run-01_events.tsv")
    assert len(read_study(tiny.root).runs[0].presentations) == 3


def test_another_subjects_sidecar_is_not_inherited(tiny: TinyStudy) -> None:
    tiny.sidecar(TRAIN).rename(tiny.func / f"sub-02_{TRAIN}_bold.json")
    with pytest.raises(InputError, match="no sidecar"):
        read_study(tiny.root, subjects=["01"])


def test_sessions_order_the_ring(tmp_path: Path) -> None:
    tiny = TinyStudy(tmp_path)
    for session, run in (("a", TRAIN), ("b", OTHER), ("b", TEST)):
        folder = tmp_path / "sub-01" / f"ses-{session}" / "func"
        folder.mkdir(parents=True, exist_ok=True)
        for path in tiny.func.glob(f"*{run}_*"):
            path.rename(folder / path.name.replace("sub-01_", f"sub-01_ses-{session}_"))
    study = read_study(tmp_path)
    assert [run.name for run in study.runs] == [
        "sub-01_ses-a_task-Training_run-01",
        "sub-01_ses-b_task-Training_run-02",
        "sub-01_ses-b_task-Test_run-01",
    ]
    assert all(run.presentations[0].carry_in for run in study.runs)


def test_labels_lose_their_quotes(tiny: TinyStudy) -> None:
    tiny.edit(tiny.events(TRAIN), "jazz\t1", "'jazz'\t1")
    tiny.edit(tiny.events(TRAIN), "jazz\t2", "jazz'\t2")
    assert set(read_study(tiny.root).train_clips) == {jazz(1), jazz(2), jazz(3), jazz(4)}
    assert {clip.genre for clip in read_study(tiny.root).train_clips} == {"jazz"}


def test_stim_file(tiny: TinyStudy) -> None:
    header = "onset\tduration\tstim_file\tstart\tend\tgenre\tcaption"
    rows = [
        "0\t3\tjazz/jazz.00001.wav\tn/a\tn/a\tjazz\tA tune.",
        "2\t0\tn/a\tn/a\tn/a\tn/a\tn/a",  # a button was pressed
        "3\t3\t/stimuli/jazz/jazz.00002.wav\t1\tn/a\tn/a\tn/a",
        "6\t3\tbids::stimuli/don't stop.wav\t1\t4\tn/a\tn/a",
    ]
    tiny.write_events(TRAIN, [header, *rows])
    clips = [presentation.clip for presentation in read_study(tiny.root).runs[0].presentations]
    assert clips == [
        Clip("jazz/jazz.00001.wav", 0.0, 3.0),
        Clip("jazz/jazz.00002.wav", 1.0, 4.0),
        Clip("don't stop.wav", 1.0, 4.0),
    ]
    assert (clips[0].genre, clips[0].caption, clips[1].genre, clips[1].caption) == (
        "jazz",
        "A tune.",
        "",
        None,
    )
    assert clips[0].name == "jazz-jazz.00001.wav_0-3"


def test_stim_id(tiny: TinyStudy) -> None:
    library = [
        "stimulus_id\ttype\tfilename\tgenre",
        "stim-a\taudio\tjazz/a.wav\tjazz",
        "stim-b\tn/a\tn/a\tn/a",
    ]
    (tiny.root / "stimuli" / "stimuli.tsv").write_text("\n".join([*library, "stim-c\timage\tc.png\tn/a"]))
    tiny.write_events(TRAIN, ["onset\tduration\tstim_id", "0\t3\tstim-a", "1\t1\tstim-c", "3\t3\tstim-b"])
    first, second = [presentation.clip for presentation in read_study(tiny.root).runs[0].presentations]
    assert (first, first.genre) == (Clip("jazz/a.wav", 0.0, 3.0), "jazz")
    assert (second, second.genre) == (Clip("stim-b", 0.0, 3.0), "")
    tiny.edit(tiny.events(TRAIN), "stim-b", "stim-d")
    (presentation,) = read_study(tiny.root).runs[0].presentations  # a row at fault costs that row
    assert presentation.clip == first
    tiny.edit(tiny.events(TRAIN), "stim-a", "stim-e")
    with pytest.raises(InputError, match=r"line 2: stim_id 'stim-e' is not listed"):
        read_study(tiny.root)


def test_tasks_by_name(tiny: TinyStudy) -> None:
    for path in sorted(tiny.func.glob("*_task-T*")):
        renamed = path.name.replace("task-Training", "task-learn").replace("task-Test", "task-recall")
        path.rename(path.with_name(renamed))
    with pytest.raises(InputError, match="tasks: learn, recall"):
        read_study(tiny.root)
    with pytest.raises(InputError, match=r"no task 'Training'\. Choose among learn, recall"):
        read_study(tiny.root, train_task="Training", test_task="recall")
    named = read_study(tiny.root, train_task="learn", test_task="recall")
    assert [run.split for run in named.runs] == ["train", "train", "test"]
    assert {run.task for run in read_study(tiny.root, train_task="recall").runs} == {"recall"}


def test_one_task_is_all_training(tiny: TinyStudy) -> None:
    for path in tiny.func.glob("*_task-Training_*"):
        path.unlink()
    study = read_study(tiny.root)
    assert [run.split for run in study.runs] == ["train"]
    assert study.test_clips == ()


def test_other_tasks_are_left_alone(tiny: TinyStudy) -> None:
    tiny.write_image("task-rest", voxels(6))
    assert len(read_study(tiny.root).runs) == 3


def test_subjects(tiny: TinyStudy) -> None:
    tiny.copy_subject("02")
    assert read_study(tiny.root).subjects == ("01", "02")
    assert read_study(tiny.root, subjects=["sub-02"]).subjects == ("02",)
    with pytest.raises(InputError, match=r"no run of subject 03\. Choose among 01, 02"):
        read_study(tiny.root, subjects=["03"])


def test_simulated_studies_say_so(tiny: TinyStudy) -> None:
    for value, simulated in ((True, True), (False, False), ("yes", False)):
        description = {"Name": "Tiny", "BIDSVersion": "1.9.0", "Simulated": value}
        tiny.write_json("dataset_description.json", description)
        assert read_study(tiny.root).simulated is simulated


def test_metadata_alone(tiny: TinyStudy) -> None:
    for name in (TRAIN, OTHER, TEST):
        tiny.image(name).unlink()
    study = read_study(tiny.root, need_images=False)
    assert [(run.bold, run.n_volumes) for run in study.runs] == [(None, None)] * 3
    assert study.runs[0].presentations[0].volumes == range(2)
    with pytest.raises(InputError, match="only metadata"):
        read_study(tiny.root)


def test_other_images_are_no_runs(tiny: TinyStudy) -> None:
    for folder in ("sourcedata", "code", "derivatives/x"):
        path = tiny.root / folder / "sub-01" / "func" / f"sub-01_{TRAIN}_bold.nii.gz"
        tiny.write_image(TRAIN, voxels(6), path=path)
    assert len(group_run_files(index_bids(tiny.root), tiny.root)[0].raw) == 1


def test_index_opens_no_file(tiny: TinyStudy) -> None:
    before = [file.path for file in index_bids(tiny.root)]
    for path in before:
        path.write_bytes(b"\x00\xff")
    assert [file.path for file in index_bids(tiny.root)] == before


def test_events_with_windows_line_ends_and_byte_order_mark(tiny: TinyStudy) -> None:
    expected = read_study(tiny.root)
    text = tiny.events(TRAIN).read_text().replace("\n", "\r\n")
    tiny.events(TRAIN).write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\r\n")
    assert read_study(tiny.root) == expected


def test_events_may_stand_in_any_order(tiny: TinyStudy) -> None:
    expected = read_study(tiny.root)
    header, *rows = tiny.events(TRAIN).read_text().splitlines()
    assert header == HEADER
    tiny.write_events(TRAIN, [header, *reversed(rows)])
    assert read_study(tiny.root) == expected


@pytest.mark.real_data
def test_ds003720_is_read_exactly(real_data: Path) -> None:
    study = read_study(real_data / "ds003720", need_images=False)
    assert study.subjects == ("001", "002", "003", "004", "005")
    assert (len(study.runs), len(study.train_clips), len(study.test_clips)) == (90, 480, 60)
    assert not {clip.track for clip in study.train_clips} & {clip.track for clip in study.test_clips}
    for subject in study.subjects:
        for split, per_genre, repeats in (("train", 48, 1), ("test", 6, 4)):
            counts = Counter(
                presentation.clip
                for run in study.runs_of(subject, split)
                for presentation in run.presentations
                if not presentation.carry_in
            )
            assert set(counts.values()) == {repeats}
            assert set(Counter(clip.genre for clip in counts).values()) == {per_genre}
    for run in study.runs:
        assert run.tr == 1.5
        assert [presentation.carry_in for presentation in run.presentations] == [True] + [False] * 40
        assert [list(p.volumes) for p in run.presentations] == [list(range(i, i + 10)) for i in range(0, 410, 10)]


@pytest.mark.real_data
def test_ds003720_tracks(real_data: Path) -> None:
    study = read_study(real_data / "ds003720", subjects=["001"], need_images=False)
    assert Clip("blues.00017", 6.44, 21.44) in study.test_clips
    tracks = Counter(clip.track for clip in study.test_clips if clip.genre == "classical")
    assert sorted(tracks) == [f"classical.{n:05d}" for n in (7, 8, 25, 45, 71, 92)]
    assert {"classical.00037", "jazz.00058", "metal.00097"} <= {clip.track for clip in study.train_clips}


def test_a_subject_at_fault_costs_that_subject_and_is_told(tiny: TinyStudy) -> None:
    tiny.copy_subject("02")
    for image in (tiny.root / "sub-02").rglob("*_bold.nii.gz"):
        image.write_text("this was not downloaded")
    with pytest.warns(Brain2MusicWarning, match=r"sub-02 is left out: .*sub-02_.* not a readable NIfTI"):
        study = read_study(tiny.root)
    assert (study.subjects, study.all_subjects) == (("01",), ("01",))
    assert "sub-02 is left out" in study.remarks[0]
    with pytest.raises(InputError, match="sub-02_"):
        read_study(tiny.root, subjects=["02"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        alone = read_study(tiny.root, subjects=["01"])
    assert (alone.subjects, alone.all_subjects, alone.remarks) == (("01",), ("01", "02"), ())
    assert {finding.subject for finding in tiny.check() if finding.severity == "error"} == {"02"}


def test_a_fault_above_the_subjects_stops_the_study(tiny: TinyStudy) -> None:
    tiny.copy_subject("02")
    (tiny.root / "task-Training_bold.json").write_text("{")
    with pytest.raises(InputError, match=r"task-Training_bold\.json"):
        read_study(tiny.root)
