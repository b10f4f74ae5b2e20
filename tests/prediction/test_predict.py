"""Models that a run saved, asked for new scans and new sounds, in Python and by the command."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import soundfile
from nilearn.maskers import NiftiMasker
from typer.testing import CliRunner

from brain2music import BrainToMusic, Decoder, Encoder, MusicToBrain
from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music._utils.files import read_object
from brain2music.brain.clean import detrend, zscore
from brain2music.brain.source import BidsSource
from brain2music.cli import app
from brain2music.config import RunConfig
from brain2music.embeddings.store import load_embeddings
from brain2music.gallery.build import build_gallery
from brain2music.models.embedders import get_embedder
from brain2music.pipeline.outputs import ENCODING, PREDICTIONS, Outputs
from brain2music.pipeline.run import run_pipeline
from brain2music.prediction.files import predict_files
from brain2music.prediction.new_scans import _events_beside
from tests.study.tiny_study import TinyStudy, voxels

CONFIG = RunConfig.of(
    embeddings=("logmel",),
    window_s=1.5,
    lag_tr=1,
    n_inner_folds=2,
    fade_s=0.1,
    rms=0.1,
    n_permutations=100,
    n_permuted_fits=1,
    compare_lags_tr=(),
    leave_one_genre_out=False,
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[TinyStudy, Outputs]:
    """A study that was run, with its models."""
    folder = tmp_path_factory.mktemp("finished")
    study = TinyStudy(folder / "study")
    study.add_mask()
    run_pipeline(BidsSource.read(study.root, CONFIG), folder / "out", CONFIG)
    return study, Outputs(folder / "out")


def test_a_run_saves_the_decoder_that_it_scored(finished: tuple[TinyStudy, Outputs]) -> None:
    study, outputs = finished
    decoder = Decoder.from_pretrained(outputs.model("01", "logmel", "decoder"))
    test = BidsSource.read(study.root, CONFIG).responses("01", 1).test
    assert test is not None
    decoded, scored = decoder.predict(test), PREDICTIONS.read(outputs.predictions("01", "logmel"))
    assert scored is not None
    np.testing.assert_allclose(decoded.data.reshape(-1, 96), np.stack(list(scored["predicted"])), atol=1e-3)
    assert decoder.preparation_["preprocessing"]["detrend"] == "median"
    assert decoder.preparation_["stimuli"] == {"fade_s": 0.1, "rms": 0.1}


def test_a_run_saves_an_encoder_with_the_ceiling_of_its_maps(finished: tuple[TinyStudy, Outputs]) -> None:
    _, outputs = finished
    encoder = Encoder.from_pretrained(outputs.model("01", "logmel", "encoder"))
    table = ENCODING.read(outputs.encoding("01", "logmel"))
    assert table is not None
    np.testing.assert_allclose(encoder.ceiling_, table["ceiling"], atol=1e-6)
    assert encoder.ceiling_repeats_ == 2


def test_running_again_saves_no_model_again(finished: tuple[TinyStudy, Outputs]) -> None:
    study, outputs = finished
    weights = outputs.model("01", "logmel", "decoder") / "model.safetensors"
    before = weights.stat().st_mtime_ns
    run_pipeline(BidsSource.read(study.root, CONFIG), outputs.root, CONFIG)
    assert weights.stat().st_mtime_ns == before


def test_models_are_not_saved_where_the_settings_say_so(finished: tuple[TinyStudy, Outputs], tmp_path: Path) -> None:
    study, _ = finished
    config = CONFIG.changed(save_models="none", enabled=False)
    run_pipeline(BidsSource.read(study.root, config), tmp_path / "out", config)
    assert not (tmp_path / "out" / "sub-01" / "models").exists()


def _masked(image: Path, mask: Path) -> np.ndarray:
    """A run cleaned by nilearn's masker and the plain functions: (scans, voxels)."""
    series = NiftiMasker(mask, standardize=False, detrend=False).fit().transform(nib.load(image))
    return zscore(detrend(series.astype(np.float32), 1.5, "median"))[0]


