"""The study on disk: BIDS that the reader reads, the same bytes from the same seed, complete or absent."""

import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest

from brain2music._utils.errors import InputError
from brain2music._utils.files import digest_file
from brain2music.brain.mask import choose_mask
from brain2music.brain.roi import find_dseg, label_voxels
from brain2music.simulation.brain import StudyDesign, read_truth, simulate
from brain2music.simulation.brain.images import SLOPE, write_bold
from brain2music.simulation.brain.recordings import catalogue, compose_counts
from brain2music.simulation.brain.subject import SimulatedSubject
from brain2music.study import Clip, check_study, read_study

from .conftest import write_tones


def digests(root: Path) -> dict[str, str]:
    """Every file below a folder and the digest of its bytes."""
    return {str(path.relative_to(root)): digest_file(path) for path in sorted(root.rglob("*")) if path.is_file()}


def test_the_reader_reads_it(study_folder: Path) -> None:
    study = read_study(study_folder)
    assert study.simulated
    assert "imulated" in study.name
    assert study.subjects == ("001",)
    assert (len(study.train_clips), len(study.test_clips)) == (20, 10)
    assert study.stimuli == study_folder / "stimuli"
    assert [run.n_volumes for run in study.runs] == [110, 110, 410]


def test_the_layout_of_extension_proposal_44_has_the_same_scans(
    study_folder: Path, music: Path, tmp_path: Path
) -> None:
    simulate(tmp_path / "study", stimuli=music, seed=3, layout="bep044", n_jobs=1)
    plain, study = read_study(study_folder), read_study(tmp_path / "study")
    assert [finding for finding in check_study(tmp_path / "study") if finding.severity == "error"] == []
    assert [run.name for run in study.runs] == [run.name for run in plain.runs]
    for one, other in zip(plain.runs, study.runs, strict=True):
        assert (one.bold and other.bold) is not None
        assert digest_file(one.bold) == digest_file(other.bold)
        pairs = list(zip(one.presentations, other.presentations, strict=True))
        assert all((a.onset, a.clip.start, a.clip.genre) == (b.onset, b.clip.start, b.clip.genre) for a, b in pairs)
        assert {f"stim-{a.clip.track.replace('.', '')}" == b.clip.track for a, b in pairs} == {True}
        assert [a.carry_in for a, _ in pairs] == [b.carry_in for _, b in pairs]
    truth = read_truth(tmp_path / "study", "001")
    assert truth.settings["layout"] == "bep044"
    assert not list((tmp_path / "study" / "stimuli").glob("*/"))
    with pytest.raises(InputError, match="a layout is given with events"):
        simulate(tmp_path / "other", stimuli=music, events=study_folder, layout="bep044")


def test_the_checker_finds_nothing_wrong(study_folder: Path) -> None:
    assert [str(finding) for finding in check_study(study_folder) if finding.severity == "error"] == []


def test_simulated_is_said_wherever_one_looks(study_folder: Path) -> None:
    for description in (study_folder, study_folder / "derivatives" / "simulation"):
        description_of = json.loads((description / "dataset_description.json").read_text())
        assert description_of["Simulated"] is True
        assert "imulated" in description_of["Name"]
    assert "simulated" in (study_folder / "README").read_text()
    for sidecar in study_folder.glob("sub-*/func/*_bold.json"):
        assert json.loads(sidecar.read_text())["Simulated"] is True


def test_images_have_the_header_that_scanners_give(study_folder: Path, subject: SimulatedSubject) -> None:
    image = nibabel.load(study_folder / "sub-001/func/sub-001_task-Test_run-01_bold.nii.gz")
    assert image.get_data_dtype() == np.int16
    assert image.header.get_zooms()[3] == pytest.approx(1.5)
    assert image.header.get_xyzt_units() == ("mm", "sec")
    assert image.shape == (*subject.brain.mask.shape, 410)
    np.testing.assert_allclose(image.affine, subject.brain.affine)
    data = image.get_fdata(dtype=np.float32)
    np.testing.assert_array_equal(data[subject.brain.mask].T, subject.scans(2) * np.float32(SLOPE))
    assert not data[~subject.brain.mask].any()


