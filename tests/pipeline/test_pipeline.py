"""The flow on a tiny study: what it writes, what it skips, what it makes again after a change, and the group level."""

import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
import soundfile

from brain2music._utils import progress
from brain2music._utils.errors import InputError, LeakageError
from brain2music._utils.files import digest_file
from brain2music.brain.source import BidsSource
from brain2music.config import RunConfig
from brain2music.gallery.build import build_gallery
from brain2music.metrics.records import OWN, read_scores, select_scores
from brain2music.metrics.score import METRICS
from brain2music.models.embedders import get_embedder
from brain2music.pipeline.outputs import Outputs
from brain2music.pipeline.run import run_pipeline
from brain2music.report.page import build_report
from tests.study.tiny_study import TinyStudy

CONFIG = RunConfig.of(
    embeddings=("logmel", "mfcc-chroma"),
    window_s=1.5,
    lag_tr=0,
    compare_lags_tr=(1,),
    n_inner_folds=2,
    n_permutations=100,
    fade_s=0.1,
)

begin = progress._begin


@pytest.fixture
def study(tmp_path: Path) -> TinyStudy:
    study = TinyStudy(tmp_path / "study")
    study.add_mask()
    return study


def gallery_of(study: TinyStudy, folder: Path) -> Path:
    """Other noise than the stimuli, under other names."""
    music = folder / "music"
    shutil.copytree(study.root / "stimuli", music)
    for number, path in enumerate(sorted(music.rglob("*.wav"))):
        path.rename(path.with_name(f"other.{number}.wav"))
    build_gallery(music, folder / "gallery", get_embedder("logmel", 1.5, 1.5))
    return folder / "gallery"


def read(study: TinyStudy, config: RunConfig = CONFIG) -> BidsSource:
    return BidsSource.read(study.root, config)


def digests(outputs: Outputs) -> dict[str, str]:
    return {str(path): digest_file(path) for path in sorted(outputs.root.rglob("*")) if path.is_file()}


