"""Tiny codecs with random weights: what is tested here does not depend on training."""

from pathlib import Path

import pytest
import torch

from brain2music.models.autoencoder.model import Autoencoder, AutoencoderConfig
from brain2music.models.soundstream.model import SoundStream, SoundStreamConfig


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