def test_a_new_run_is_cut_at_its_onsets_and_decoded_as_by_hand(
    finished: tuple[TinyStudy, Outputs], tmp_path: Path
) -> None:
    study, outputs = finished
    online = BrainToMusic(outputs.model("01", "logmel", "decoder"))
    image = study.write_image("", voxels(20, seed=9), path=tmp_path / "new_bold.nii.gz")
    (tmp_path / "onsets.tsv").write_text("onset\tduration\n3\t3\n9.2\t3\n")
    mask = next((study.root / "derivatives").rglob("*_mask.nii.gz"))
    series = _masked(image, mask)
    expected = np.stack([series[3:5], series[7:9]])  # onsets 2 and 6.13 → 6 scans, a lag of 1, two scans each
    (read,) = online.read(image, tmp_path / "onsets.tsv")
    np.testing.assert_allclose(read.data, expected, atol=1e-5)
    decoded = online.decode([read])
    np.testing.assert_allclose(decoded.data, online.decode(expected).data, atol=1e-4)
    assert decoded.names == ("new_bold_3", "new_bold_9.2")
    with pytest.warns(Brain2MusicWarning, match="no table of events .* 9 stretches of 3 s"):
        (whole,) = online.read(image)
    np.testing.assert_allclose(whole.data, series[1:19].reshape(9, 2, -1), atol=1e-5)


@pytest.mark.parametrize("where", ["beside", "in the study", "of another run"])
def test_events_are_those_of_the_run_of_a_preprocessed_image(tmp_path: Path, where: str) -> None:
    image = tmp_path / "derivatives/fmriprep/sub-01/func/sub-01_task-music_run-1_space-T1w_desc-preproc_bold.nii.gz"
    image.parent.mkdir(parents=True)
    raw = tmp_path / "sub-01/func"
    raw.mkdir(parents=True)
    run = "02" if where == "of another run" else "01"
    table = (image.parent if where == "beside" else raw) / f"sub-01_task-music_run-{run}_events.tsv"
    table.write_text("onset\n0\n")
    assert _events_beside(image) == (None if where == "of another run" else table)


def test_scans_of_another_subject_are_decoded_with_a_warning(
    finished: tuple[TinyStudy, Outputs], tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    study, outputs = finished
    online = BrainToMusic(outputs.model("01", "logmel", "decoder"))
    online.decode(study.image("task-Test_run-01"))
    assert not [each for each in recwarn if "decoder of" in str(each.message)]
    other = study.write_image("", voxels(10), path=tmp_path / "sub-02_task-Test_bold.nii.gz")
    with pytest.warns(Brain2MusicWarning, match="scans of sub-02 are decoded by a decoder of sub-01"):
        online.decode(other)


def test_confounds_are_not_sought_by_a_name_that_is_none(finished: tuple[TinyStudy, Outputs], tmp_path: Path) -> None:
    study, outputs = finished
    decoder = Decoder.from_pretrained(outputs.model("01", "logmel", "decoder"))
    decoder.preparation_["preprocessing"]["confounds"] = ["trans_x"]
    image = _another(study, tmp_path)
    with pytest.raises(InputError, match="confounds of the run"):
        BrainToMusic(decoder).read(image.rename(tmp_path / "one.two.nii.gz"))


def test_an_array_of_scans_is_decoded_clip_by_clip(finished: tuple[TinyStudy, Outputs], tmp_path: Path) -> None:
    _, outputs = finished
    online = BrainToMusic(outputs.model("01", "logmel", "decoder"))
    scans = np.random.default_rng(0).normal(size=(7, 60)).astype(np.float32)
    np.save(tmp_path / "scans.npy", scans)
    with pytest.warns(Brain2MusicWarning, match="last 1 of 7 scans are no whole clip of 2"):
        found = online.decode(tmp_path / "scans.npy")
    expected = online.decoder.predict_windows(scans[:6]).reshape(3, 2, 96)  # windows of one scan
    np.testing.assert_allclose(found.data, expected, atol=1e-4)
    np.testing.assert_array_equal(online.decode(scans).data, found.data)


def test_images_that_were_preprocessed_otherwise_are_told(finished: tuple[TinyStudy, Outputs], tmp_path: Path) -> None:
    study, outputs = finished
    decoder = Decoder.from_pretrained(outputs.model("01", "logmel", "decoder"))
    preproc = _another(study, tmp_path).rename(tmp_path / "sub-01_task-new_desc-preproc_bold.nii.gz")
    with pytest.warns(Brain2MusicWarning, match="fitted to raw images, and this is another kind"):
        BrainToMusic(decoder).read(preproc)
    decoder.preparation_["images"] |= {"kind": "preprocessed", "description": "preproc", "space": "T1w"}
    with pytest.warns(Brain2MusicWarning, match=r"preprocessed images \(desc-preproc, space-T1w\)"):
        BrainToMusic(decoder).read(preproc)


def test_what_a_decoder_was_not_fitted_for_is_said(finished: tuple[TinyStudy, Outputs], tmp_path: Path) -> None:
    study, outputs = finished
    online = BrainToMusic(outputs.model("01", "logmel", "decoder"))
    (tmp_path / "onsets.tsv").write_text("onset\tduration\n3\t3\n9\t8\n")
    with pytest.warns(Brain2MusicWarning, match="1 of 2 events last 8 to 8 s, and clips of the model 3 s"):
        online.read(_another(study, tmp_path), tmp_path / "onsets.tsv")
    with pytest.warns(Brain2MusicWarning, match="the responses are 1000 on average"):
        online.decode(np.full((2, 60), 1000.0))


def _another(study: TinyStudy, tmp_path: Path, **changes: Any) -> Path:
    data = voxels(20, seed=9, shape=changes.get("shape", (3, 4, 5)))
    path = study.write_image("", data, tr=changes.get("tr", 1.5), path=tmp_path / "new.nii.gz")
    if "affine" in changes:
        image = nib.load(path)
        header = image.header
        nib.save(nib.Nifti1Image(np.asarray(image.dataobj), changes["affine"], header), path)
    return path


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"tr": 2.0}, "TR of 2 s, and the model was fitted at 1.5 s"),
        ({"shape": (3, 4, 6)}, "3×4×6 voxels, and the model's 3×4×5"),
        ({"affine": np.diag([2.0, 1, 1, 1])}, "its affine is not that"),
    ],
)
def test_scans_of_another_kind_are_refused(
    finished: tuple[TinyStudy, Outputs], tmp_path: Path, changes: dict[str, Any], what: str
) -> None:
    study, outputs = finished
    online = BrainToMusic(outputs.model("01", "logmel", "decoder"))
    with pytest.raises(InputError, match=what):
        online.decode(_another(study, tmp_path, **changes))