def test_every_part_of_a_run_is_shown_as_a_stage(
    study: TinyStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    monkeypatch.setattr(progress, "_begin", lambda name: (begun.append(name), begin(name))[1])
    config = CONFIG.changed(embeddings=("logmel",), n_permuted_fits=1, leave_one_genre_out=False)
    outputs = run_pipeline(read(study, config), tmp_path / "out", config, galleries=[gallery_of(study, tmp_path)])
    build_report(outputs.root)
    assert {
        *(
            "check what the run needs",
            "check the recordings",
            "check the responses",
            "load the test responses of sub-01",
        ),
        *("digest the files of sub-01", "digest the recordings", "embed logmel", "write the pages"),
        *("write stimuli for the page", "write retrieved for the page"),
    } <= set(begun)
    made = {name.removeprefix("make sub-01_desc-") for name in begun if name.startswith("make ")}
    assert made == {
        *("responses_summary.json", "logmel_predictions.parquet", "logmel_retrieval.parquet", "encoding_scores.json"),
        *("logmel_decoder", "logmel_encoder"),
    }


def test_a_run_writes_all_that_it_promises(study: TinyStudy, tmp_path: Path) -> None:
    before = {path: digest_file(path) for path in study.root.rglob("*") if path.is_file()}
    outputs = run_pipeline(read(study), tmp_path / "out", CONFIG, galleries=[gallery_of(study, tmp_path)])
    for path in (outputs.study, outputs.scores, outputs.description, outputs.reliability("01"), outputs.summary("01")):
        assert path.is_file(), path
    for name in CONFIG.embeddings:
        for path in (outputs.predictions("01", name), outputs.similarity("01", name), outputs.alphas("01", name)):
            assert path.is_file(), path
        assert outputs.encoding("01", name).is_file()
        assert outputs.statmap("01", name, "r").is_file()
    assert outputs.retrieval("01", "logmel").is_file()
    assert not outputs.retrieval("01", "mfcc-chroma").exists()
    scores = json.loads(outputs.scores.read_text())
    stages = {(score["stage"], score["embedding"]) for score in scores}
    assert stages == {
        *(("decode", name) for name in CONFIG.embeddings),
        *(("encode", name) for name in CONFIG.embeddings),
        ("retrieve", "logmel"),
    }
    identified = select_scores(read_scores(outputs.scores), metric="identification", group="all")
    kinds = {(score.stage, score.condition, score.ablation, score.lag_tr, score.judge) for score in identified}
    assert {
        ("decode", "decoded", "none", 0, None),
        ("decode", "decoded", "lag", 1, None),
        ("decode", "permuted", "none", 0, None),
        ("retrieve", "decoded", "none", 0, "logmel"),
        ("retrieve", "decoded", "none", 0, "mfcc-chroma"),
    } <= kinds
    assert read_scores(outputs.scores_table) == read_scores(outputs.scores)
    assert {score["metric"] for score in scores} <= set(METRICS)
    assert {path: digest_file(path) for path in study.root.rglob("*") if path.is_file()} == before


def test_running_again_changes_no_byte_and_decodes_nothing(
    study: TinyStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = digests(run_pipeline(read(study), tmp_path / "out", CONFIG))
    monkeypatch.setattr("brain2music.decoding.subject.fit_decoder", lambda *_, **__: pytest.fail("decoded again"))
    assert digests(run_pipeline(read(study), tmp_path / "out", CONFIG)) == first


def test_a_run_that_was_stopped_ends_with_the_same_bytes(
    study: TinyStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = digests(run_pipeline(read(study), tmp_path / "whole", CONFIG))

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("brain2music.pipeline.steps.write_scores", stop)
        with pytest.raises(KeyboardInterrupt):
            run_pipeline(read(study), tmp_path / "out", CONFIG)
    assert not (tmp_path / "out" / "scores.json").exists()
    resumed = digests(run_pipeline(read(study), tmp_path / "out", CONFIG))
    assert list(resumed.values()) == list(whole.values())


@pytest.mark.parametrize("change", ["setting", "sound", "scan"])
def test_what_depends_on_a_change_is_made_again(change: str, study: TinyStudy, tmp_path: Path) -> None:
    outputs = run_pipeline(read(study), tmp_path / "out", CONFIG)
    before = digest_file(outputs.predictions("01", "logmel"))
    config = CONFIG
    if change == "setting":
        config = CONFIG.changed(detrend="linear")
    elif change == "sound":
        study.track(5).unlink()
        study.write_track(5, seconds=4.5)
        samples = np.random.default_rng(99).uniform(-0.5, 0.5, 36_000)
        soundfile.write(study.track(5), samples, 8000)
    else:
        study.write_image("task-Test_run-01", np.random.default_rng(7).normal(100, 10, (3, 4, 5, 10)).astype("f4"))
    run_pipeline(read(study, config), tmp_path / "out", config)
    assert digest_file(outputs.predictions("01", "logmel")) != before


def test_confounds_are_regressed_out_and_a_changed_table_counts(study: TinyStudy, tmp_path: Path) -> None:
    plain = digest_file(run_pipeline(read(study), tmp_path / "plain", CONFIG).predictions("01", "logmel"))
    config = CONFIG.changed(confounds=("a_comp_cor_0[0-4]",))
    with pytest.raises(InputError, match=r"the confounds table .* is missing"):
        run_pipeline(read(study, config), tmp_path / "out", config)
    made = [plain]
    for seed in range(2):
        write_confounds(study, np.random.default_rng(seed))
        outputs = run_pipeline(read(study, config), tmp_path / "out", config)
        made.append(digest_file(outputs.predictions("01", "logmel")))
    assert len(set(made)) == 3
    said = json.loads(outputs.study.read_text())
    assert "cleaned of a_comp_cor_0[0-4]" in said["methods"]
    assert any('"cosine*"' in warning for warning in said["warnings"])


def write_confounds(study: TinyStudy, rng: np.random.Generator) -> None:
    """One component a run, beside its image."""
    for image in sorted(study.root.rglob("*_bold.nii.gz")):
        course = rng.standard_normal(nibabel.load(image).shape[3])
        table = image.with_name(image.name.replace("_bold.nii.gz", "_desc-confounds_timeseries.tsv"))
        table.write_text("\n".join(["a_comp_cor_00", *map(str, course)]) + "\n")


def add_subject(study: TinyStudy) -> None:
    """A second subject with the responses of the first."""
    shutil.copytree(study.root / "sub-01", study.root / "sub-02")
    masks = study.root / "derivatives" / "masks"
    shutil.copytree(masks / "sub-01", masks / "sub-02")
    for folder in (study.root / "sub-02", masks / "sub-02"):
        for path in sorted(folder.rglob("sub-01*")):
            path.rename(path.with_name(path.name.replace("sub-01", "sub-02")))


def test_at_group_level_subjects_are_read_by_each_others_decoders(study: TinyStudy, tmp_path: Path) -> None:
    add_subject(study)
    config = CONFIG.changed(between_subject=("srm",), embeddings=("logmel",), encoding={"enabled": False})
    run_pipeline(read(study), tmp_path / "out", config, subjects=["01"])
    with pytest.raises(InputError, match="needs two"):
        run_pipeline(read(study), tmp_path / "out", config, level="group")
    run_pipeline(read(study), tmp_path / "out", config)
    outputs = run_pipeline(read(study), tmp_path / "out", config, level="group")
    scores = json.loads(outputs.scores.read_text())
    for held_out in ("subject", "none"):
        found = {s["subject"]: s for s in scores if (s["alignment"], s["held_out"]) == ("srm", held_out)}
        assert set(found) == {"01", "02", "group"}
        assert found["01"]["value"] == pytest.approx(found["02"]["value"], abs=1e-6)  # their responses are the same
        whose = {"subject": "the other 1 subjects", "none": "all 2 subjects"}[held_out]
        assert found["01"]["detail"] == f"decoder fitted to training clips of {whose}"
    before = outputs.between_subject_scores("logmel").stat().st_mtime_ns
    run_pipeline(read(study), tmp_path / "out", config, level="group")
    assert outputs.between_subject_scores("logmel").stat().st_mtime_ns == before


def test_the_group_level_summarises_subjects(study: TinyStudy, tmp_path: Path) -> None:
    add_subject(study)
    with pytest.raises(InputError, match="participant level first"):
        run_pipeline(read(study), tmp_path / "out", CONFIG, level="group")
    run_pipeline(read(study), tmp_path / "out", CONFIG, subjects=["sub-02"])
    outputs = run_pipeline(read(study), tmp_path / "out", CONFIG, subjects=["01"])
    run_pipeline(read(study), tmp_path / "out", CONFIG, level="group")
    scores = json.loads(outputs.scores.read_text())
    of_group = {"subject": "group", "metric": "identification", "condition": "decoded", **OWN}
    assert [score["n"] for score in scores if score.items() >= of_group.items()] == [2, 2]
    assert {score["subject"] for score in scores} == {"01", "02", "group"}


def test_a_poisoned_split_is_refused_before_any_fit(study: TinyStudy, tmp_path: Path) -> None:
    study.edit(study.events("task-Training_run-01"), "\tjazz\t1\t", "\tjazz\t5\t")
    with pytest.raises(LeakageError, match=r"jazz\.00005"):
        run_pipeline(read(study), tmp_path / "out", CONFIG)
    assert not (tmp_path / "out" / "sub-01").exists()


def test_a_gallery_never_answers_with_the_stimulus_itself(study: TinyStudy, tmp_path: Path) -> None:
    build_gallery(study.root / "stimuli", tmp_path / "gallery", get_embedder("logmel", 1.5, 1.5))
    outputs = run_pipeline(read(study), tmp_path / "out", CONFIG, galleries=[tmp_path / "gallery"])
    found = pd.read_parquet(outputs.retrieval("01", "logmel"))
    assert not any(track.endswith(("jazz.00005", "jazz.00006")) for track in found["track"])
    record = json.loads(outputs.study.read_text())
    assert {leak["kind"] for leak in record["leaks"]} == {"gallery"}


def test_a_gallery_meets_a_study_of_any_tr(study: TinyStudy, tmp_path: Path) -> None:
    """The windows of a gallery come at the model's own step (here 0.5 s), those of a study at its TR (1.5 s)."""
    music = tmp_path / "music"
    shutil.copytree(study.root / "stimuli", music)
    for number, path in enumerate(sorted(music.rglob("*.wav"))):
        path.rename(path.with_name(f"other.{number}.wav"))
    build_gallery(music, tmp_path / "fits", get_embedder("logmel", 1.5, 0.5))
    build_gallery(music, tmp_path / "differs", get_embedder("logmel", 1.0, 1.5))
    config = CONFIG.changed(embeddings=("logmel",), encoding={"enabled": False})
    with pytest.raises(InputError, match=r"differ in window_s.*--window-s 1\.5"):
        run_pipeline(read(study), tmp_path / "out", config, galleries=[tmp_path / "differs"])
    assert not list((tmp_path / "out").glob("sub-*"))
    outputs = run_pipeline(read(study), tmp_path / "out", config, galleries=[tmp_path / "fits"])
    assert len(pd.read_parquet(outputs.retrieval("01", "logmel"))) > 0
