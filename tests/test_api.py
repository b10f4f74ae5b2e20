"""The front door: the same numbers as a run, arrays where nouns are, and scikit-learn's conventions."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GroupKFold, KFold

import brain2music as b2m
from brain2music.embeddings.embeddings import EmbeddingSpace
from brain2music.metrics.records import OWN, read_scores, select_scores
from brain2music.pipeline.outputs import Outputs
from brain2music.study.study import Clip
from tests.study.tiny_study import TinyStudy

SETTINGS = {"fade_s": 0.1, "n_inner_folds": 2, "n_outer_folds": 4, "n_permutations": 100}
RUN = {**SETTINGS, "window_s": 1.5, "lag_tr": 1, "compare_lags_tr": (), "n_permuted_fits": 1}


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyStudy:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    study = TinyStudy(tmp_path / "study")
    study.add_mask()
    return study


@pytest.fixture
def planted(rng: np.random.Generator) -> tuple[b2m.Responses, b2m.Embeddings]:
    """Forty clips of four genres, 5 scans and 3 windows each, whose music every voxel follows."""
    scans = rng.normal(size=(40, 5, 4)).astype(np.float32)
    genres = ("blues", "jazz", "pop", "rock")
    clips = tuple(Clip(f"t{i // 2}", 10.0 * (i % 2), 10.0 * (i % 2) + 7.5, genres[i // 2 % 4]) for i in range(40))
    windows = np.stack([scans[:, j : j + 3].mean(axis=1) for j in range(3)], axis=1)
    space = EmbeddingSpace("planted", "1", "none", 4, 4.5, 1.5, 8000)
    noise = 0.05 * rng.normal(size=(40, 5, 25))
    data = (scans @ rng.normal(size=(4, 25)) + noise).astype(np.float32)
    runs = np.repeat(np.arange(4), 10)
    bold = b2m.Responses("01", data, clips, runs, 1.5, 0, np.ones(40, dtype=int))
    return bold, b2m.Embeddings(windows, tuple(clip.name for clip in clips), space)


def test_importing_loads_nothing_heavy_and_lists_every_name() -> None:
    told = (
        "import sys, brain2music as b2m; "
        "print(sorted({'torch', 'nilearn', 'pandas', 'sklearn', 'scipy'} & set(sys.modules)), "
        "set(b2m.__all__) - set(dir(b2m)))"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "[] set()"
    for name in b2m.__all__:
        assert getattr(b2m, name).__doc__, name


def test_what_the_door_gives_is_what_a_run_gives(tiny: TinyStudy, tmp_path: Path) -> None:
    study = b2m.load_study(tiny.root, **SETTINGS)
    music = tmp_path / "music"
    shutil.copytree(tiny.root / "stimuli", music)
    embedder = b2m.get_embedder("logmel", 1.5, 1.5)
    gallery = b2m.build_gallery(music, tmp_path / "gallery", embedder)
    page = b2m.run(study, tmp_path / "out", embeddings=["logmel"], galleries=[tmp_path / "gallery"], **RUN)
    assert page.is_file()
    outputs = Outputs(tmp_path / "out")

    bold, music = study.responses("sub-01", lag_tr=1), study.embed("logmel", window_s=1.5)
    assert bold.test is not None
    decoded = b2m.Decoder("ridge", n_folds=2).fit(bold.train, music).predict(bold.test)
    table = pd.read_parquet(outputs.predictions("01", "logmel"))
    assert list(table["clip"][::2]) == list(decoded.names)
    np.testing.assert_allclose(np.stack(table["predicted"]), decoded.data.reshape(4, -1), atol=1e-6)

    (written,) = select_scores(
        read_scores(outputs.scores), stage="decode", metric="identification", condition="decoded", **OWN
    )
    score = b2m.metrics.identification(decoded, music, n_permutations=100)
    for name in ("value", "low", "high", "p", "chance", "n", "candidates", "embedding", "subject", "simulated"):
        assert getattr(score, name) == getattr(written, name), name

    found = gallery.search(decoded, k=3)
    kept = pd.read_parquet(outputs.retrieval("01", "logmel")).query("condition == 'decoded' and rank <= 3")
    assert list(found["clip"]) == list(kept["clip"])
    assert list(found["track"]) == list(kept["track"])
    np.testing.assert_allclose(found["cosine"], kept["cosine"], atol=1e-6)

    voxels = b2m.Encoder(n_folds=2).fit(music, bold.train).score(bold.test, n_permutations=100)
    mapped = pd.read_parquet(outputs.encoding("01", "logmel"))
    for name in ("r", "ceiling", "p", "q"):
        np.testing.assert_allclose(getattr(voxels, name), mapped[name], atol=1e-6, err_msg=name)
    image = nibabel.load(voxels.to_nifti(tmp_path / "r.nii.gz"))
    np.testing.assert_allclose(image.get_fdata().ravel(), voxels.r, atol=1e-6)
    shown = voxels.to_image("ceiling")
    np.testing.assert_allclose(shown.get_fdata().ravel(), np.nan_to_num(voxels.ceiling), atol=1e-6)
    np.testing.assert_array_equal(shown.affine, image.affine)


def test_folds_of_a_study_without_test_clips_are_those_of_a_run(tiny: TinyStudy, tmp_path: Path) -> None:
    for path in tiny.func.glob("*Test*"):
        path.unlink()
    tiny.add_run("task-Training_run-03", [5, 6, 1, 3])
    study = b2m.load_study(tiny.root, **SETTINGS)
    b2m.run(study, tmp_path / "out", embeddings=["logmel"], encoding={"enabled": False}, **RUN)
    bold, music = study.responses("01", lag_tr=1), study.embed("logmel", window_s=1.5)
    assert bold.test is None
    decoder = b2m.Decoder(n_folds=2, standardise=True)
    decoded = b2m.cross_val_predict(decoder, bold.train, music, cv=4)
    table = pd.read_parquet(Outputs(tmp_path / "out").predictions("01", "logmel"))
    assert list(table["clip"][::2]) == list(decoded.names)
    np.testing.assert_allclose(np.stack(table["predicted"]), decoded.data.reshape(len(table), -1), atol=1e-6)
    assert b2m.metrics.identification(decoded, music).p is None


def test_studies_of_arrays_have_the_same_door(tiny: TinyStudy, tmp_path: Path) -> None:
    bold = b2m.load_study(tiny.root, **SETTINGS).responses("01", lag_tr=0)
    assert bold.test is not None
    np.save(tmp_path / "train.npy", bold.train.data)
    np.save(tmp_path / "test.npy", bold.test.data)
    rows = [
        f"jazz/{clip.track}.wav\tjazz\t{split}\t{clip.start:g}\t{clip.end:g}"
        for split, side in (("train", bold.train), ("test", bold.test))
        for clip in side.clips
    ]
    (tmp_path / "list.tsv").write_text("\n".join(["file\tgenre\tsplit\tstart\tend", *rows]) + "\n")
    (tmp_path / "arrays.toml").write_text(
        'name = "toy"\ntr = 1.5\naxes = ["clips", "scans", "voxels"]\n'
        f'[stimuli]\nfolder = "{tiny.root / "stimuli"}"\ntable = "list.tsv"\n'
        '[[subjects]]\nlabel = "1"\ntrain = { file = "train.npy" }\ntest = { file = "test.npy" }\n'
    )
    study = b2m.load_arrays(tmp_path / "arrays.toml", **SETTINGS)
    same = study.responses("1")
    assert same.test is not None
    np.testing.assert_array_equal(same.test.data, bold.test.data)
    decoded = b2m.Decoder(n_folds=2).fit(same.train, study.embed("logmel", window_s=1.5)).predict(same.test)
    assert decoded.data.shape[:2] == (2, 2)


def test_lags_are_seconds_or_scans(tiny: TinyStudy) -> None:
    study = b2m.load_study(tiny.root)
    assert study.responses("01").train.lag_tr == study.responses("01", lag_s=4.5).train.lag_tr == 3
    assert study.responses("01", lag_tr=2).train.lag_tr == 2
    with pytest.raises(b2m.InputError, match="not both"):
        study.responses("01", lag_tr=2, lag_s=3.0)
    with pytest.raises(b2m.InputError, match="no subject '09'"):
        study.responses("09")


def test_clips_sound_as_they_were_presented(tiny: TinyStudy) -> None:
    study = b2m.load_study(tiny.root, **SETTINGS)
    clip = study.clips[0]
    waveform, rate = study.waveform(clip.name)
    assert len(waveform) == round(clip.duration * rate)
    np.testing.assert_array_equal(waveform, study.waveform(clip)[0])
    assert abs(waveform[0]) < 1e-3  # faded in
    assert np.sqrt(np.mean(waveform**2)) == pytest.approx(study.settings.stimuli.rms, rel=1e-3)
    with pytest.raises(b2m.InputError, match="no clip 'no_such'"):
        study.waveform("no_such")


def test_embeddings_are_kept_where_the_caller_says(tiny: TinyStudy, tmp_path: Path) -> None:
    first = b2m.load_study(tiny.root).embed("logmel", window_s=1.5, cache_dir=tmp_path / "kept")
    files = sorted((tmp_path / "kept").rglob("*.safetensors"))
    assert len(files) == len(first) == 6
    before = [file.stat().st_mtime_ns for file in files]
    again = b2m.load_study(tiny.root).embed("logmel", window_s=1.5, cache_dir=tmp_path / "kept")
    assert [file.stat().st_mtime_ns for file in files] == before
    np.testing.assert_array_equal(again.data, first.data)
    assert first.space.step_s == 1.5


def test_a_run_cannot_read_the_study_anew(tiny: TinyStudy, tmp_path: Path) -> None:
    with pytest.raises(b2m.InputError, match=r"read with another events\.train_task"):
        b2m.run(b2m.load_study(tiny.root), tmp_path / "out", train_task="Other")
    with pytest.raises(b2m.InputError, match="alpha"):
        b2m.load_study(tiny.root, alpha=3)
    with pytest.raises(b2m.InputError, match=r"folds is now decoding\.n_inner_folds"):
        b2m.load_study(tiny.root, folds=3)
    with pytest.raises(b2m.InputError, match=r"shuffles is now evaluation\.n_permuted_fits"):
        b2m.run(b2m.load_study(tiny.root), tmp_path / "out", shuffles=3)


@pytest.mark.parametrize("name", ["ridge", "selected+whitened", "nonlinear", "stacked"])
def test_decoders_are_asked_for_any_clips_after_one_fit(planted, name: str) -> None:
    bold, music = planted
    decoder = b2m.Decoder(name).fit(bold[:30], music)
    both, one = decoder.predict(bold[30:]), decoder.predict(bold[35:36])
    np.testing.assert_allclose(one.data[0], both.data[5], atol=1e-5)
    assert both.names == music.names[30:]
    assert b2m.metrics.identification(both, music, n_permutations=100).value > 0.9


def test_decoders_keep_to_the_conventions_of_scikit_learn(planted) -> None:
    bold, music = planted
    decoder = b2m.Decoder("whitened", alphas=[1.0, 10.0], n_folds=3)
    assert decoder.get_params()["alphas"] == [1.0, 10.0]
    with pytest.raises(NotFittedError):
        decoder.predict(bold)
    assert decoder.fit(bold, music) is decoder
    copy = clone(decoder).set_params(n_folds=4)
    assert not hasattr(copy, "best_alphas_")
    assert (copy.n_folds, decoder.n_folds, decoder.n_folds_) == (4, 3, 3)
    assert set(np.unique(decoder.best_alphas_)) <= {1.0, 10.0}
    assert clone(b2m.Encoder(delays=(0, 1))).get_params()["delays"] == (0, 1)


def test_forms_of_a_prediction_come_from_one_fit(planted, monkeypatch: pytest.MonkeyPatch) -> None:
    bold, music = planted
    decoder = b2m.Decoder("ridge").fit(bold[:30], music)
    whole = {
        form: b2m.Decoder(name).fit(bold[:30], music).predict(bold[30:]).data
        for form, name in (("matched", "ridge+matched"), ("denoised", "ridge+matched+denoised"))
    }
    monkeypatch.setattr("brain2music.decoding.fits.ridge_cv_many", lambda *_, **__: pytest.fail("fitted again"))
    for form, expected in whole.items():
        np.testing.assert_allclose(decoder.predict(bold[30:], form).data, expected, atol=1e-6)
    with pytest.raises(b2m.InputError, match="no form 'best'"):
        decoder.predict(bold[30:], "best")


def test_arrays_are_taken_where_nouns_are(planted) -> None:
    bold, music = planted
    nouns = b2m.Decoder().fit(bold[:30], music).predict(bold[30:])
    plain = b2m.Decoder().fit(bold.data[:30], music.data[:30], np.arange(30) // 2).predict(bold.data[30:])
    np.testing.assert_allclose(plain.data, nouns.data, atol=1e-5)
    assert b2m.metrics.identification(plain, music.data[30:]).value == b2m.metrics.identification(nouns, music).value
    mixed = b2m.Decoder().fit(bold[:30], music.data[:30]).predict(bold.data[30:])
    np.testing.assert_allclose(mixed.data, nouns.data, atol=1e-5)
    r = b2m.Encoder().fit(music.data[:30], bold.data[:30]).score(bold.data[30:], music.data[30:], n_permutations=50).r
    np.testing.assert_allclose(r, b2m.Encoder().fit(music, bold[:30]).score(bold[30:], n_permutations=50).r, atol=1e-2)


@pytest.mark.parametrize(
    ("responses", "embeddings", "told"),
    [
        (np.zeros((4, 2, 3)), np.zeros((5, 1, 2)), "4 clips, and embeddings of 5"),
        (np.zeros((4, 2, 3)), np.zeros((4, 3, 2)), "3 windows and 2 scans"),
        (np.full((4, 2, 3), np.nan), np.zeros((4, 1, 2)), "NaN or infinite"),
        (np.zeros(4), np.zeros((4, 1, 2)), r"have the shape \(4,\)"),
        ("bold", np.zeros((4, 1, 2)), "no array of numbers"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(responses, embeddings, told: str) -> None:
    with pytest.raises(b2m.InputError, match=told):
        b2m.Decoder().fit(responses, embeddings)


def test_responses_with_other_voxels_or_lags_are_refused(planted) -> None:
    bold, music = planted
    decoder = b2m.Decoder().fit(bold, music)
    with pytest.raises(b2m.InputError, match="25 voxels, test responses 24"):
        decoder.predict(bold.data[..., :24])
    with pytest.raises(b2m.InputError, match="differ in n_scans"):
        decoder.predict(bold.data[:, :4])


def test_no_splitter_divides_a_recording(planted) -> None:
    bold, music = planted
    for cv in (b2m.ClipKFold(5), b2m.RunKFold(4), b2m.LeaveOneGenreOut(), GroupKFold(4)):
        table = b2m.cross_validate(b2m.Decoder(), bold, music, cv=cv, n_permutations=100)
        assert (table["value"] > 0.9).all()
        assert len(table["fold"].unique()) == cv.get_n_splits(bold)
    with pytest.raises(b2m.LeakageError, match="divides"):
        b2m.cross_validate(b2m.Decoder(), bold, music, cv=KFold(8, shuffle=True, random_state=0))


def test_left_out_genres_are_named_and_scored_among_themselves_and_among_all(planted) -> None:
    bold, music = planted
    table = b2m.cross_validate(b2m.Decoder(), bold, music, cv=b2m.LeaveOneGenreOut(), n_permutations=100)
    assert sorted(table["fold"].unique()) == ["blues", "jazz", "pop", "rock"]
    assert set(table["n"]) == {10}
    assert table.groupby("metric")["candidates"].unique().map(list).to_dict() == {
        "identification_within_fold": [10],
        "identification": [40],
    }


@pytest.mark.parametrize("name", ["ridge", "selected+whitened"])
def test_folds_from_one_gram_matrix_predict_as_fits_from_nothing(planted, name: str) -> None:
    bold, music = planted
    decoder, artists = b2m.Decoder(name, n_folds=3), [row // 2 for row in range(len(bold))]
    together = b2m.cross_val_predict(decoder, bold, music, cv=b2m.ClipKFold(4), groups=artists)
    for train, test in b2m.ClipKFold(4).split(bold, groups=artists):
        alone = clone(decoder).fit(bold[train], music, [artists[row] for row in train]).predict(bold[test])
        np.testing.assert_allclose(together.data[test], alone.data, atol=1e-4)


def test_cross_validated_predictions_of_noise_are_at_chance(planted, rng: np.random.Generator) -> None:
    _, music = planted
    noise = rng.normal(size=(40, 5, 25))
    decoded = b2m.cross_val_predict(b2m.Decoder(standardise=True), noise, music, cv=5)
    assert 0.3 < b2m.metrics.identification(decoded, music).value < 0.7
    assert decoded.names == music.names


def test_simulated_responses_give_simulated_scores(planted) -> None:
    bold, music = planted
    bold = replace(bold, simulated=True)
    decoded = b2m.Decoder().fit(bold[:30], music).predict(bold[30:])
    assert b2m.metrics.identification(decoded, music, n_permutations=100).simulated
    assert b2m.Encoder().fit(music, bold[:30]).score(bold[30:], n_permutations=20).to_frame()["simulated"].all()