def test_masks_and_regions_are_found_by_the_brain_side(study_folder: Path, subject: SimulatedSubject) -> None:
    study = read_study(study_folder)
    space = choose_mask(study, "001")
    assert space.mask.sum() == subject.brain.grey.sum()
    dseg = find_dseg(study, "001")
    assert dseg is not None
    labelled = label_voxels(space, dseg)
    truth = read_truth(study_folder, "001")
    assert labelled.roi == tuple(truth.table["roi"])


def test_truth_gives_the_very_responses(study_folder: Path, subject: SimulatedSubject) -> None:
    """Noiseless responses computed anew, by plain convolution, from what is on disk."""
    truth = read_truth(study_folder, "001")
    run = read_study(study_folder).runs[0]
    drive = np.concatenate([truth.features[shown.clip.name] for shown in run.presentations])
    responsive = truth.table[truth.table["family"] != "none"]
    assert len(responsive) == len(truth.weights)
    for row in range(0, len(responsive), 11):
        response = np.convolve(drive @ truth.weights[row], truth.hrf[row])
        scans = np.round((np.arange(110) * 1.5 - responsive["delay_s"].iloc[row]) * truth.rate).astype(int)
        expected = np.where(scans >= 0, response[np.clip(scans, 0, len(drive) - 1)], response[0])
        signal = subject.signal(0)[:, row]
        np.testing.assert_allclose(signal, expected, atol=1e-3 * signal.std())


def test_truth_tells_of_every_grey_voxel(study_folder: Path, subject: SimulatedSubject) -> None:
    truth = read_truth(study_folder, "001")
    table, grey = truth.table, subject.brain.grey
    np.testing.assert_array_equal(table[["i", "j", "k"]], np.argwhere(subject.brain.mask)[grey])
    silent = table[table["family"] == "none"]
    assert (silent["ceiling_mean"] == 0).all()
    assert silent["delay_s"].isna().all()
    responsive = table[table["family"] != "none"]
    assert (responsive["ceiling_mean"] > responsive["ceiling"]).all()
    assert responsive["peak_s"].between(2.0, 9.0).all()
    ceiling = nibabel.load(next(study_folder.rglob("*_stat-ceiling_*_statmap.nii.gz"))).get_fdata()
    np.testing.assert_allclose(ceiling[tuple(table[["i", "j", "k"]].T.to_numpy())], table["ceiling_mean"], rtol=1e-6)
    assert truth.settings["seed"] == 3


