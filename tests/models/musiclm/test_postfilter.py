"""The postfilter: nothing where nothing is wrong, music's modulations where they are not, and a part of its model."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d
from typer.testing import CliRunner

from brain2music._utils.errors import InputError
from brain2music._utils.files import write_arrays
from brain2music.audio.io import write_audio
from brain2music.cli import app
from brain2music.models.mel_tokens.hifigan import N_MELS
from brain2music.models.musiclm.model import MusicLM
from brain2music.models.musiclm.postfilter import FILE, FRAMES, Postfilter
from brain2music.models.musiclm.postfilter_training import fit_postfilter
from brain2music.weights import find

NONE = Postfilter(np.ones((N_MELS, FRAMES // 2 + 1), np.float32))


def slow(rng: np.random.Generator, frames: int = 1200) -> np.ndarray:
    """A spectrogram that changes slowly, brighter and louder in some pieces than in others."""
    return gaussian_filter1d(rng.standard_normal((frames, N_MELS)), 6, axis=0).astype(np.float32) + rng.normal(-4, 1)


def flicker(mel: np.ndarray) -> float:
    return float(np.diff(mel, axis=0).std())


@pytest.mark.parametrize("frames", [1, 86, 1291])
def test_gains_of_one_change_nothing(frames: int) -> None:
    mel = slow(np.random.default_rng(0), frames)
    np.testing.assert_allclose(NONE(mel), mel, atol=1e-5)


def test_it_takes_flicker_away_and_leaves_the_mean() -> None:
    rng = np.random.default_rng(1)
    real = [slow(rng) for _ in range(8)]
    drawn = [slow(rng) + 0.2 * rng.standard_normal((1200, N_MELS)).astype(np.float32) for _ in range(8)]
    found = Postfilter.fit(drawn, real)
    assert found.gains[:, 1:3].mean() == pytest.approx(1, abs=0.15)
    assert found.gains[:, -20:].max() < 0.35
    new = slow(rng)
    noisy = new + 0.2 * rng.standard_normal(new.shape).astype(np.float32)
    made = found(noisy)
    assert flicker(made) < 0.25 * flicker(noisy)  # no gain is below 0.2
    np.testing.assert_allclose(made.mean(axis=0), noisy.mean(axis=0), atol=0.05)
    assert np.abs(made - new).std() < 0.6 * np.abs(noisy - new).std()


def test_it_is_a_part_of_its_model(model: MusicLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It filters what is drawn and not what is coded, is saved with the model, and decides its digest."""
    monkeypatch.setattr(model, "post_net", None)
    monkeypatch.setattr(model, "postfilter", Postfilter(0.5 * NONE.gains))
    assert model.postfilter is not None
    codes = torch.from_numpy(np.random.default_rng(0).integers(0, 1024, (8, 100)))
    drawn, coded = model.decode_codes(codes), model.decode_codes(codes, sampled=False)
    assert drawn.shape == coded.shape
    assert not np.allclose(drawn, coded, atol=0.01)
    again = MusicLM.from_pretrained(model.save_pretrained(tmp_path / "m", "mel-tokens-6k"))
    assert again.postfilter is not None
    np.testing.assert_array_equal(again.postfilter.gains, model.postfilter.gains)
    (tmp_path / "m" / FILE).unlink()
    without = MusicLM.from_pretrained(tmp_path / "m")
    assert without.postfilter is None
    assert without.sha256 != again.sha256


def test_a_file_that_is_no_postfilter_is_refused(tmp_path: Path) -> None:
    write_arrays(tmp_path / FILE, {"gains": np.ones((3, 3), np.float32)}, {"kind": "modulation postfilter"})
    with pytest.raises(InputError, match="not a postfilter"):
        Postfilter.load(tmp_path)


def test_the_command_fits_one_and_puts_it_into_the_model(music: Path, tmp_path: Path) -> None:
    folder = tmp_path / "musiclm"
    shutil.copytree(find("musiclm-small"), folder)
    assert not (folder / FILE).exists()
    done = CliRunner().invoke(app, ["train", "postfilter", str(folder), str(music), "--pieces", "2", "--seconds", "6"])
    assert done.exit_code == 0, done.output
    assert "gains=" in done.output
    first = Postfilter.load(folder)
    assert first.gains.std() > 0.05
    again = fit_postfilter(MusicLM.from_pretrained(folder), [music], pieces=2, seconds=6.0)
    np.testing.assert_array_equal(again.gains, first.gains)


def test_what_it_cannot_be_fitted_to_is_refused(model: MusicLM, single: MusicLM, music: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="makes no spectrograms"):
        fit_postfilter(single, [music])
    write_audio(tmp_path / "short.wav", np.ones(22_050, np.float32), 22_050)
    with pytest.raises(InputError, match="too short to learn from"):
        fit_postfilter(model, [music, tmp_path])
    with pytest.raises(InputError, match="no such folder"):
        fit_postfilter(model, [tmp_path / "nowhere"])
