"""The inverse of mel bands: bands are kept, partials found, silence is silent, and training resumes exactly."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from brain2music._utils.errors import LeakageError
from brain2music.audio.io import write_audio
from brain2music.cli import app
from brain2music.models.mel_tokens.hifigan import (
    N_FFT,
    N_MELS,
    SAMPLE_RATE,
    hifigan_log_mel,
    log_mel_bands,
    stft_magnitudes,
)
from brain2music.models.mel_tokens.mel_inverse import BINS, MelInverse, MelInverseConfig
from brain2music.models.mel_tokens.mel_inverse_training import (
    MelInverseHyperparameters,
    MelInverseTask,
    train_mel_inverse,
)
from brain2music.training.arguments import TrainingArguments
from brain2music.training.engine import Engine

TIME = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
SMALL = MelInverseConfig(width=32, blocks=2)


def note() -> np.ndarray:
    """Thirty harmonics."""
    partials = (np.sin(2 * np.pi * 220 * k * TIME) / k for k in range(1, 31))
    return (0.1 * sum(partials)).astype(np.float32)


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight sounds of harmonics at random pitches."""
    folder, rng = tmp_path_factory.mktemp("inverse"), np.random.default_rng(0)
    for number in range(8):
        notes = [sum(np.sin(2 * np.pi * hz * k * TIME) / k for k in range(1, 9)) for hz in rng.uniform(110, 700, 2)]
        write_audio(folder / f"{number}.wav", (0.1 * sum(notes)).astype(np.float32)[None], SAMPLE_RATE)
    return folder


def arguments(steps: int) -> TrainingArguments:
    return TrainingArguments(
        steps=steps, validate_every=steps, checkpoint_every=5, log_every=5, device="cpu", workers=0
    )


def test_what_ships_keeps_bands_and_finds_partials() -> None:
    """Bands of what it finds are those given; partials of 3 to 5 kHz stand out by 6 dB more than if spread evenly."""
    mel, true = hifigan_log_mel(note()).T.numpy(), stft_magnitudes(torch.from_numpy(note())).numpy()
    found = MelInverse.from_pretrained("mel-inverse").magnitudes(mel)
    even = MelInverse(SMALL).magnitudes(mel)
    assert found.shape == even.shape == (BINS, len(mel))
    assert np.abs(log_mel_bands(torch.from_numpy(found)).T.numpy() - mel).mean() < 0.05
    numbers = np.arange(14, 23)
    peaks, valleys = (np.round(220 * (numbers + offset) * N_FFT / SAMPLE_RATE).astype(int) for offset in (0.0, 0.5))

    def contrast(magnitude: np.ndarray) -> float:
        level = 20 * np.log10(magnitude[:, 40:120]).mean(axis=1)
        return float((level[peaks] - level[valleys]).mean())

    assert contrast(true) > contrast(found) > contrast(even) + 6


def test_silence_is_silent() -> None:
    found = MelInverse.from_pretrained("mel-inverse").magnitudes(np.full((50, N_MELS), np.log(1e-5), np.float32))
    assert found.max() < 256 * 10 ** (-90 / 20)


def test_untrained_it_spreads_bands_evenly() -> None:
    """Noise, which is even, comes back within its own chance; so does its level above the last band."""
    noise = np.random.default_rng(0).standard_normal(4 * SAMPLE_RATE).astype(np.float32)
    mel, true = log_mel_bands(stft_magnitudes(torch.from_numpy(noise))), stft_magnitudes(torch.from_numpy(noise))
    found = MelInverse(SMALL)(mel[None])[0].detach().exp()
    ratio = (found.mean(1) / true.mean(1)).numpy()
    assert np.abs(np.log(ratio[4:])).max() < 0.3


def test_it_learns_and_a_killed_training_ends_with_the_same_weights(
    music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hparams = MelInverseHyperparameters(batch=4, frames=40, lr=1e-2)  # which a warm-up of 200 steps halves

    def train(out: Path, resume: bool = False) -> MelInverse:
        return train_mel_inverse([music], out, arguments(100), resume=resume, hparams=hparams, config=SMALL, n_jobs=1)

    whole = train(tmp_path / "whole")
    card = (tmp_path / "whole" / "model" / "README.md").read_text(encoding="utf-8")
    after, before = (float(card.split(f"| {name} | ")[1].split(" ")[0]) for name in ("difference", "difference_before"))
    assert after < 0.8 * before

    update = MelInverseTask.update

    def killed(
        self: MelInverseTask, batch: torch.Tensor, step: int, engine: Engine
    ) -> Mapping[str, torch.Tensor | float]:
        if step == 73:
            raise KeyboardInterrupt
        return update(self, batch, step, engine)

    monkeypatch.setattr(MelInverseTask, "update", killed)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "killed")
    monkeypatch.undo()
    train(tmp_path / "killed", resume=True)
    files = [tmp_path / name / "model" / "model.safetensors" for name in ("whole", "killed")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert whole.config == SMALL


def test_the_command_trains_on_several_folders_and_refuses_what_is_held_out(music: Path, tmp_path: Path) -> None:
    words = ["train", "mel-inverse", str(tmp_path / "out"), str(music), str(music), "--steps", "2", "--n-jobs", "1"]
    done = CliRunner().invoke(app, [*words, "--device", "cpu"])
    assert done.exit_code == 0, done.output
    assert MelInverse.from_pretrained(tmp_path / "out" / "model").config == MelInverseConfig()
    refused = CliRunner().invoke(app, [*words, "--resume", "--held-out", str(music)])
    assert isinstance(refused.exception, LeakageError)
    missing = CliRunner().invoke(app, ["train", "mel-inverse", str(tmp_path / "o"), str(tmp_path / "nowhere")])
    assert "no such" in str(missing.exception)