def test_arrays_and_files_that_do_not_fit_are_refused(finished: tuple[TinyStudy, Outputs], tmp_path: Path) -> None:
    study, outputs = finished
    online = BrainToMusic(outputs.model("01", "logmel", "decoder"))
    with pytest.raises(InputError, match="61 voxels"):
        online.decode(np.zeros((2, 61)))
    with pytest.raises(InputError, match="NaN"):
        online.decode(np.full((2, 60), np.nan))
    with pytest.raises(InputError, match="1 scans were given, and clips have 2"):
        online.decode(np.zeros((1, 60)))
    with pytest.raises(InputError, match="no gallery"):
        online.retrieve(np.zeros((2, 60)))
    with pytest.raises(InputError, match="no generator"):
        online.generate(np.zeros((2, 60)))
    image = _another(study, tmp_path)
    for text, what in (("onset\n28.5\n", "run ends after 30 s"), ("start\n3\n", "no column onset")):
        (tmp_path / "events.tsv").write_text(text)
        with pytest.raises(InputError, match=what):
            online.read(image, tmp_path / "events.tsv")
    (tmp_path / "music").mkdir()
    soundfile.write(tmp_path / "music" / "a.wav", np.random.default_rng(0).uniform(-0.1, 0.1, 16000), 8000)
    gallery = build_gallery(tmp_path / "music", tmp_path / "gallery", get_embedder("mfcc-chroma", 1.5))
    with pytest.raises(InputError, match="differ in name"):
        BrainToMusic(online.decoder, gallery)


