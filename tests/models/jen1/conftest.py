"""A tiny JEN-1 with random weights over mel latents, small enough to sample in a second."""

from pathlib import Path

import numpy as np
import pytest
import torch

from brain2music._utils.files import write_arrays
from brain2music.embeddings.embeddings import EmbeddingSpace
from brain2music.models.autoencoder.whitening import LatentWhitening
from brain2music.models.jen1.config import UNetConfig
from brain2music.models.jen1.diffusion import DiffusionConfig
from brain2music.models.jen1.latents import LatentCodec, open_latents
from brain2music.models.jen1.model import JEN1
from brain2music.models.jen1.unet import OmniUNet

SPACE = EmbeddingSpace("logmel", "1", "none", 8, 10.0, 5.0, 16000)
DIM = 6
RATE = 22_050
BEATS_PER_FRAME = 0.05
PIECES = 60
"""Pieces per shard of planted latents."""


def make_network(
    seed: int = 1, latent_dim: int = DIM, text_dim: int = 12, config: UNetConfig | None = None
) -> OmniUNet:
    """A tiny network, of which every layer does something: those that begin at zero are random, too."""
    torch.manual_seed(seed)
    network = OmniUNet(config or UNetConfig.size("tiny", latent_dim, text_dim, SPACE.dims))
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.2)
    return network.eval()


def music(seconds: float = 6.0, seed: int = 0, rate: int = RATE) -> np.ndarray:
    """Notes of random pitch, four per second."""
    rng, time = np.random.default_rng(seed), np.arange(round(seconds * rate)) / rate
    pitches = 220 * 2 ** (rng.integers(0, 24, int(4 * seconds) + 1) / 12)
    note = pitches[(4 * time).astype(int)]
    decay = np.exp(-6 * (time % 0.25))
    return (0.3 * decay * np.sin(2 * np.pi * np.cumsum(note) / rate)).astype(np.float32)


@pytest.fixture(scope="session")
def latents() -> LatentCodec:
    whitening = LatentWhitening(160, DIM)
    plain = open_latents("mel-tokens-6k", None)
    for seed in range(8):
        whitening.update(plain.raw(music(seed=seed)[None])[None])
    return open_latents("mel-tokens-6k", whitening)


@pytest.fixture(scope="session")
def model(latents: LatentCodec) -> JEN1:
    diffusion = DiffusionConfig(sampling_steps=3, window_s=4.0, stride_s=2.0)
    return JEN1(make_network(), diffusion, latents, SPACE, None)


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Latents of two kinds of pieces that an embedding and a text tell apart: slow waves, and fast ones."""
    folder, rng = tmp_path_factory.mktemp("latents"), np.random.default_rng(0)
    about = {
        **{"codec": "mel-tokens-6k", "codec_sha256": "0" * 64, "frame_rate": 43.0, "normalise_rms": False},
        **{"space": vars(SPACE), "text": {"name": "letters", "dims": 12}},
    }
    centres, words = rng.standard_normal((2, 8)), rng.standard_normal((2, 5, 12))
    speeds = np.stack([np.linspace(0.05, 0.2, 10), np.linspace(0.8, 1.2, 10)])
    for shard in range(2):
        kinds = np.arange(PIECES) % 2
        phases = rng.uniform(0, 2 * np.pi, (PIECES, 10, 1))
        latents = np.sin(speeds[kinds][:, :, None] * np.arange(40) + phases) * np.linspace(4, 0.5, 10)[:, None]
        arrays = {
            "latents": latents.astype(np.float16),
            "windows": np.repeat(centres[kinds][:, None], 2, axis=1).astype(np.float16),
            "text": words[kinds].astype(np.float16),
            "beat_count": np.where(kinds[:, None] == 0, np.arange(40) * BEATS_PER_FRAME, 0.0).astype(np.float32),
            "n_tokens": np.where(np.arange(PIECES) % 3, 5, 0).astype(np.int32),
        }
        rows = [
            {"genre": "g", "seed": shard, "number": number, "composed": True}
            | {"tempo": None if kind else 60 * 43.0 * BEATS_PER_FRAME, "beats_per_bar": None if kind else 4}
            for number, kind in enumerate(kinds)
        ]
        write_arrays(folder / f"planted-{shard:04d}.safetensors", arrays, {"pieces": rows, **about})
    return folder