def test_truth_of_something_else_is_refused(study_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a simulated study"):
        read_truth(tmp_path, "001")
    with pytest.raises(InputError, match="sub-999"):
        read_truth(study_folder, "999")


def test_same_seed_same_bytes_however_many_jobs(study_folder: Path, music: Path, tmp_path: Path) -> None:
    simulate(tmp_path / "again", stimuli=music, seed=3, n_jobs=3)
    assert digests(tmp_path / "again") == digests(study_folder)


def test_another_seed_gives_another_brain(study_folder: Path, music: Path, tmp_path: Path) -> None:
    simulate(tmp_path / "other", stimuli=music, seed=4)
    bold = "sub-001/func/sub-001_task-Test_run-01_bold.nii.gz"
    assert digest_file(tmp_path / "other" / bold) != digest_file(study_folder / bold)


def test_real_events_are_copied_byte_by_byte_and_subjects_differ(
    study_folder: Path, music: Path, tmp_path: Path
) -> None:
    """Events in ds003720's hand: quoted labels, one of them malformed, and carriage returns."""
    shutil.copytree(
        study_folder, tmp_path / "real", ignore=shutil.ignore_patterns("derivatives", "stimuli", "*.nii.gz")
    )
    for events in (tmp_path / "real").rglob("*_events.tsv"):
        table = pd.read_csv(events, sep="\t", dtype=str)
        table["genre"] = [f"'{genre}'" if row else f"{genre}'" for row, genre in enumerate(table["genre"])]
        events.write_bytes(table.to_csv(sep="\t", index=False).rstrip("\n").replace("\n", "\r\n").encode())
    simulate(tmp_path / "out", events=tmp_path / "real", stimuli=music, n_subjects=2)
    real = {path.name: digest_file(path) for path in (tmp_path / "real").rglob("*_events.tsv")}
    for subject in ("001", "002"):
        copied = (tmp_path / "out" / f"sub-{subject}").rglob("*_events.tsv")
        assert {path.name.replace("002", "001"): digest_file(path) for path in copied} == real
    study = read_study(tmp_path / "out")
    assert study.train_clips == read_study(study_folder).train_clips
    bold = [digest_file(run.bold) for run in study.runs if run.bold is not None]
    assert len(bold) == len(set(bold)) == 6


def test_motion_moves_the_head_and_is_written(
    study_folder: Path, music: Path, subject: SimulatedSubject, tmp_path: Path
) -> None:
    simulate(tmp_path / "moving", stimuli=music, seed=3, motion=True)
    confounds = sorted((tmp_path / "moving").rglob("*_desc-confounds_timeseries.tsv"))
    assert len(confounds) == 3
    moved = pd.read_csv(confounds[0], sep="\t")
    assert list(moved)[:6] == [*(f"a_comp_cor_{k:02d}" for k in range(5)), "cosine00"]
    assert list(moved)[-6:] == ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]
    assert (moved.iloc[0, -6:] == 0).all()
    assert 0 < moved["trans_x"].abs().max() < 3
    assert moved["rot_x"].abs().max() < 0.05
    bold = "sub-001/func/sub-001_task-Test_run-01_bold.nii.gz"
    still, moving = (nibabel.load(root / bold).get_fdata() for root in (study_folder, tmp_path / "moving"))
    np.testing.assert_array_equal(still[..., 0], moving[..., 0])
    assert (still[..., -1] != moving[..., -1]).any()


def test_a_voxel_of_motion_is_a_voxel_of_shift(subject: SimulatedSubject, tmp_path: Path) -> None:
    scans = np.stack([subject.scans(0)[0]] * 2)
    motion = np.zeros((2, 6))
    motion[1, 1] = 8.0
    write_bold(tmp_path / "moved.nii.gz", scans, subject.brain, 1.5, motion)
    still, moved = np.moveaxis(np.asarray(nibabel.load(tmp_path / "moved.nii.gz").dataobj), 3, 0)
    np.testing.assert_allclose(moved[:, 1:], still[:, :-1], atol=SLOPE)


def test_music_of_any_name_can_be_given(tmp_path: Path, rng: np.random.Generator) -> None:
    names = [f"take {i}.flac" for i in range(8)] + [f"{i}.ogg" for i in range(4)] + [f"Solo {i}!.wav" for i in range(3)]
    for genre in ("Ragtime", "free-jazz"):
        for name in names:
            write_tones(tmp_path / "music" / genre / name, rng)
    simulate(tmp_path / "out", stimuli=tmp_path / "music")
    study = read_study(tmp_path / "out")
    assert {clip.genre for clip in study.train_clips} == {"Ragtime", "free-jazz"}
    assert {"Ragtime.00003", "Ragtime.take-7"} <= {clip.track for clip in (*study.train_clips, *study.test_clips)}
    assert not [finding for finding in check_study(tmp_path / "out") if finding.severity == "error"]
    assert "late.mfcc00" in read_truth(tmp_path / "out", "001").feature_names