def test_a_new_sound_is_presented_and_predicted_as_the_stimuli_were(finished: tuple[TinyStudy, Outputs]) -> None:
    study, outputs = finished
    online = MusicToBrain(outputs.model("01", "logmel", "encoder"))
    predicted = online.predict(study.track(5))
    sound, rate = soundfile.read(study.track(5))
    ramp = np.sin(np.linspace(0, np.pi / 2, round(0.1 * rate)))
    sound[: len(ramp)] *= ramp
    sound[-len(ramp) :] *= ramp[::-1]
    sound *= 0.1 / np.sqrt((sound**2).mean())
    vectors = get_embedder("logmel", 1.5, 1.5).embed(sound.astype(np.float32), rate)
    expected = online.encoder.predict_music(vectors[None])[0]
    np.testing.assert_allclose(predicted.data, expected, atol=1e-4)
    assert predicted.data.shape == (2, 60)  # a sound of 4 s has two whole windows of 1.5 s
    np.testing.assert_array_equal(predicted.starts_s, [0, 1.5])
    again = online.predict((soundfile.read(study.track(5), dtype="float32")[0], rate))
    np.testing.assert_allclose(again.data, predicted.data, atol=1e-4)
    image = predicted.to_image("ceiling")
    np.testing.assert_allclose(np.asarray(image.dataobj).ravel(), online.encoder.ceiling_, atol=1e-6)


def test_the_command_writes_maps_of_sounds(finished: tuple[TinyStudy, Outputs], tmp_path: Path) -> None:
    study, outputs = finished
    model = str(outputs.model("01", "logmel", "encoder"))
    arguments = ["predict", model, str(study.track(5).parent), "-o", str(tmp_path / "maps")]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    record = read_object(tmp_path / "maps" / "prediction.json")
    assert len(record["inputs"]) == 6
    assert set(record["seconds"]) == set(record["inputs"])
    image = nib.load(tmp_path / "maps" / "jazz.00005_stat-predicted_statmap.nii.gz")
    table = pd.read_parquet(tmp_path / "maps" / "jazz.00005_voxels.parquet")
    np.testing.assert_allclose(np.asarray(image.dataobj).ravel(), table["predicted"], atol=1e-6)
    assert (tmp_path / "maps" / "stat-ceiling_statmap.nii.gz").is_file()
    np.testing.assert_array_equal(
        np.load(tmp_path / "maps" / "jazz.00005_windows.npy").mean(axis=0, dtype=np.float32), table["predicted"]
    )


@pytest.mark.parametrize(
    ("kind", "named", "what"),
    [
        ("decoder", "song.WAV", "a decoder predicts music from scans, not from sounds"),
        ("encoder", "scans.nii.gz", "an encoder predicts maps from sounds, not from scans"),
    ],
)
def test_scans_and_sounds_are_not_taken_for_one_another(
    finished: tuple[TinyStudy, Outputs], tmp_path: Path, kind: str, named: str, what: str
) -> None:
    with pytest.raises(InputError, match=f"{named}: {what}"):
        predict_files(finished[1].model("01", "logmel", kind), [tmp_path / named], tmp_path / "out")


def test_the_command_writes_music_of_scans(finished: tuple[TinyStudy, Outputs], tmp_path: Path) -> None:
    study, outputs = finished
    model = str(outputs.model("01", "logmel", "decoder"))
    music = tmp_path / "music"
    music.mkdir()
    for number in range(4):
        noise = np.random.default_rng(number).uniform(-0.3, 0.3, 24_000)
        soundfile.write(music / f"{number}.wav", noise, 8000)
    build_gallery(music, tmp_path / "gallery", get_embedder("logmel", 1.5))
    arguments = ["predict", model, str(study.image("task-Test_run-01")), "-o", str(tmp_path / "music_of_scans")]
    arguments += ["--gallery", str(tmp_path / "gallery"), "--retrieve-k", "2"]
    assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0
    name = "sub-01_task-Test_run-01_bold"
    decoded = load_embeddings(tmp_path / "music_of_scans" / f"{name}_embeddings.parquet")
    assert decoded.data.shape == (5, 2, 96)  # the events beside the image have five rows
    table = pd.read_csv(tmp_path / "music_of_scans" / f"{name}_retrieval.tsv", sep="\t")
    assert len(table) == 10
    with pytest.raises(InputError, match="holds other files"):
        CliRunner().invoke(app, ["predict", model, "x.npy", "-o", str(music)], catch_exceptions=False)


@pytest.mark.slow
def test_music_is_generated_from_new_scans(
    finished: tuple[TinyStudy, Outputs], generator: Path, tmp_path: Path
) -> None:
    _, outputs = finished
    online = BrainToMusic(outputs.model("01", "logmel", "decoder"), generator=str(generator))
    pieces = online.generate(np.zeros((2, 60)), seconds=1.5, n_samples=2)
    assert [piece.seconds for piece in pieces] == [1.5, 1.5]
