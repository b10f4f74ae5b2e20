"""A folder of small sound files, and an embedder that is quick and tells different sounds apart."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from brain2music._utils.errors import InputError
from brain2music.embeddings import EmbeddingSpace

RATE = 8000


class Bands:
    """Log energy in eight bands, one window per second, plus a large shared mean."""

    space = EmbeddingSpace("bands", "1", "none", 8, 1.0, 1.0, RATE)

    def __init__(self) -> None:
        self.calls = 0

    def embed(self, waveform: np.ndarray, rate: int) -> np.ndarray:
        assert rate == RATE
        self.calls += 1
        if len(waveform) < rate:
            raise InputError("the sound is shorter than one window")
        windows = waveform[: len(waveform) // rate * rate].reshape(-1, rate)
        spectra = np.abs(np.fft.rfft(windows, axis=1))[:, 1:]
        bands = spectra.reshape(len(windows), 8, -1).mean(axis=2)
        return (np.log(bands + 1e-3) + 20).astype(np.float32)


@pytest.fixture
def embedder() -> Bands:
    return Bands()


def write_tone(path: Path, frequency: float, seconds: float = 3.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(round(frequency)).normal(0, 0.01, len(time))
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * frequency * time) + noise, RATE)


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Nine tracks in three GTZAN genre folders, two of which are not named as GTZAN's are."""
    names = ["blues/blues.00000", "blues/blues.00001", "blues/blues.00002", "rock/a", "rock/b", "rock/c"]
    for number, name in enumerate([*names, "tango/tango.01", "album/x", "album/y"]):
        write_tone(tmp_path / "music" / f"{name}.wav", 200 + 400 * number)
    return tmp_path / "music"