def test_labels_of_given_music_are_heard(music: Path, tmp_path: Path) -> None:
    shutil.copytree(music, tmp_path / "music")
    rows = [(track, "calm" if number % 2 else "wild", "piano; drums") for number, track in enumerate(_tracks(music))]
    table = pd.DataFrame(rows, columns=["track", "mood", "instruments"])
    table.to_csv(tmp_path / "music" / "truth.tsv", sep="\t", index=False)
    simulate(tmp_path / "out", stimuli=tmp_path / "music")
    names = read_truth(tmp_path / "out", "001").feature_names
    assert {"late.mood.calm", "late.mood.wild", "late.instruments.drums"} <= set(names)
    table.drop(columns="mood").to_csv(tmp_path / "music" / "truth.tsv", sep="\t", index=False)
    with pytest.raises(InputError, match=r"truth\.tsv: the truth table has no column mood"):
        simulate(tmp_path / "bad", stimuli=tmp_path / "music")
    assert not list(tmp_path.glob("*bad*"))


@pytest.mark.slow
def test_without_music_it_is_composed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from brain2music.simulation.brain import design

    tiny = StudyDesign(train_runs=2, train_clips=5, test_runs=1, test_clips=5, repeats=2, resolution_mm=12.0, snr=1.0)
    monkeypatch.setitem(design.DESIGNS, "quick", tiny)
    seen: list[tuple[int, int]] = []
    simulate(tmp_path / "out", n_jobs=1, progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == list(range(1, seen[-1][1] + 1))
    assert (tmp_path / "out/stimuli/truth.tsv").is_file()
    assert any(name.startswith("late.mood.") for name in read_truth(tmp_path / "out", "001").feature_names)


def test_nothing_half_written_is_left(music: Path, tmp_path: Path) -> None:
    shutil.copytree(music, tmp_path / "music")
    for path in (tmp_path / "music").rglob("*.00001.wav"):
        path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(InputError):
        simulate(tmp_path / "out", stimuli=tmp_path / "music")
    assert [path.name for path in tmp_path.iterdir()] == ["music"]


def test_a_folder_in_use_is_left_alone(study_folder: Path, music: Path, tmp_path: Path) -> None:
    before = digests(study_folder)
    with pytest.raises(InputError, match="not empty"):
        simulate(study_folder, stimuli=music)
    assert digests(study_folder) == before
    (tmp_path / "empty").mkdir()
    simulate(tmp_path / "empty", stimuli=music, seed=3)
    assert digests(tmp_path / "empty") == before


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_subjects": 0}, "0 subjects"),
        ({"resolution_mm": 50.0}, "50 mm"),
        ({"snr": -1.0}, "-1 is no signal-to-noise"),
        ({"stimuli": "/nowhere"}, "no such folder"),
    ],
)
def test_impossible_wishes_are_refused(wrong: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        simulate(tmp_path / "out", **wrong)
    assert not list(tmp_path.iterdir())


def test_catalogue_refuses_what_it_cannot_name(tmp_path: Path, rng: np.random.Generator) -> None:
    with pytest.raises(InputError, match="no music"):
        catalogue(tmp_path)
    write_tones(tmp_path / "jazz" / "jazz.00001.wav", rng, 1.0)
    write_tones(tmp_path / "jazz" / "1.wav", rng, 1.0)
    with pytest.raises(InputError, match=r"both track jazz\.00001"):
        catalogue(tmp_path)


def test_catalogue_names_music_of_any_script(tmp_path: Path, rng: np.random.Generator) -> None:
    for name in ("夜.wav", "朝.wav", "a song!.wav", "a song?.wav", "plain song.wav"):
        write_tones(tmp_path / "jazz" / name, rng, 1.0)
    files = catalogue(tmp_path)["jazz"]
    assert len({track.casefold() for track in files}) == 5
    assert {"jazz.夜", "jazz.朝", "jazz.plain-song"} < set(files)


def test_composing_needs_numbers() -> None:
    clips = [Clip("jazz.00004", 0.0, 15.0, "jazz"), Clip("rock.00001", 0.0, 15.0, "rock")]
    assert compose_counts(clips) == {"jazz": 5, "rock": 2}
    with pytest.raises(InputError, match="no music can be composed for 'stim-3'"):
        compose_counts([Clip("stim-3", 0.0, 15.0)])


def _tracks(music: Path) -> list[str]:
    return [track for pool in catalogue(music).values() for track in pool]
