"""A run on a folder of an earlier run leaves what a run on a fresh one leaves, whatever has changed in between."""

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
import soundfile

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music.config import RunConfig
from brain2music.gallery.build import build_gallery
from brain2music.models.embedders import get_embedder
from brain2music.pipeline.outputs import Outputs
from brain2music.pipeline.run import run_pipeline
from brain2music.pipeline.subjects import finished
from brain2music.report.page import build_report
from tests.study.tiny_study import TinyStudy

from .test_pipeline import add_subject, digests, read

CONFIG = RunConfig.of(
    embeddings=("logmel",), window_s=1.5, lag_tr=0, compare_lags_tr=(), n_inner_folds=2, n_permutations=100, fade_s=0.1,
    leave_one_genre_out=False, n_permuted_fits=1,
)  # fmt: skip


class Bench:
    """A study with regions, a gallery with a table, and the output folder of a first run, whose digests are kept."""

    def __init__(self, root: Path) -> None:
        self.root, self.out, self.config, self.galleries = root, root / "out", CONFIG, [root / "gallery"]
        self.study = TinyStudy(root / "study")
        self.study.add_mask()
        self.masks = root / "study" / "derivatives" / "masks" / "sub-01" / "anat"
        labels = np.ones((3, 4, 5), np.int16)
        labels[1:] = 2
        nibabel.save(nibabel.Nifti1Image(labels, np.eye(4)), self.masks / "sub-01_dseg.nii.gz")
        self.name_regions("heschl", "temporal")
        shutil.copytree(root / "study" / "stimuli", root / "music")
        for number, path in enumerate(sorted((root / "music").rglob("*.wav"))):
            path.rename(path.with_name(f"other.{number}.wav"))
        self.title_tracks("a mistaken title")
        self.first = self.run()

    def name_regions(self, *names: str) -> None:
        rows = [f"{number}\t{name}" for number, name in enumerate(names, start=1)]
        (self.masks / "sub-01_dseg.tsv").write_text("\n".join(["index\tname", *rows]) + "\n")

    def title_tracks(self, title: str) -> None:
        music, table = self.root / "music", self.root / "tracks.tsv"
        files = sorted(path.relative_to(music).as_posix() for path in music.rglob("*.wav"))
        pd.DataFrame({"file": files, "title": title, "licence": "CC0-1.0"}).to_csv(table, sep="\t", index=False)
        build_gallery(music, self.galleries[0], get_embedder("logmel", 1.5, 1.5), metadata=table)

    def run(self, out: Path | None = None) -> dict[str, str]:
        """The digest of every file that a run and its report leave."""
        source = read(self.study, self.config)
        outputs = run_pipeline(source, out or self.out, self.config, galleries=self.galleries)
        build_report(outputs.root)
        return {Path(name).relative_to(outputs.root).as_posix(): value for name, value in digests(outputs).items()}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def another_sound(bench: Bench) -> None:
    sound, rate = soundfile.read(bench.study.track(5))
    soundfile.write(bench.study.track(5), sound[::-1], rate)


def another_fade(bench: Bench) -> None:
    bench.config = CONFIG.changed(fade_s=0.5)


def another_level(bench: Bench) -> None:
    bench.config = CONFIG.changed(rms=None)


def a_renamed_region(bench: Bench) -> None:
    bench.name_regions("heschl", "superior temporal")


def a_smaller_mask(bench: Bench) -> None:
    mask = np.ones((3, 4, 5), np.uint8)
    mask[0] = 0
    bench.study.write_image("", mask, path=bench.masks / "sub-01_desc-brain_mask.nii.gz")


def a_corrected_title(bench: Bench) -> None:
    bench.title_tracks("the right title")


def no_gallery(bench: Bench) -> None:
    bench.galleries = []


def no_encoding(bench: Bench) -> None:
    bench.config = CONFIG.changed(encoding={"enabled": False})


def fewer_retrieved(bench: Bench) -> None:
    bench.config = CONFIG.changed(k=1)


CHANGES = [another_sound, another_fade, another_level, a_renamed_region, a_smaller_mask, a_corrected_title, no_gallery]


@pytest.mark.slow
@pytest.mark.parametrize("change", [*CHANGES, no_encoding, fewer_retrieved], ids=lambda change: change.__name__)
def test_a_used_folder_ends_as_a_fresh_one(change: Callable[[Bench], None], bench: Bench, tmp_path: Path) -> None:
    change(bench)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Brain2MusicWarning)
        after = bench.run()
    assert after != bench.first
    assert after == bench.run(tmp_path / "fresh")


@pytest.mark.slow
def test_the_corrected_names_are_on_the_page_and_the_old_are_not(bench: Bench) -> None:
    a_corrected_title(bench)
    a_renamed_region(bench)
    bench.run()
    page = (bench.out / "sub-01.html").read_text()
    assert "the right title" in page
    assert "a mistaken title" not in page
    assert "superior temporal" in page


