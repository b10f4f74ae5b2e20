"""Training JEN-1: Gaussian noise, losses that fall, exact resuming, and parts that can be left out."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch
from typer.testing import CliRunner

from brain2music._utils.errors import InputError
from brain2music._utils.files import read_arrays, write_arrays
from brain2music.cli import app
from brain2music.models.generator_parts.clock import LEVELS, UNKNOWN
from brain2music.models.generator_parts.pieces import RecordedSegment, WindowEmbedder
from brain2music.models.jen1 import training
from brain2music.models.jen1.config import UNetConfig
from brain2music.models.jen1.hyperparameters import ABLATIONS, JEN1Hyperparameters
from brain2music.models.jen1.latent_shards import LatentData, PieceEncoder, write_latent_shards
from brain2music.models.jen1.latents import open_latents
from brain2music.models.jen1.training import JEN1Task
from brain2music.models.jen1.unet import OmniUNet
from brain2music.models.mulan.training_data import ComposedPiece
from brain2music.simulation.music.render import render_piece
from brain2music.training.arguments import TrainingArguments
from brain2music.training.engine import Engine
from brain2music.training.loop import fit

from .conftest import DIM


def arguments(steps: int, every: int = 0) -> TrainingArguments:
    return TrainingArguments(
        steps=steps,
        validate_every=every or steps,
        checkpoint_every=every or steps,
        log_every=5,
        device="cpu",
        workers=0,
    )


def task_of(shards: Path, **more: object) -> JEN1Task:
    return JEN1Task(shards, "tiny", channels=DIM, **more)


@pytest.fixture
def own_shards(shards: Path, tmp_path: Path) -> Path:
    """Shards whose whitening is yet to be fitted."""
    return Path(shutil.copytree(shards, tmp_path / "own", ignore=shutil.ignore_patterns("whitening*")))


def test_a_batch_depends_on_seed_and_step_alone(shards: Path) -> None:
    first, again = (task_of(shards, seed=1) for _ in range(2))
    first.batch(0)
    one, other, later = first.batch(3), again.batch(3), first.batch(4)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not torch.equal(one["embedding"], later["embedding"])
    assert len({task_of(shards).batch(step)["latents"].shape[2] for step in range(12)}) > 3


def test_latents_of_music_are_written_once_and_are_those_of_their_piece(tmp_path: Path) -> None:
    encoder = PieceEncoder(open_latents("mel-tokens-6k", None), WindowEmbedder("logmel", 1.0), "logmel", None)
    sources = [ComposedPiece(0, genre, 0) for genre in ("jazz", "metal")]
    files = write_latent_shards(sources, tmp_path, "a", encoder, seconds=3.0, per_shard=1)
    first, second = (file.read_bytes() for file in files)
    kept = files[0].stat().st_mtime_ns
    files[1].unlink()
    assert write_latent_shards(sources, tmp_path, "a", encoder, seconds=3.0, per_shard=1) == files
    assert (files[0].stat().st_mtime_ns, files[0].read_bytes(), files[1].read_bytes()) == (kept, first, second)
    data = LatentData(tmp_path, DIM)
    assert [row["genre"] for row in data.rows] == ["jazz", "metal"]
    rate = encoder.latents.sample_rate
    expected = encoder.latents.raw(render_piece(sources[1].piece(3.0), rate)[None, : 3 * rate])
    np.testing.assert_allclose(data.piece(1)["latents"], expected, atol=0.02)


def test_beats_are_those_of_composed_pieces_and_tracked_in_recordings(tmp_path: Path) -> None:
    encoder = PieceEncoder(open_latents("mel-tokens-6k", None), WindowEmbedder("logmel", 1.0), "logmel", None)
    clicks, silence = np.zeros(8 * 24_000, np.float32), np.full(8 * 24_000, 1e-4, np.float32)
    clicks[::12_000] = 0.9  # 120 beats per minute
    for name, sound in (("clicks", np.convolve(clicks, np.hanning(200), "same")), ("hum", silence)):
        sf.write(tmp_path / f"{name}.wav", sound, 24_000)
    composed = ComposedPiece(0, "jazz", 0)
    sources = [composed, *(RecordedSegment(tmp_path / f"{name}.wav", 0.0, "CC0") for name in ("clicks", "hum"))]
    write_latent_shards(sources, tmp_path, "a", encoder, seconds=8.0)
    data = LatentData(tmp_path, DIM)
    own = composed.piece(8.0)
    times = np.arange(data.frames) / data.frame_rate
    np.testing.assert_allclose(data.piece(0)["beat_count"], times * own.tempo / 60, atol=1e-4)
    assert data.rows[0]["beats_per_bar"] == own.beats
    assert set(data.clock(0)[1].tolist()) == set(range(own.beats))
    assert data.rows[1]["tempo"] == pytest.approx(120, rel=0.03)
    assert (np.diff(data.piece(1)["beat_count"]) > 0).all()
    assert set(data.clock(1)[1].tolist()) == {UNKNOWN}  # where its bars begin is not known
    assert data.rows[2]["tempo"] is None
    assert not data.clock(2)[LEVELS].any()


def test_without_beats_in_the_data_the_network_has_no_clock(shards: Path, tmp_path: Path) -> None:
    for file in shards.glob("*.safetensors"):
        arrays, metadata = read_arrays(file)
        arrays.pop("beat_count", None)
        write_arrays(tmp_path / file.name, arrays, metadata)
    task = task_of(tmp_path)
    assert task.models["unet"].config.clock_dim == 0
    assert "clock" not in task.batch(0)


def test_a_training_begins_at_other_weights_but_for_the_output(shards: Path, tmp_path: Path) -> None:
    first = task_of(shards, seed=1)
    first.models["unet"].save_pretrained(tmp_path / "unet")
    second = task_of(shards, seed=2, initialise_from=tmp_path)
    for (name, one), other in zip(
        first.models["unet"].state_dict().items(), second.models["unet"].state_dict().values(), strict=True
    ):
        assert name.startswith("last.") or torch.equal(one, other), name
    assert not second.models["unet"].last.weight.any()
    OmniUNet(UNetConfig.size("tiny", 3)).save_pretrained(tmp_path / "other" / "unet")
    with pytest.raises(InputError, match="other sizes"):
        task_of(shards, initialise_from=tmp_path / "other")


def test_latents_are_white_and_their_whitening_stays(own_shards: Path) -> None:
    data = LatentData(own_shards, DIM)
    pieces = torch.stack([data.piece(index)["latents"].float() for index in range(len(data))])
    white = data.whitening(pieces).transpose(0, 1).flatten(1)
    torch.testing.assert_close(torch.cov(white), torch.eye(DIM), atol=0.02, rtol=0)
    before = (own_shards / "whitening.safetensors").read_bytes()
    (own_shards / "planted-0001.safetensors").unlink()
    assert np.array_equal(LatentData(own_shards).whitening.mean, data.whitening.mean)
    assert (own_shards / "whitening.safetensors").read_bytes() == before
    with pytest.raises(InputError, match="keeps 6 channels, not 5"):
        LatentData(own_shards, 5)


def test_noise_is_gaussian_and_every_part_of_the_batch_sees_its_own(
    shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = task_of(shards, hparams=JEN1Hyperparameters(batch=96))
    seen: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
    real = training.training_target

    def record(objective, clean, noise, signal, level):
        seen.append((clean, noise, signal))
        return real(objective, clean, noise, signal, level)

    monkeypatch.setattr(training, "training_target", record)
    engine = Engine(arguments(1))
    engine.prepare(task.models, task.optimizers)
    engine.seed_step(0)
    task.update(task.batch(0), 0, engine)
    noise = torch.cat([each.flatten() for _, each, _ in seen])
    assert len(seen) == 2
    assert float(noise.mean()) == pytest.approx(0, abs=0.02)
    assert float(noise.std()) == pytest.approx(1, abs=0.02)
    assert float((noise.abs() > 1.96).float().mean()) == pytest.approx(0.05, abs=0.01)
    assert len(torch.cat([signal.flatten() for _, _, signal in seen]).unique()) > 60


def test_losses_fall_and_conditions_help(shards: Path, tmp_path: Path) -> None:
    task = task_of(shards, hparams=JEN1Hyperparameters(batch=12, lr=4e-3, warmup_steps=10, size_power=0.0))
    folder = fit(task, dataclasses.replace(arguments(200), ema_decay=0.9), tmp_path / "out")
    log = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    last = next(row for row in reversed(log) if "val_text_to_music" in row)
    assert last["val_text_to_music"] < last["val_unconditioned"] < 1.0  # 1 is lost by predicting nothing
    assert last["val_embedding_only"] < last["val_unconditioned"]
    assert last["val_inpainting"] < 0.95 * last["val_text_to_music"]
    assert OmniUNet.from_pretrained(folder / "unet").config.latent_dim == DIM
    settings = json.loads((folder / "config.json").read_text())
    assert settings["model"] == "JEN1"
    assert settings["provenance"]["composed"] == 120
    assert (folder / "README.md").is_file()


class InterruptedJEN1(JEN1Task):
    """A training that is interrupted after its first checkpoint."""

    def update(self, batch, step, engine):
        if step == 3:
            raise KeyboardInterrupt
        return super().update(batch, step, engine)


def test_killed_and_resumed_it_trains_as_if_never_stopped(shards: Path, tmp_path: Path) -> None:
    whole = fit(task_of(shards), arguments(6, 2), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit(InterruptedJEN1(shards, "tiny", channels=DIM), arguments(6, 2), tmp_path / "parts")
    parts = fit(task_of(shards), arguments(6, 2), tmp_path / "parts", resume=True)
    one, other = (OmniUNet.from_pretrained(folder / "unet").state_dict() for folder in (whole, parts))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_pieces_for_validation_are_not_trained_on_and_stay_the_same_with_more_shards(own_shards: Path) -> None:
    task = task_of(own_shards)
    assert not set(task.held) & set(task.training)
    assert len(task.held) + len(task.training) == len(task.data)
    held = [task.data.rows[index] for index in task.held]
    (own_shards / "planted-0000.safetensors").unlink()
    fewer = task_of(own_shards)
    assert all(fewer.data.rows[index] in held for index in fewer.held) or fewer.held.tolist() == [0]


@pytest.mark.parametrize("left_out", ABLATIONS)
def test_each_part_of_the_ablation_is_one_line(shards: Path, tmp_path: Path, left_out: str) -> None:
    task = task_of(shards, without={left_out})
    folder = fit(task, arguments(1), tmp_path / "out")
    settings = json.loads((folder / "config.json").read_text())
    assert (settings["diffusion"]["size_power"] == 1.0) == (left_out == "normalisation")
    tasks = settings["provenance"]["tasks"]
    assert [name for name, on in tasks.items() if not on] == ([] if left_out == "normalisation" else [left_out])
    frames = torch.cat([task.batch(step)["latents"].transpose(0, 1).flatten(1) for step in range(16)], dim=1)
    spread = frames.std(dim=1)
    assert (float(spread.max() / spread.min()) > 1.8) == (left_out == "normalisation")


def test_a_loss_that_does_not_fall_is_told(shards: Path) -> None:
    task = task_of(shards)
    assert task.check_divergence([{"step": 600, "loss": 1.3}]) is not None
    assert task.check_divergence([{"step": 100, "loss": 1.3}]) is None
    assert task.check_divergence([{"step": 600, "loss": 0.6}]) is None


def test_the_command_trains_and_resumes(shards: Path, tmp_path: Path) -> None:
    call = ["train", "jen1", str(shards), str(tmp_path / "out"), "--size", "tiny", "--channels", str(DIM)]
    call += ["--device", "cpu", "--every", "2"]
    assert CliRunner().invoke(app, [*call, "--steps", "2"]).exit_code == 0
    assert (tmp_path / "out" / "model" / "config.json").is_file()
    assert CliRunner().invoke(app, [*call, "--steps", "4", "--resume"]).exit_code == 0
    wrong = CliRunner().invoke(app, [*call, "--without", "everything"])
    assert isinstance(wrong.exception, InputError)
    assert "normalisation" in str(wrong.exception)


def test_a_folder_without_latents_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no latents"):
        LatentData(tmp_path)
