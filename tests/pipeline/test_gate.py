"""The gate: what `check` reports and `run` refuses is the same, and is found before anything is computed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
import soundfile

from brain2music._utils.errors import Brain2MusicWarning, InputError, LeakageError
from brain2music.brain.arrays import read_arrays_study
from brain2music.brain.source import BidsSource
from brain2music.gallery.build import build_gallery
from brain2music.metrics.records import OWN, read_scores, select_scores
from brain2music.models.embedders import get_embedder
from brain2music.pipeline.check import check_arrays, check_bids
from brain2music.pipeline.refits import about_p
from brain2music.pipeline.run import run_pipeline
from brain2music.report.page import build_report
from brain2music.study.finding import Finding
from tests.pipeline.tiny_config import CONFIG
from tests.study.tiny_study import TR, TinyStudy, voxels

TRAIN, OTHER, TEST = "task-Training_run-01", "task-Training_run-02", "task-Test_run-01"
Fault = Callable[[TinyStudy, Path], dict]
FAULTS: dict[str, tuple[str, Fault]] = {}


@pytest.fixture
def study(tmp_path: Path) -> TinyStudy:
    study = TinyStudy(tmp_path / "study")
    study.add_mask()
    return study


def check_raw(*args: Any) -> list[Finding]:
    """What is found, but for the images being raw."""
    return [each for each in check_bids(*args) if each.code != "motion-uncorrected"]


def fault(code: str) -> Callable[[Fault], Fault]:
    """Register a way to stop a run: it breaks a study and returns the settings to try it with."""

    def register(breaks: Fault) -> Fault:
        FAULTS[breaks.__name__] = (code, breaks)
        return breaks

    return register


@fault("leak")
def a_training_clip_is_a_test_clip(study: TinyStudy, folder: Path) -> dict:
    study.edit(study.events(TRAIN), "\tjazz\t1\t", "\tjazz\t5\t")
    return {}


@fault("test-clips-few")
def a_single_test_clip(study: TinyStudy, folder: Path) -> dict:
    for onset in (3, 9):
        study.edit(study.events(TEST), f"{onset}\t3\tjazz\t5\t", f"{onset}\t3\tjazz\t6\t")
    return {}


@fault("decoder-unknown")
def a_decoder_of_no_known_name(study: TinyStudy, folder: Path) -> dict:
    return {"compare_decoders": ("rigde",)}


@fault("embedding-unusable")
def a_judge_of_no_known_name(study: TinyStudy, folder: Path) -> dict:
    return {"further_embeddings": ("logmal",)}


@fault("generator-unusable")
def a_generator_that_is_not_there(study: TinyStudy, folder: Path) -> dict:
    return {"generator": "no-such-model"}


@fault("generator-unfit")
def a_generator_of_another_embedding(study: TinyStudy, folder: Path) -> dict:
    return {"generator": "musiclm-small"}


@fault("captions-unusable")
def captions_that_are_not_there(study: TinyStudy, folder: Path) -> dict:
    return {"captions": str(folder / "captions.csv")}


@fault("captions-missing")
def captions_that_lack_a_clip(study: TinyStudy, folder: Path) -> dict:
    (folder / "captions.csv").write_text("ID,DescEN\njazz.00001,slow\n")
    return {"captions": str(folder / "captions.csv")}


@fault("track-index-unusable")
def an_index_that_is_not_there(study: TinyStudy, folder: Path) -> dict:
    return {"track_index": str(folder / "index.txt")}


@fault("confounds-unusable")
def confounds_of_no_such_name(study: TinyStudy, folder: Path) -> dict:
    for image in study.func.glob("*_bold.nii.gz"):
        n = nibabel.load(image).shape[3]
        table = image.with_name(image.name.replace("_bold.nii.gz", "_desc-confounds_timeseries.tsv"))
        table.write_text("\n".join(["rot_x", *map(str, range(n))]) + "\n")
    return {"confounds": ("trans_x",)}


@fault("windows-unfit")
def a_window_of_more_scans_than_clips_have(study: TinyStudy, folder: Path) -> dict:
    return {"scans_per_window": 3}


@fault("audio-missing")
def a_recording_that_is_not_there(study: TinyStudy, folder: Path) -> dict:
    study.track(1).unlink()
    return {}


@fault("image-truncated")
def an_image_that_breaks_off(study: TinyStudy, folder: Path) -> dict:
    image = study.image(TEST)
    image.write_bytes(image.read_bytes()[:-40])
    return {}


@fault("mask-unusable")
def a_mask_of_nothing(study: TinyStudy, folder: Path) -> dict:
    mask = study.root / "derivatives" / "masks" / "sub-01" / "anat" / "sub-01_desc-brain_mask.nii.gz"
    study.write_image("", np.zeros((3, 4, 5), np.uint8), path=mask)
    return {}


@fault("output-unusable")
def an_output_that_is_a_file(study: TinyStudy, folder: Path) -> dict:
    (folder / "out").write_text("mine")
    return {}


@fault("output-foreign")
def an_output_that_is_another_data_set(study: TinyStudy, folder: Path) -> dict:
    (folder / "out").mkdir()
    (folder / "out" / "dataset_description.json").write_text('{"Name": "Somebody\'s"}')
    return {}


@pytest.mark.parametrize("name", FAULTS)
def test_check_reports_what_run_refuses_before_the_work(
    name: str, study: TinyStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, breaks = FAULTS[name]
    config = CONFIG.changed(**breaks(study, tmp_path))
    monkeypatch.setattr("brain2music.pipeline.run.SubjectContext", lambda *_: pytest.fail("something was computed"))
    reported = [each for each in check_bids(study.root, config, tmp_path / "out") if each.severity == "error"]
    assert code in {each.code for each in reported}
    with pytest.raises(InputError) as refused:
        run_pipeline(BidsSource.read(study.root, config), tmp_path / "out", config)
    assert str(refused.value) in {str(each.as_error()) for each in reported}
    assert isinstance(refused.value, LeakageError) == (code == "leak")


def test_a_study_without_fault_passes_and_runs(study: TinyStudy, tmp_path: Path) -> None:
    assert check_raw(study.root, CONFIG, tmp_path / "out") == []
    run_pipeline(BidsSource.read(study.root, CONFIG), tmp_path / "out", CONFIG)
    assert check_raw(study.root, CONFIG, tmp_path / "out") == []  # its own outputs may lie there


def test_windows_that_are_longer_than_clips_are_told(study: TinyStudy) -> None:
    found = check_raw(study.root, CONFIG.changed(window_s=4.0), None)
    assert [(each.code, each.severity) for each in found] == [("windows-long", "warning")]
    assert "clips of 3 s are shorter than the windows of logmel, 4 s" in found[0].what


@pytest.mark.parametrize("place", ["OUT", "results/first", "derivatives/brain2music"])
def test_outputs_may_lie_in_a_folder_of_their_own_in_the_study(place: str, study: TinyStudy) -> None:
    assert check_raw(study.root, CONFIG, study.root / place) == []


@pytest.mark.parametrize("place", ["", "sub-01/out", "stimuli", "stimuli/jazz/out", "sourcedata/out"])
def test_outputs_never_lie_among_inputs(place: str, study: TinyStudy) -> None:
    found = check_bids(study.root, CONFIG, study.root / place)
    assert "output-is-input" in {each.code for each in found if each.severity == "error"}


def test_a_full_disk_is_told_before_the_work(study: TinyStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(InputError, match=r"will be written, and 1\.0 kB are free"):
        run_pipeline(BidsSource.read(study.root, CONFIG), tmp_path / "out", CONFIG)
    assert not (tmp_path / "out").exists()


def test_a_gallery_of_nothing_but_the_stimuli_or_of_music_that_is_gone_is_refused(
    study: TinyStudy, tmp_path: Path
) -> None:
    music = tmp_path / "music"
    shutil.copytree(study.root / "stimuli", music)
    for number in range(1, 5):
        (music / "jazz" / f"jazz.{number:05d}.wav").unlink()  # those of the test clips remain
    build_gallery(music, tmp_path / "gallery", get_embedder("logmel", 1.5))
    shutil.rmtree(music)
    found = check_bids(study.root, CONFIG, None, galleries=[tmp_path / "gallery"])
    assert {"gallery-empty", "gallery-moved"} <= {each.code for each in found if each.severity == "error"}
    other = CONFIG.changed(embeddings=("mfcc-chroma",))
    found = check_bids(study.root, other, None, galleries=[tmp_path / "gallery"])
    assert [each.severity for each in found if each.code == "gallery-unused"] == ["warning"]


def add_subject(study: TinyStudy, label: str) -> None:
    """Another subject with the responses of the first."""
    for folder in (study.root, study.root / "derivatives" / "masks"):
        shutil.copytree(folder / "sub-01", folder / f"sub-{label}")
        for path in sorted((folder / f"sub-{label}").rglob("sub-01*")):
            path.rename(path.with_name(path.name.replace("sub-01", f"sub-{label}")))


def break_image(study: TinyStudy) -> None:
    """The voxels of a scan of sub-02 are cut off, which no header tells."""
    image = study.root / "sub-02" / "func" / f"sub-02_{TEST}_bold.nii.gz"
    image.write_bytes(image.read_bytes()[:-40])


def slow_down(study: TinyStudy) -> None:
    """The scans of sub-02 take longer than those of sub-01."""
    for name, count in ((TRAIN, 6), (OTHER, 6), (TEST, 10)):
        start = study.root / "sub-02" / "func" / f"sub-02_{name}_bold"
        start.with_suffix(".json").write_text(json.dumps({"RepetitionTime": 2 * TR / 3}))
        study.write_image("", voxels(3 * count // 2), tr=2 * TR / 3, path=start.with_suffix(".nii.gz"))


@pytest.mark.parametrize("breaks", [break_image, slow_down])
def test_a_subject_at_fault_costs_that_subject(
    breaks: Callable[[TinyStudy], None], study: TinyStudy, tmp_path: Path
) -> None:
    add_subject(study, "02")
    breaks(study)
    found = check_bids(study.root, CONFIG, tmp_path / "out")
    assert {each.severity for each in found} == {"warning"}
    assert any("sub-02 is left out" in each.what for each in found)
    with pytest.warns(Brain2MusicWarning, match="sub-02 is left out"):
        outputs = run_pipeline(BidsSource.read(study.root, CONFIG), tmp_path / "out", CONFIG)
    record = json.loads(outputs.study.read_text())
    assert record["subjects"] == ["01"]
    assert any("sub-02 is left out" in line for line in record["warnings"])


def test_a_subject_at_fault_that_is_asked_for_is_refused(study: TinyStudy, tmp_path: Path) -> None:
    add_subject(study, "02")
    break_image(study)
    for labels in (["02"], ["sub-01", "sub-02"]):
        assert any(each.severity == "error" for each in check_bids(study.root, CONFIG, None, labels))
        source = BidsSource.read(study.root, CONFIG, subjects=labels)
        with pytest.raises(InputError, match="sub-02"):
            run_pipeline(source, tmp_path / "out", CONFIG, subjects=labels)
    assert check_raw(study.root, CONFIG, None, ["01"]) == []


def arrays(folder: Path, **subjects: np.ndarray) -> Path:
    """A study of arrays: twelve sounds, a voxel by clips array a subject."""
    (folder / "snd").mkdir()
    for number in range(12):
        noise = np.random.default_rng(number).uniform(-0.5, 0.5, 16_000)
        soundfile.write(folder / "snd" / f"s{number:02d}.wav", noise, 8000)
    (folder / "list.tsv").write_text("file\n" + "".join(f"s{number:02d}.wav\n" for number in range(12)))
    text = (
        'name = "toy"\ntr = 2.0\naxes = ["clips", "voxels"]\nn_outer_folds = 3\n'
        '[stimuli]\nfade_s = 0.1\nfolder = "snd"\ntable = "list.tsv"\n'
    )
    for label, data in subjects.items():
        np.save(folder / f"{label}.npy", data)
        text += f'[[subjects]]\nlabel = "{label}"\ntrain = {{ file = "{label}.npy" }}\n'
    (folder / "arrays.toml").write_text(text)
    return folder / "arrays.toml"


def test_arrays_pass_the_same_gate(tmp_path: Path, rng: np.random.Generator) -> None:
    whole, config = rng.standard_normal((12, 5)).astype(np.float32), CONFIG.changed(n_permuted_fits=5)
    path = arrays(tmp_path, a=whole, b=np.full((12, 5), np.nan, np.float32))
    found = check_arrays(path, config, tmp_path / "out")
    assert [(each.code, each.severity, each.subject) for each in found] == [("array-unusable", "warning", "b")]
    with pytest.warns(Brain2MusicWarning, match="sub-b is left out"):
        outputs = run_pipeline(read_arrays_study(path), tmp_path / "out", CONFIG)
    assert json.loads(outputs.study.read_text())["subjects"] == ["a"]
    with pytest.raises(InputError, match="NaN"):
        run_pipeline(read_arrays_study(path), tmp_path / "out", CONFIG, subjects=["b"])


def test_what_was_applied_to_arrays_is_what_is_written(tmp_path: Path, rng: np.random.Generator) -> None:
    path = arrays(tmp_path, a=rng.standard_normal((12, 5)).astype(np.float32))
    config = CONFIG.changed(fade_s=1.0, detrend="linear")
    unused = [each for each in check_arrays(path, config) if each.code == "setting-unused"]
    assert [each.what.split()[2] for each in unused] == ["stimuli.fade_s", "preprocessing.detrend"]
    with pytest.warns(Brain2MusicWarning, match=r"stimuli\.fade_s \(1\.0\) is not applied to arrays"):
        outputs = run_pipeline(read_arrays_study(path), tmp_path / "out", config)
    study, record = (json.loads(file.read_text()) for file in (outputs.study, outputs.record("a")))
    for settings in (study["settings"], record["settings"]):
        assert (settings["stimuli.fade_s"], settings["stimuli.rms"]) == (0.1, None)
    assert not any(name.startswith("preprocessing") for name in study["settings"])
    assert "as presented (with sine fades of 0.1 s, at the level of the recording)" in study["methods"]
    assert any("stimuli.fade_s (1.0)" in each for each in study["warnings"])


@pytest.mark.parametrize("alphas", [(1e-9, 1e-8), None], ids=["on the edge", "default"])
def test_penalties_on_the_edge_are_on_the_page(
    alphas: tuple[float, ...] | None, tmp_path: Path, rng: np.random.Generator
) -> None:
    path = arrays(tmp_path, a=rng.standard_normal((12, 5)).astype(np.float32))
    outputs = run_pipeline(read_arrays_study(path), tmp_path / "out", CONFIG.changed(alphas=alphas))
    on_edge = int(pd.read_parquet(outputs.alphas("a", "logmel"))["on_edge"].sum())
    assert on_edge or alphas is None
    said = f"sub-a, logmel: {on_edge} of 96 dimensions are best predicted by the smallest or largest penalty tried"
    warned = json.loads(outputs.study.read_text())["warnings"]
    assert any(each.startswith(said) for each in warned) is (on_edge > 0)
    build_report(outputs.root)
    listed = outputs.index.read_text().partition("Leaks and warnings")[2].partition("</section>")[0]
    assert (said in listed) is (on_edge > 0)


def test_why_there_is_no_p_is_said_before_and_beside_the_score(tmp_path: Path, rng: np.random.Generator) -> None:
    path = arrays(tmp_path, a=rng.standard_normal((12, 5)).astype(np.float32))
    (finding,) = check_arrays(path, CONFIG)
    assert (finding.code, finding.severity) == ("p-missing", "warning")
    assert "no p" in finding.what
    assert "set evaluation.n_permuted_fits to 20" in finding.hint
    with pytest.warns(Brain2MusicWarning, match="no p"):
        outputs = run_pipeline(read_arrays_study(path), tmp_path / "out", CONFIG)
    (score,) = select_scores(read_scores(outputs.scores), metric="identification", condition="decoded", **OWN)
    assert score.p is None
    assert "set evaluation.n_permuted_fits to 20" in score.detail
    enough = CONFIG.changed(n_permuted_fits=5)
    assert check_arrays(path, enough) == []
    outputs = run_pipeline(read_arrays_study(path), tmp_path / "out", enough)
    (score,) = select_scores(read_scores(outputs.scores), metric="identification", condition="decoded", **OWN)
    assert score.p is not None
    assert "no p" not in score.detail


def test_genres_that_training_cannot_do_without_are_said_before(study: TinyStudy, tmp_path: Path) -> None:
    study.edit(study.events(TEST), "\tjazz\t5\t", "\tpop\t5\t")
    (study.root / "stimuli" / "pop").mkdir()
    shutil.copyfile(study.track(5), study.root / "stimuli" / "pop" / "pop.00005.wav")
    config = CONFIG.changed(leave_one_genre_out=True)
    found = check_raw(study.root, config)
    assert [(each.code, each.severity) for each in found] == [
        ("genre-untrained", "warning"),
        ("genres-bound", "warning"),
    ]
    assert "(pop)" in found[0].what
    assert "without jazz" in found[1].what
    with pytest.warns(Brain2MusicWarning, match="without jazz") as said:
        outputs = run_pipeline(BidsSource.read(study.root, config), tmp_path / "out", config)
    others = ("widen the grid", "no motion correction", "the data of sub-01 are")
    assert len([each for each in said if not any(other in str(each.message) for other in others)]) == 2
    left_out = select_scores(read_scores(outputs.scores), metric="identification", held_out="genre")
    assert {each.group for each in left_out} == {"pop"}


@pytest.mark.parametrize(
    ("recordings", "n_fits", "says"),
    [
        (4, None, "give 5 recordings"),
        (12, 1, "n_permuted_fits"),
        (12, 2, "hardly be small"),
        (12, 5, ""),
        (12, None, ""),
    ],
)
def test_what_p_in_folds_lacks_is_named(recordings: int, n_fits: int | None, says: str) -> None:
    remark = about_p(np.arange(2 * recordings) // 2, n_fits)
    assert (remark is None) == (not says)
    assert says in " ".join(remark or ())


def test_a_recording_at_fault_costs_its_clip(tmp_path: Path, rng: np.random.Generator) -> None:
    data = rng.standard_normal((12, 5)).astype(np.float32)
    path = arrays(tmp_path, a=data)
    (tmp_path / "snd" / "s03.wav").write_bytes(b"RIFF")
    (tmp_path / "list.tsv").write_text("file\tend\n" + "".join(f"s{number:02d}.wav\t2\n" for number in range(12)))
    (finding,) = [each for each in check_arrays(path, CONFIG) if "s03" in str(each)]
    assert (finding.code, finding.severity) == ("audio-unreadable", "warning")
    with pytest.warns(Brain2MusicWarning, match=r"s03\.wav.*left out"):
        outputs = run_pipeline(read_arrays_study(path), tmp_path / "out", CONFIG)
    clips = set(pd.read_parquet(outputs.predictions("a", "logmel"))["clip"])
    assert len(clips) == 11
    assert not any("s03" in clip for clip in clips)
    responses = read_arrays_study(path).exclude(read_arrays_study(path).train_clips[3:4]).responses("a")[0]
    np.testing.assert_array_equal(responses.data[:, 0], np.delete(data, 3, axis=0))


def test_recordings_at_fault_are_left_out_while_they_are_few(study: TinyStudy, tmp_path: Path) -> None:
    study.add_run("task-Training_run-03", [7, 8, 9, 10, 11])
    for track in range(7, 12):
        study.write_track(track)
    study.track(8).unlink()
    source = BidsSource.read(study.root, CONFIG)
    assert {each.severity for each in check_bids(study.root, CONFIG)} == {"warning"}
    with pytest.warns(Brain2MusicWarning, match=r"jazz\.00008.*left out"):
        run_pipeline(source, tmp_path / "out", CONFIG)
    for track in (7, 9):
        study.track(track).unlink()
    assert [each.code for each in check_bids(study.root, CONFIG) if each.severity == "error"] == ["audio-missing"] * 3


def test_raw_images_are_said_to_be_uncorrected(study: TinyStudy, tmp_path: Path) -> None:
    def told() -> list[str]:
        return [str(each) for each in check_bids(study.root, CONFIG, tmp_path / "out") if "motion" in each.code]

    (line,) = told()
    assert line.startswith(f"warning [motion-uncorrected] {study.root}: no motion correction was done")
    assert f"`brain2music preprocess {study.root} " in line
    spaced = study.root.rename(study.root.with_name("my study"))
    (line,) = (str(each) for each in check_bids(spaced, CONFIG) if "motion" in each.code)
    assert f"`brain2music preprocess '{spaced}' " in line  # as a shell takes it
    spaced.rename(study.root)
    study.add_preprocessed()
    assert told() == []
    study.edit(study.root / "dataset_description.json", '"Tiny"', '"Tiny", "Simulated": true')
    shutil.rmtree(study.root / "derivatives" / "fmriprep")
    assert told() == []  # nobody moved
