"""The generated run structure against ds003720's."""

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music.brain.load import load_responses
from brain2music.config import EventsConfig
from brain2music.simulation.brain import DESIGNS, read_truth, simulate
from brain2music.simulation.brain.dataset import plan_subjects
from brain2music.simulation.brain.design import PlannedRun, events_table, plan_runs, runs_of_study
from brain2music.simulation.brain.recordings import composed_lengths
from brain2music.simulation.brain.subject import SimulatedSubject
from brain2music.study import Clip, Presentation, check_study, read_study

from .conftest import SMALL

PUBLISHED = dict(DESIGNS)  # as they are, before a fixture makes "quick" smaller


def planned(name: str, seed: int = 0) -> tuple[PlannedRun, ...]:
    shape = PUBLISHED[name]
    return plan_runs(shape, composed_lengths(shape.n_clips, shape.track_s), np.random.default_rng(seed))


def pattern(run: PlannedRun) -> list[int]:
    """A run's clips as numbers in order of first appearance."""
    seen: dict[object, int] = {}
    return [seen.setdefault(shown.clip, len(seen)) for shown in run.presentations]


@pytest.mark.parametrize(("name", "train", "test"), [("ds003720", 480, 60)])
def test_counts_are_those_of_the_real_study(name: str, train: int, test: int) -> None:
    runs = planned(name)
    clips = {split: [clip for run in runs if run.split == split for clip in run.clips] for split in ("train", "test")}
    assert len(clips["train"]) == len(set(clips["train"])) == train
    assert len(clips["test"]) == len(set(clips["test"])) == test
    assert set(Counter(clip.genre for clip in clips["train"]).values()) == {48}
    assert set(Counter(clip.genre for clip in clips["test"]).values()) == {6}
    assert len({clip.track for part in clips.values() for clip in part}) == train + test
    assert all(clip.end - clip.start == pytest.approx(15) and clip.end <= 30 for clip in clips["train"])


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_carry_ins_make_a_ring_and_test_clips_come_in_one_order(name: str) -> None:
    runs = planned(name)
    train = [run for run in runs if run.split == "train"]
    for before, run in zip([train[-1], *train], train, strict=False):
        assert run.presentations[0].clip == before.presentations[-1].clip
        assert [shown.carry_in for shown in run.presentations] == [True] + [False] * (len(run.presentations) - 1)
    for run in runs[len(train) :]:
        shown = [presentation.clip for presentation in run.presentations]
        assert shown[0] == shown[-1]
        assert shown[1:] == shown[1:11] * 4
        assert len({clip.genre for clip in shown}) == 10


def test_another_seed_gives_other_excerpts_and_the_same_seed_the_same() -> None:
    assert planned("quick", 1) == planned("quick", 1)
    assert planned("quick", 1) != planned("quick", 2)


@pytest.mark.real_data
def test_structure_equals_the_real_runs(real_data: Path) -> None:
    study = read_study(real_data / "ds003720", need_images=False)
    real, generated = runs_of_study(study, "001"), planned("ds003720")
    assert [(run.task, run.label, run.split, run.tr, run.n_volumes) for run in generated] == [
        (run.task, run.label, run.split, run.tr, run.n_volumes) for run in real
    ]
    for run, real_run in zip(generated, real, strict=True):
        assert pattern(run) == pattern(real_run)
        assert [(p.onset, p.duration, p.volumes, p.carry_in) for p in run.presentations] == [
            (p.onset, p.duration, p.volumes, p.carry_in) for p in real_run.presentations
        ]


def test_events_are_read_back_as_planned(study_folder: Path, subject: SimulatedSubject) -> None:
    read = runs_of_study(read_study(study_folder), "001")
    assert [run.presentations for run in read] == [run.presentations for run in subject.runs]
    assert [run.n_volumes for run in read] == [run.n_volumes for run in subject.runs]
    genres = [[shown.clip.genre for shown in run.presentations] for run in read]
    assert genres == [[shown.clip.genre for shown in run.presentations] for run in subject.runs]


@pytest.mark.parametrize("tr", [0.8, 1.5, 2.0, 2.4])
def test_clips_last_15_s_whether_or_not_that_is_a_whole_number_of_scans(tr: float) -> None:
    shape = replace(PUBLISHED["quick"], tr=tr)
    for run in plan_runs(shape, composed_lengths(shape.n_clips, 30.0), np.random.default_rng(0)):
        assert [each.onset for each in run.presentations] == [15.0 * i for i in range(len(run.presentations))]
        for each in run.presentations:
            assert each.duration == 15
            assert each.clip.duration == pytest.approx(15)
            assert abs(each.volumes.start * tr - each.onset) <= tr / 2 + 1e-9  # its first scan is the nearest one
        assert {len(each.volumes) for each in run.presentations} == {math.floor(15 / tr + 0.5)}
        assert 0 <= run.n_volumes * tr - 15 * len(run.presentations) < 1.5 * tr


