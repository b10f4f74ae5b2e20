"""Sounds to embed, musicnn's installed weights where they are at hand, and tiny codecs with random weights."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from brain2music.models.autoencoder.model import Autoencoder, AutoencoderConfig
from brain2music.models.soundstream.model import SoundStream, SoundStreamConfig


@pytest.fixture
def sounds() -> dict[str, np.ndarray]:
    """Three unlike sounds of 5 s at 16 kHz: a chord that decays, beats of noise, a rising tone."""
    time = np.arange(5 * 16000) / 16000
    chord = sum(np.sin(2 * np.pi * pitch * time) for pitch in (220.0, 277.2, 329.6)) * np.exp(-time) / 4
    beats = np.random.default_rng(1).standard_normal(len(time)) * (time % 0.5 < 0.05) / 3
    sweep = np.sin(2 * np.pi * (100 * time + 300 * time**2)) / 2
    return {name: sound.astype(np.float32) for name, sound in (("chord", chord), ("beats", beats), ("sweep", sweep))}


@pytest.fixture(scope="session")
def musicnn_folder() -> Path:
    spec = importlib.util.find_spec("musicnn")
    if spec is None:
        pytest.skip("musicnn's wheel is not installed (`brain2music models pull musicnn`)")
    return Path(spec.submodule_search_locations[0])


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def soundstream() -> SoundStream:
    """A tiny SoundStream whose codebooks have been fitted to its latents, so that its codes vary."""
    torch.manual_seed(0)
    model = SoundStream(SoundStreamConfig.size("tiny")).eval()
    with torch.no_grad():
        latents = model.latents(torch.randn(1, 1, 48000))
    model.quantizer.fit(latents[0].T)
    return model


@pytest.fixture
def autoencoder() -> Autoencoder:
    torch.manual_seed(0)
    return Autoencoder(AutoencoderConfig.size("tiny")).eval()


@pytest.fixture
def soundstream_folder(soundstream: SoundStream, tmp_path: Path) -> Path:
    return soundstream.save_pretrained(tmp_path / "soundstream")


@pytest.fixture
def autoencoder_folder(autoencoder: Autoencoder, tmp_path: Path) -> Path:
    return autoencoder.save_pretrained(tmp_path / "autoencoder")
