"""Sounds to embed, and the installed weights of musicnn where they are at hand."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest


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