@pytest.mark.slow
def test_what_is_removed_is_said_and_what_is_not_ours_stays(bench: Bench) -> None:
    foreign = [bench.out / "sub-01" / "notes.txt", bench.out / "retrieved" / "my.mp3", bench.out / "sub-01" / "my.json"]
    for path in foreign:
        path.write_text('{"outputs": {"sub-01_desc-logmel_scores.json": null}}')
    no_gallery(bench)
    with pytest.warns(Brain2MusicWarning, match="removed 2 files of an earlier run"):
        left = bench.run()
    assert all(path.is_file() for path in foreign)
    assert [name for name in left if name.startswith("retrieved/")] == ["retrieved/my.mp3"]
    assert not [name for name in left if "retrieval" in name]


@pytest.mark.slow
def test_outputs_in_an_embedding_that_is_left_out_stay_and_are_not_shown(bench: Bench) -> None:
    before = bench.first
    bench.config = CONFIG.changed(embeddings=("mfcc-chroma",))
    with pytest.warns(Brain2MusicWarning, match="outputs of an earlier run in logmel are left as they are"):
        after = bench.run()
    name = Outputs(bench.out).predictions("01", "logmel").relative_to(bench.out).as_posix()
    assert after[name] == before[name]
    assert "logmel" not in (bench.out / "scores.json").read_text()
    bench.config = CONFIG
    assert bench.run()[name] == before[name]


@pytest.mark.slow
def test_a_damaged_file_of_the_folder_is_made_again(bench: Bench) -> None:
    before, outputs = bench.first, Outputs(bench.out)
    damaged = [
        outputs.study, outputs.scores, outputs.record("01"), outputs.scores_of("01", "logmel"),
        outputs.summary("01"), outputs.predictions("01", "logmel"), outputs.statmap("01", "logmel", "r"),
        outputs.predictions("01", "logmel").with_suffix(".json"), bench.out / "stimuli" / "provenance.json",
        *(bench.out / "stimuli").glob("*.mp3"), *(bench.out / "embeddings").rglob("*.safetensors"),
    ]  # fmt: skip
    for number, path in enumerate(damaged):
        path.write_text(("[" * 100_000, "[1, 2]", "{", '{"outputs": 3, "created": ["x"]}')[number % 4])
    shutil.rmtree(bench.out / "retrieved")
    assert bench.run() == before
    outputs.description.write_text('{"Name": NaN}')
    assert bench.run() == before


@pytest.mark.slow
def test_subjects_of_other_settings_are_said_and_never_averaged(tmp_path: Path) -> None:
    study = TinyStudy(tmp_path / "study")
    study.add_mask()
    add_subject(study)
    config = CONFIG.changed(encoding={"enabled": False})
    run_pipeline(read(study, config), tmp_path / "out", config, subjects=["01"])
    other = config.changed(detrend="linear")
    with pytest.warns(
        Brain2MusicWarning, match="sub-01 was made with other settings than these: preprocessing.detrend median"
    ):
        outputs = run_pipeline(read(study, other), tmp_path / "out", other, subjects=["02"])
    assert any("sub-01 was made" in line for line in json.loads(outputs.study.read_text())["warnings"])
    with pytest.raises(InputError, match="sub-02 was made with other settings than sub-01"):
        run_pipeline(read(study, other), tmp_path / "out", other, level="group")
    outputs.scores_of("01", "logmel").write_text("[]")
    assert finished(outputs, "01") is None
    with pytest.warns(Brain2MusicWarning, match="sub-01 is being worked on, unfinished or was changed"):
        run_pipeline(read(study, other), tmp_path / "out", other, subjects=["02"])
    assert json.loads(outputs.study.read_text())["subjects"] == ["02"]


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("study", "the output folder is an input"),
        ("study/sub-01/out", "lies in an input"),
        ("study/derivatives", "the output folder is an input"),
        ("study/stimuli/out", "lies in an input"),
        ("fmriprep", "the derivatives of fMRIPrep"),
        ("web", "an? index.html that brain2music did not make"),
        ("link", "the output folder is an input"),
    ],
)
def test_inputs_and_what_others_made_are_never_written_to(place: str, told: str, tmp_path: Path) -> None:
    study = TinyStudy(tmp_path / "study")
    study.add_mask()
    (tmp_path / "link").symlink_to(tmp_path / "study")
    for name, text in (
        ("fmriprep/dataset_description.json", '{"GeneratedBy": [{"Name": "fMRIPrep"}]}'),
        ("web/index.html", "<p>mine"),
    ):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(InputError, match=told):
        run_pipeline(read(study, CONFIG), tmp_path / place, CONFIG)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_an_input_where_outputs_are_written_is_refused(tmp_path: Path) -> None:
    study = TinyStudy(tmp_path / "study")
    study.add_mask()
    (tmp_path / "out").mkdir()
    shutil.move(tmp_path / "study" / "stimuli", tmp_path / "out" / "stimuli")
    from brain2music.brain.source import BidsSource

    source = BidsSource.read(study.root, CONFIG, stimuli=tmp_path / "out" / "stimuli")
    with pytest.raises(InputError, match="an input lies where the run writes its outputs"):
        run_pipeline(source, tmp_path / "out", CONFIG)
