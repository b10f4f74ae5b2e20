"""Saved encoders: loaded ones predict the same to the last bit, and know the noise ceiling."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music.brain.responses import Responses, VoxelSpace
from brain2music.embeddings.embeddings import Embeddings, EmbeddingSpace
from brain2music.encoding import Encoder, noise_ceiling

MakeResponses = Callable[..., Responses]
SPACE = EmbeddingSpace("toy", "1", "0" * 64, dims=5, window_s=4.5, step_s=1.5, sample_rate=16_000)


def make_sides(make_responses: MakeResponses) -> tuple[Responses, Responses, Embeddings]:
    """Training responses, test responses with four repeats, and the embeddings of both; ten scans, eight windows."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(5, 30)) * np.linspace(0, 1, 30)
    sides, vectors, names = [], [], []
    for prefix, n, n_repeats in (("train", 40, 1), ("test", 20, 4)):
        music = rng.normal(size=(n, 10, 5))
        repeats = music @ weights + rng.normal(size=(n_repeats, n, 10, 30))
        space = VoxelSpace(np.ones((2, 3, 5), bool), np.eye(4))
        sides.append(make_responses(repeats.mean(axis=0), prefix, repeats if n_repeats > 1 else None, space))
        vectors.append(np.stack([music[:, j : j + 3].mean(axis=1) for j in range(8)], axis=1))
        names += [clip.name for clip in sides[-1].clips]
    data = np.concatenate(vectors).astype(np.float32)
    return sides[0], sides[1], Embeddings(data, tuple(names), SPACE)


@pytest.mark.parametrize("settings", [{}, {"standardise": True, "delays": (0, 1)}, {"alphas": (1.0, 10.0)}])
def test_a_loaded_encoder_predicts_the_same_to_the_last_bit(
    tmp_path: Path, make_responses: MakeResponses, settings: dict[str, Any]
) -> None:
    train, test, music = make_sides(make_responses)
    encoder = Encoder(n_folds=3, **settings).fit(music, train).measure_ceiling(test)
    loaded = Encoder.from_pretrained(encoder.save_pretrained(tmp_path / "model", preparation={"images": "raw"}))
    np.testing.assert_array_equal(loaded.predict(test, music), encoder.predict(test, music))
    of_test = music.of([clip.name for clip in test.clips])
    np.testing.assert_array_equal(loaded.predict_music(of_test), encoder.predict(test, music))
    a, b = (each.score(test, music, n_permutations=200) for each in (loaded, encoder))
    np.testing.assert_array_equal(a.r, b.r)
    for attribute in ("best_alphas_", "cv_scores_", "mean_", "ceiling_"):
        np.testing.assert_array_equal(getattr(loaded, attribute), getattr(encoder, attribute))
    assert (loaded.ceiling_repeats_, loaded.space_, loaded.n_folds_) == (4, SPACE, encoder.n_folds_)
    assert loaded.preparation_ == {"images": "raw"}
    assert loaded.trained_on_ == tuple(clip.name for clip in train.clips)
    again = Encoder.from_pretrained(loaded.save_pretrained(tmp_path / "again"))
    np.testing.assert_array_equal(again.predict_music(of_test), encoder.predict_music(of_test))


def test_the_ceiling_is_that_of_the_repeats_in_the_windows(make_responses: MakeResponses) -> None:
    train, test, music = make_sides(make_responses)
    encoder = Encoder(n_folds=3).fit(music, train)
    assert np.isnan(encoder.ceiling_).all()
    encoder.measure_ceiling(test)
    assert test.repeats is not None
    windows = np.stack([test.repeats[:, :, j : j + 3].mean(axis=2) for j in range(8)], axis=2)
    np.testing.assert_allclose(encoder.ceiling_, noise_ceiling(windows, test.runs).r, atol=1e-6)
    with pytest.raises(InputError, match="repeated equally often"):
        encoder.measure_ceiling(train)


def test_music_of_another_length_has_as_many_windows_as_its_scans(make_responses: MakeResponses) -> None:
    train, _, music = make_sides(make_responses)
    encoder = Encoder(n_folds=3).fit(music, train)
    longer = np.concatenate([music.data[:2], music.data[2:4]], axis=1)
    found = encoder.predict_music(longer)
    assert found.shape == (2, 16, 30)
    np.testing.assert_allclose(found[:, :8], encoder.predict_music(music.data[:2]), atol=1e-4)
    assert encoder.predict_music(music.data[:2, :1]).shape == (2, 1, 30)


def test_what_does_not_fit_is_refused(tmp_path: Path, make_responses: MakeResponses) -> None:
    train, test, music = make_sides(make_responses)
    loaded = Encoder.from_pretrained(Encoder(n_folds=3).fit(music, train).save_pretrained(tmp_path / "model"))
    with pytest.raises(InputError, match="no embeddings of its own"):
        loaded.score(test)
    with pytest.raises(InputError, match="differ in sha256"):
        loaded.predict_music(replace(music, space=replace(SPACE, sha256="1" * 64)))
    with pytest.raises(InputError, match="4 dims were given to an encoder of 5"):
        loaded.predict_music(music.data[..., :4])
    with pytest.raises(InputError, match="differ in tr"):
        loaded.predict(replace(test, tr=2.0), music)
    with pytest.raises(InputError, match="another affine"):
        loaded.predict(replace(test, space=VoxelSpace(np.ones((2, 3, 5), bool), 2 * np.eye(4))), music)
    content = bytearray((tmp_path / "model" / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (tmp_path / "model" / "model.safetensors").write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        Encoder.from_pretrained(tmp_path / "model")