def test_a_study_with_a_tr_of_2_s_is_read_as_planned(music: Path, tmp_path: Path) -> None:
    simulate(tmp_path / "study", stimuli=music, tr=2.0, seed=3, n_jobs=1)
    planned = plan_subjects(["001"], replace(SMALL, tr=2.0), 3, music=music)[0]
    nearest = read_study(tmp_path / "study", events=EventsConfig(resampling="none"))
    read = runs_of_study(nearest, "001")
    assert [run.presentations for run in read] == [run.presentations for run in planned]
    assert [(run.tr, run.n_volumes) for run in read] == [(2.0, run.n_volumes) for run in planned]
    responses = load_responses(nearest, "001", "test")
    assert (responses.tr, responses.n_scans) == (2.0, 8)
    study = read_study(tmp_path / "study")  # clips of 15 s begin between scans: seven whole scans are interpolated
    assert study.resampling == "linear"
    assert [finding.code for finding in check_study(study.root)] == ["between-scans"]
    assert load_responses(study, "001", "test").n_scans == 7
    assert read_truth(study.root, "001").settings["tr"] == 2.0


@pytest.mark.parametrize(("settings", "problem"), [({"tr": 0.0}, "TR of 0 s"), ({"tr": 16.0}, "TR of 16 s")])
def test_trs_that_cannot_be_simulated_are_refused(settings: dict[str, float], problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=problem):
        simulate(tmp_path / "study", **settings)
    with pytest.raises(InputError, match="a TR is given with events"):
        simulate(tmp_path / "study", tr=2.0, events=tmp_path)


def test_names_that_are_no_numbers_stay_names() -> None:
    clips = [Clip("jazz.00007", 0.5, 15.5, "jazz"), Clip("jazz.so-what", 1.0, 16.0, "jazz")]
    shown = tuple(Presentation(clip, 15.0 * i, 15.0, range(10 * i, 10 * i + 10)) for i, clip in enumerate(clips))
    text = events_table(PlannedRun("Test", "01", "test", 1.5, 20, shown))
    assert text.splitlines()[1:] == ["0\t15\tjazz\t7\t0.5\t15.5", "15\t15\tjazz\tjazz.so-what\t1\t16"]


def test_uneven_genres_are_dealt_until_they_run_out() -> None:
    shape = PUBLISHED["quick"]
    tracks = {"many": {f"many.{i:05d}": 20.0 for i in range(130)}, "few": {f"few.{i:05d}": 20.0 for i in range(10)}}
    runs = plan_runs(shape, tracks, np.random.default_rng(0))
    assert len({shown.clip.track for run in runs for shown in run.presentations}) == 140


def test_too_little_music_is_refused() -> None:
    tracks = {"jazz": {f"jazz.{i:05d}": 14.9 if i else 30.0 for i in range(200)}}
    with pytest.raises(InputError, match="1 tracks last 15 s or more where the design needs 140"):
        plan_runs(PUBLISHED["quick"], tracks, np.random.default_rng(0))


def test_runs_without_images_get_the_volumes_that_their_events_need(study_folder: Path) -> None:
    study = read_study(study_folder)
    blind = tuple(replace(run, n_volumes=None, bold=None) for run in study.runs)
    assert [run.n_volumes for run in runs_of_study(replace(study, runs=blind), "001")] == [110, 110, 410]


def test_runs_that_any_entity_tells_apart_keep_names_of_their_own(tmp_path: Path) -> None:
    """Events of two sessions and two directions, of one run number, are four runs to simulate."""
    for session in ("a", "b"):
        func = tmp_path / "sub-01" / f"ses-{session}" / "func"
        func.mkdir(parents=True)
        for direction in ("AP", "PA"):
            name = f"sub-01_ses-{session}_task-Training_dir-{direction}_run-1"
            lines = ["onset\tduration\tgenre\ttrack\tstart\tend", "0\t15\tjazz\t1\t0\t15"]
            (func / f"{name}_events.tsv").write_text("\n".join(lines) + "\n")
            (func / f"{name}_bold.json").write_text('{"RepetitionTime": 1.5}')
    (tmp_path / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.9.0"}')
    runs = runs_of_study(read_study(tmp_path, need_images=False), "01")
    assert [run.name for run in runs] == [
        f"ses-{session}_task-Training_dir-{direction}_run-1" for session in "ab" for direction in ("AP", "PA")
    ]
