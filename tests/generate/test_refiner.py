"""The refiner: nothing until it is trained, nearer to music after; draws that keep in step; a part of its model."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d
from typer.testing import CliRunner

from brain2music.artifacts import read_arrays, write_arrays
from brain2music.cli import app
from brain2music.codec.hifigan import MELS
from brain2music.codec.mel_tokens import MelTokens
from brain2music.errors import InputError
from brain2music.generate.musiclm.model import MusicLM
from brain2music.generate.musiclm.postfilter import Postfilter
from brain2music.generate.musiclm.refiner import FOLDER, Refiner, RefinerConfig
from brain2music.generate.musiclm.sampling import Sampling
from brain2music.train.loop import fit
from brain2music.train.plan import Plan
from brain2music.train.refiner import Recipe, RefinerTask, train_refiner
from brain2music.train.refiner_data import draw_beside, write_examples
from brain2music.weights import find

SMALL = RefinerConfig(width=32, blocks=2)


def plan(steps: int) -> Plan:
    return Plan(steps=steps, validate_every=steps, checkpoint_every=2, log_every=2, device="cpu", workers=0)


@pytest.mark.parametrize("frames", [1, 86, 1291])
def test_untrained_it_changes_nothing(frames: int) -> None:
    mel = np.random.default_rng(0).standard_normal((frames, MELS)).astype(np.float32)
    np.testing.assert_array_equal(Refiner(SMALL).refine(mel), mel)


def test_it_learns_what_was_meant(tmp_path: Path) -> None:
    """Of slow music whose tokens flicker; the music's own tokens are hardly touched."""
    rng, codec = np.random.default_rng(0), MelTokens.from_pretrained("mel-tokens-6k")
    mels = gaussian_filter1d(rng.standard_normal((24, 400, MELS)), 8, axis=1).astype(np.float32) * 4 - 5

    def codes(mel: np.ndarray) -> np.ndarray:
        return codec.encode(torch.from_numpy(mel))[:, :8].T.numpy().astype(np.int16)

    noisy = mels + 2 * rng.standard_normal(mels.shape).astype(np.float32)
    arrays = {"mel": mels.astype(np.float16), "codes": np.stack([*map(codes, mels)])}
    write_arrays(tmp_path / "0.safetensors", arrays | {"drawn": np.stack([*map(codes, noisy)])}, {})
    task = RefinerTask([tmp_path / "0.safetensors"], codec, Recipe(rate=5e-3, warmup=5), SMALL, seed=0)
    before = task.validate(task.models)
    assert before["drawn"] == before["drawn_before"] > 1.3 * before["coded"]
    found = Refiner.from_pretrained(fit(task, plan(100), tmp_path / "out"))
    after = task.validate({"refiner": found})
    assert after["drawn"] < 0.8 * before["drawn"]
    assert after["coded"] < 1.05 * before["coded"]


def test_draws_keep_in_step(model: MusicLM) -> None:
    """Every code but the levels above it is chosen from what follows the true past, to the last frame."""
    stage, rng = model.stages["acoustic"], np.random.default_rng(0)
    codes = torch.from_numpy(rng.integers(0, 1024, (1, 8, 200)))
    condition = model.conditioner(torch.ones(1, 128))
    sampling = Sampling(temperature=0.0, guidance=1.0)
    drawn = draw_beside(stage, condition, codes, sampling, torch.Generator().manual_seed(0))
    assert drawn.shape == codes.shape
    with torch.inference_mode():
        first = stage.logits(condition, None, codes[:, :, : stage.config.frames]).argmax(-1)
    span = first.shape[2]
    assert torch.equal(drawn[:, 0, :span], first[:, 0])
    assert not torch.equal(drawn[:, 1, :span], first[:, 1])  # which follows from the level drawn above it
    assert (drawn[:, :, span:] != codes[:, :, span:]).float().mean() > 0.9


