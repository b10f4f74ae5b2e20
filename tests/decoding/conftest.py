"""Responses planted from embeddings through a random linear map, and both nouns by hand."""

from collections.abc import Callable

import numpy as np
import pytest

from brain2music.brain.responses import Responses, VoxelSpace
from brain2music.embeddings.embeddings import Embeddings, EmbeddingSpace
from brain2music.study.study import Clip


@pytest.fixture
def make_embeddings() -> Callable[..., Embeddings]:
    """``make(data, clips, window_s=, step_s=)`` with data (clips, windows, dims)."""

    def make(data: np.ndarray, clips: tuple[Clip, ...], window_s: float = 3.0, step_s: float = 1.5) -> Embeddings:
        space = EmbeddingSpace("toy", "1", "none", data.shape[2], window_s, step_s, 16000)
        return Embeddings(data.astype(np.float32), tuple(clip.name for clip in clips), space)

    return make


@pytest.fixture
def make_responses() -> Callable[..., Responses]:
    """``make(data, prefix=, roi=)`` with data (clips, scans, voxels); two clips a run, TR 1.5 s."""

    def make(data: np.ndarray, prefix: str = "a", roi: tuple[str, ...] | None = None) -> Responses:
        clips = tuple(Clip(f"{prefix}{i}", 0.0, data.shape[1] * 1.5) for i in range(len(data)))
        space = None
        if roi is not None:
            space = VoxelSpace(np.ones((1, 1, data.shape[2]), dtype=bool), np.eye(4), roi)
        counts = np.ones(len(data), dtype=int)
        return Responses("001", data.astype(np.float32), clips, np.arange(len(data)) // 2, 1.5, 0, counts, space=space)

    return make


@pytest.fixture
def planted(rng, make_responses, make_embeddings):
    """``planted(n_clips, n_voxels, noise)``: training and test pairs whose windows obey one linear map.

    Each scan is an embedding times a map; an embedding's window is the mean of its two scans. The embeddings
    have a large common offset, as real ones do.
    """

    def make(n_clips: int = 40, n_voxels: int = 30, noise: float = 0.1, scans: int = 6, dims: int = 4):
        weights = rng.standard_normal((dims, n_voxels))
        sides = []
        for prefix, n in (("train", n_clips), ("test", n_clips // 2)):
            latent = rng.standard_normal((n, scans, dims))
            noisy = latent @ weights + noise * rng.standard_normal((n, scans, n_voxels))
            responses = make_responses(noisy, prefix)
            windows = (latent[:, :-1] + latent[:, 1:]) / 2 + 50.0
            sides += [responses, make_embeddings(windows, responses.clips)]
        return tuple(sides)

    return make
