"""Layouts of real studies: which clips are read, with which genres, and which scans each is given."""

import hashlib
from pathlib import Path

import pytest

from brain2music.brain.load import load_responses
from brain2music.config import EventsConfig
from brain2music.study import Stimuli, read_study
from brain2music.study.bids import survey_study

from . import layouts
from .layouts import Layout, differences

pytestmark = pytest.mark.filterwarnings("ignore::brain2music.Brain2MusicWarning")
RAW = {"detrend": "none", "zscore": False}
WRITERS = {
    "ds000113": layouts.ds000113,
    "ds002725": layouts.ds002725,
    "ds003085": layouts.ds003085,
    "bep044": layouts.bep044,
    "one long piece": layouts.long_piece,
}


def settings_of(layout: Layout, **others: object) -> EventsConfig:
    return EventsConfig(**{**layout.settings, **others})


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Layout]:
    pytest.importorskip("av")
    folder = tmp_path_factory.mktemp("layouts")
    smaller = {"ds000113": {"subjects": ("01",), "n_runs": 2}, "one long piece": {"minutes": 8.0}}
    return {name: write(folder / name, **smaller.get(name, {})) for name, write in WRITERS.items()}


@pytest.mark.parametrize("method", ["linear", "sinc"])
@pytest.mark.parametrize("name", WRITERS)
def test_every_clip_is_given_the_scans_of_its_time(written: dict[str, Layout], name: str, method: str) -> None:
    layout = written[name]
    study = read_study(layout.root, events=settings_of(layout, resampling=method))
    assert {(clip.track, clip.start, clip.end) for clip in study.train_clips} == layout.clips
    assert study.subjects == tuple(layout.heard)
    for lag in (0, 2):
        responses = load_responses(study, study.subjects[0], "train", lag_tr=lag, **RAW)
        assert differences(layout, responses, lag=lag, sinc=method == "sinc") < 1e-3


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_inferred_is_said_and_nothing_is_wrong(written: dict[str, Layout], name: str) -> None:
    layout = written[name]
    findings = survey_study(layout.root, events=settings_of(layout)).findings
    assert {finding.severity for finding in findings} <= {"warning"}
    said = {finding.code for finding in findings}
    inferred = {"ds000113": {"column-inferred", "between-scans"}, "ds002725": {"durations-inferred", "column-inferred"}}
    assert inferred.get(name, set()) <= said
    if name != "ds000113":
        assert "pieces-cut" in said


def test_genres_and_artists_come_from_wherever_they_are(written: dict[str, Layout]) -> None:
    for name in ("ds000113", "ds002725"):
        layout = written[name]
        for clip in read_study(layout.root, events=settings_of(layout)).train_clips:
            assert clip.genre == layout.genres[clip.track]
            assert (clip.artist[:14] == "Generator, no.") == (name == "ds002725")


def test_stimuli_of_bep044_are_described_by_tables_sidecars_and_annotations(written: dict[str, Layout]) -> None:
    layout = written["bep044"]
    clips = {(clip.track, clip.start): clip for clip in read_study(layout.root, events=settings_of(layout)).train_clips}
    assert {clips["stim-song0", start].genre for start in (10.0, 20.0)} == {"ballad"}
    assert [clips["stim-song0", start].caption for start in (0.0, 20.0)] == ["guitars", "a voice alone"]
    assert (clips["stim-song1", 0.0].genre, clips["stim-song1", 0.0].artist) == ("jazz", "Band 1")
    tone = clips["tones/stim-tone01_audio.wav", 10.0]
    assert (tone.genre, tone.artist) == ("blues", "The Sidecars")
    film = clips["stim-bbb_part-1_audiovideo.mp4", 10.0]
    sound, rate = Stimuli(layout.root / "stimuli").waveform(film)
    assert (len(sound), rate, film.genre) == (160_000, 16_000, "film")
    findings = survey_study(layout.root, events=settings_of(layout)).findings
    assert [each.what for each in findings if "stimuli of type image: 16" in each.what]


def test_tasks_are_taken_for_pieces_where_no_table_names_any(tmp_path: Path) -> None:
    layout = layouts.ds003085(tmp_path / "study")
    for path in (layout.root / "sub-01" / "func").glob("*task-sad*"):
        path.unlink()
    study = read_study(layout.root)
    assert {clip.track for clip in study.train_clips} == {"happy"}
    assert "piece-inferred" in [finding.code for finding in survey_study(layout.root).findings]


@pytest.mark.real_data
def test_ds003720_is_cut_at_its_scans_as_ever(tmp_path: Path, real_data: Path) -> None:
    layout = layouts.ds003720(tmp_path / "study", real_data / "ds003720")
    study = read_study(layout.root)
    assert study.resampling == "none"
    assert study.cutting is None
    for resampling in ("none", "linear", "sinc"):
        read = read_study(layout.root, events=EventsConfig(resampling=resampling))
        for split in ("train", "test"):
            responses = load_responses(read, "001", split, lag_tr=3, **RAW)
            plain = load_responses(study, "001", split, lag_tr=3, **RAW)
            assert responses.data.tobytes() == plain.data.tobytes()
            assert responses.clips == plain.clips


@pytest.mark.real_data
def test_the_presentations_of_ds003720_are_those_they_were(real_data: Path) -> None:
    study = read_study(real_data / "ds003720", need_images=False)
    lines = [
        f"{run.name}\t{run.split}\t{each.clip.name}\t{each.clip.genre}\t{each.onset!r}\t{each.duration!r}"
        f"\t{each.volumes!r}\t{each.carry_in}"
        for run in study.runs
        for each in run.presentations
    ]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert (len(lines), digest[:16]) == (3690, "556f900aa4c72f2d")  # before pieces could be cut and responses resampled
