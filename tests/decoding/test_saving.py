"""Saved decoders: predictions of a loaded one are those of the one saved, and what does not fit is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brain2music._utils import model_folder
from brain2music._utils.errors import InputError
from brain2music.brain.responses import Responses, VoxelSpace
from brain2music.decoding import Decoder
from brain2music.embeddings.embeddings import Embeddings, EmbeddingSpace
from brain2music.study.study import Clip

NAMES = ("ridge", "roi-ensemble", "stacked", "nonlinear", "whitened", "contrastive", "auto")
SPACE = EmbeddingSpace("toy", "1", "0" * 64, dims=5, window_s=4.5, step_s=1.5, sample_rate=16_000)
AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])


def make_study(seed: int = 0, n: int = 40, n_voxels: int = 120) -> tuple[Responses, Embeddings]:
    """Responses of clips (six scans) in two regions, and their embeddings (four windows)."""
    rng = np.random.default_rng(seed)
    music = rng.normal(size=(n, 4, 5)).astype(np.float32)
    weights = np.random.default_rng(1).normal(size=(5, n_voxels))
    scans = np.concatenate([music, music[:, -2:]], axis=1) @ weights + rng.normal(size=(n, 6, n_voxels))
    clips = tuple(Clip(f"{'abcd'[seed]}{i}", 0.0, 9.0, label=f"{'abcd'[seed]}{i}") for i in range(n))
    ones, mask = np.ones(n, dtype=int), np.zeros((5, 6, 7), bool)
    mask.ravel()[:n_voxels] = True
    space = VoxelSpace(mask, AFFINE, ("left",) * (n_voxels // 2) + ("right",) * (n_voxels - n_voxels // 2))
    bold = Responses("01", scans.astype(np.float32), clips, np.arange(n) // 10, 1.5, 3, ones, space=space)
    return bold, Embeddings(music, tuple(clip.name for clip in clips), SPACE)


@pytest.mark.parametrize(
    ("name", "standardise"), [*((name, False) for name in NAMES), ("ridge", True), ("selected", True)]
)
def test_a_loaded_decoder_predicts_the_same_to_the_last_bit(tmp_path: Path, name: str, standardise: bool) -> None:
    bold, music = make_study()
    asked, _ = make_study(2, 7)
    decoder = Decoder(name, alphas=(1.0, 100.0, 1e4), n_folds=3, standardise=standardise, random_state=4)
    decoder.fit(bold, music)
    before = {form: decoder.predict(asked, form) for form in ("plain", "matched", "denoised")}
    loaded = Decoder.from_pretrained(decoder.save_pretrained(tmp_path / "model"))
    for form, expected in before.items():
        found = loaded.predict(asked, form)
        np.testing.assert_array_equal(found.data, expected.data)
        np.testing.assert_array_equal(found.train_mean, expected.train_mean)
        assert (found.names, found.space, found.clips) == (expected.names, expected.space, expected.clips)
    assert {**loaded.get_params(), "alphas": (1.0, 100.0, 1e4)} == decoder.get_params()
    for attribute in ("best_alphas_", "cv_scores_", "train_mean_"):
        np.testing.assert_array_equal(getattr(loaded, attribute), getattr(decoder, attribute))
    assert (loaded.n_folds_, loaded.n_features_in_) == (decoder.n_folds_, decoder.n_features_in_)
    assert loaded.trained_on_ == music.names
    again = Decoder.from_pretrained(loaded.save_pretrained(tmp_path / "again"))
    np.testing.assert_array_equal(again.predict(asked).data, before["plain"].data)


def test_stacked_lags_are_saved(tmp_path: Path) -> None:
    bold, music = make_study()
    later = replace(bold, data=np.roll(bold.data, 1, axis=1), lag_tr=4)
    asked, _ = make_study(2, 7)
    asked_later = replace(asked, data=np.roll(asked.data, 1, axis=1), lag_tr=4)
    decoder = Decoder("stacked", n_folds=3).fit(bold, music, lagged=[later])
    loaded = Decoder.from_pretrained(decoder.save_pretrained(tmp_path / "model"))
    expected = decoder.predict(asked, lagged=[asked_later])
    np.testing.assert_array_equal(loaded.predict(asked, lagged=[asked_later]).data, expected.data)
    with pytest.raises(InputError, match="1 lags were given to a decoder of 2"):
        loaded.predict(asked)


def test_voxels_and_preparation_are_saved(tmp_path: Path) -> None:
    bold, music = make_study()
    preparation = {"preprocessing": {"detrend": "cosine"}, "images": "raw"}
    folder = Decoder(n_folds=3).fit(bold, music).save_pretrained(tmp_path / "model", preparation=preparation)
    loaded = Decoder.from_pretrained(folder)
    assert loaded.preparation_ == preparation
    layout = loaded._train
    assert (layout[0].tr, layout[0].lag_tr, layout[0].subject) == (1.5, 3, "01")
    space = layout[0].space
    assert space is not None
    assert bold.space is not None
    np.testing.assert_array_equal(space.mask, bold.space.mask)
    np.testing.assert_array_equal(space.affine, AFFINE)
    assert space.roi == bold.space.roi
    versions = json.loads((folder / "config.json").read_text())["versions"]
    assert {"python", "numpy", "torch", "scikit-learn"} == set(versions)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda bold: replace(bold, tr=2.0), "differ in tr"),
        (lambda bold: replace(bold, lag_tr=0), "differ in lag_tr"),
        (lambda bold: replace(bold, data=bold.data[:, :5]), "differ in n_scans"),
        (lambda bold: replace(bold, space=VoxelSpace(bold.space.mask, AFFINE + np.eye(4)[3])), "another affine"),
        (lambda bold: make_study(2, 7, 110)[0], "lack 10 of the voxels"),
        (lambda bold: replace(bold, data=bold.data[..., :50], space=None), "120 voxels, test responses 50"),
    ],
)
def test_responses_of_another_kind_are_refused(tmp_path: Path, change: Any, what: str) -> None:
    bold, music = make_study()
    loaded = Decoder.from_pretrained(Decoder(n_folds=3).fit(bold, music).save_pretrained(tmp_path / "model"))
    with pytest.raises(InputError, match=what):
        loaded.predict(change(make_study(2, 7)[0]))


def _truncate(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def _flip_a_bit(folder: Path) -> None:
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)


def _edit(**changes: Any) -> Any:
    def edit(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        for key, value in changes.items():
            if value is None:
                del config[key]
            else:
                config[key] = value
        del config["sha256"]
        (folder / "config.json").write_text(json.dumps({**config, "sha256": model_folder._digest_of(config)}))

    return edit


def _say_another_lag(folder: Path) -> None:
    text = (folder / "config.json").read_text()
    assert '"lag_tr": 3' in text
    (folder / "config.json").write_text(text.replace('"lag_tr": 3', '"lag_tr": 2'))


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (_truncate, "damaged"),
        (_flip_a_bit, "damaged"),
        (lambda folder: (folder / "model.safetensors").unlink(), "arrays of the model are missing"),
        (lambda folder: (folder / "config.json").unlink(), "holds no model"),
        (lambda folder: (folder / "config.json").write_text("{"), "not valid JSON"),
        (_say_another_lag, "changed after the model was saved"),
        (_edit(weights=None), "describes no decoder or encoder"),
        (_edit(format=99, brain2music="9.9"), "format 99"),
        (_edit(model="Encoder"), "a saved Encoder, not a Decoder"),
        (_edit(mappings={"ridge": {"kind": "os.system"}}), "cannot be put together"),
        (_edit(mappings={}), "no mapping"),
        (_edit(embedding=None), "cannot be put together"),
        (_edit(parameters={"depth": 3}), "cannot be put together"),
        (_edit(responses=[]), "cannot be put together"),
    ],
)
def test_a_damaged_model_is_refused_by_one_line(tmp_path: Path, damage: Any, what: str) -> None:
    folder = Decoder(n_folds=3).fit(*make_study()).save_pretrained(tmp_path / "model")
    damage(folder)
    with pytest.raises(InputError, match=what) as refused:
        Decoder.from_pretrained(folder)
    assert str(tmp_path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_folder_and_bad_windows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        Decoder.from_pretrained(tmp_path / "nothing")
    decoder = Decoder(n_folds=3).fit(*make_study())
    for name in ("b_decoder", "a_decoder"):
        decoder.save_pretrained(tmp_path / name)
    with pytest.raises(InputError, match=r"holds no model .*Name one of the folders in it: a_decoder, b_decoder"):
        Decoder.from_pretrained(tmp_path)
    with pytest.raises(InputError, match="decoder of 120 voxels"):
        decoder.predict_windows(np.zeros((1, 3)))
    with pytest.raises(InputError, match="NaN"):
        decoder.predict_windows(np.full((1, 120), np.nan))
    with pytest.raises(InputError, match="2 lags"):
        decoder.predict_windows(np.zeros((1, 120)), np.zeros((1, 120)))