def test_examples_that_are_there_are_kept(model: MusicLM, music: Path, tmp_path: Path) -> None:
    files = sorted(music.iterdir())
    (shard,) = write_examples(model, files, tmp_path, 6.0, seed=0)
    arrays, about = read_arrays(shard)
    assert arrays["drawn"].shape == arrays["codes"].shape == (2, 8, 258)
    assert arrays["mel"].shape == (2, 516, MELS)
    assert about["files"] == ["0.wav", "1.wav"]
    before = shard.read_bytes()
    shard.unlink()
    write_examples(model, files, tmp_path, 6.0, seed=0)
    assert shard.read_bytes() == before
    time = shard.stat().st_mtime_ns
    write_examples(model, files, tmp_path, 6.0, seed=0)
    assert shard.stat().st_mtime_ns == time
    with pytest.raises(InputError, match=r"drawn otherwise \(files, seed\)"):
        write_examples(model, files[::-1], tmp_path, 6.0, seed=1)


def test_it_is_a_part_of_its_model(tmp_path: Path) -> None:
    """It changes what is drawn and not what is coded, is saved with the model, and decides its digest."""
    bare = MusicLM.from_pretrained("musiclm-small")
    torch.manual_seed(0)
    bare.refiner = Refiner(SMALL)
    torch.nn.init.normal_(bare.refiner.last.weight, std=0.1)
    codes = torch.from_numpy(np.random.default_rng(0).integers(0, 1024, (8, 100)))
    mel = np.random.default_rng(1).standard_normal((100, MELS)).astype(np.float32) - 5
    again = MusicLM.from_pretrained(bare.save_pretrained(tmp_path / "m", "mel-tokens-6k"))
    assert np.abs(bare.refined(mel) - mel).mean() > 0.01
    np.testing.assert_allclose(again.refined(mel), bare.refined(mel), atol=0.01)  # saved in half precision
    shutil.rmtree(tmp_path / "m" / FOLDER)
    without = MusicLM.from_pretrained(tmp_path / "m")
    assert without.refiner is None
    assert without.sha256 != again.sha256
    np.testing.assert_array_equal(without.refined(mel), mel)
    np.testing.assert_array_equal(without.sound_of(codes, drawn=False), again.sound_of(codes, drawn=False))
    assert not np.allclose(without.sound_of(codes), again.sound_of(codes), atol=0.02)


def test_the_command_puts_both_into_the_model(music: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "musiclm", tmp_path / "out"
    shutil.copytree(find("musiclm-small"), folder)
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
    old = Postfilter.load(folder).gains
    words = ["train", "refiner", str(folder), str(out), str(music), "--pieces", "2", "--seconds", "6", "--steps", "2"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    model = MusicLM.from_pretrained(folder)
    assert model.refiner is not None
    assert model.postfilter is not None
    assert not np.array_equal(model.postfilter.gains, old)
    assert "2 pieces of 6 s" in (folder / FOLDER / "README.md").read_text(encoding="utf-8")
    assert "holds a training" in str(CliRunner().invoke(app, words).exception)
    again = CliRunner().invoke(app, [*words, "--resume"])
    assert again.exit_code == 0, again.output
    assert MusicLM.from_pretrained(folder).sha256 == model.sha256


def test_what_it_cannot_learn_from_is_refused(
    model: MusicLM, single: MusicLM, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="makes no spectrograms"):
        train_refiner(single, [music], tmp_path / "out", plan(1))
    with pytest.raises(InputError, match=r"too short to learn from.*15 s"):
        train_refiner(model, [music], tmp_path / "out", plan(1))
    with pytest.raises(InputError, match="no such folder"):
        train_refiner(model, [tmp_path / "nowhere"], tmp_path / "out", plan(1))
    monkeypatch.setattr(model, "stages", {"coarse": model.stages["acoustic"]})
    with pytest.raises(InputError, match="of a single stage"):
        train_refiner(model, [music], tmp_path / "out", plan(1))
