"""Responses planted from embeddings through a known linear map, and both nouns by hand."""

from collections.abc import Callable

import numpy as np
import pytest

from brain2music.brain import Responses, VoxelSpace
from brain2music.embeddings import Embeddings, EmbeddingSpace
from brain2music.study import Clip


@pytest.fixture
def make_embeddings() -> Callable[..., Embeddings]:
    """``make(data, clips, name=, window_s=, step_s=)`` with data (clips, windows, dims)."""

    def make(
        data: np.ndarray, clips: tuple[Clip, ...], name: str = "toy", window_s: float = 3.0, step_s: float = 1.5
    ) -> Embeddings:
        space = EmbeddingSpace(name, "1", "none", data.shape[2], window_s, step_s, 16000)
        return Embeddings(data.astype(np.float32), tuple(clip.name for clip in clips), space)

    return make


@pytest.fixture
def make_responses() -> Callable[..., Responses]:
    """``make(data, prefix=, repeats=, space=)`` with data (clips, scans, voxels); ten clips a run, TR 1.5 s."""

    def make(
        data: np.ndarray, prefix: str = "a", repeats: np.ndarray | None = None, space: VoxelSpace | None = None
    ) -> Responses:
        clips = tuple(Clip(f"{prefix}{i}", 0.0, data.shape[1] * 1.5, "rock") for i in range(len(data)))
        n_repeats = np.full(len(data), 1 if repeats is None else len(repeats))
        repeats = None if repeats is None else repeats.astype(np.float32)
        runs = np.arange(len(data)) // 10
        return Responses("001", data.astype(np.float32), clips, runs, 1.5, 0, n_repeats, repeats, space)

    return make


@pytest.fixture
def planted(rng, make_responses, make_embeddings):
    """``planted(n_train, n_test, weights, noise)``: training and test sides in which scans follow an embedding.

    Each scan is a latent times ``weights`` (dims, voxels) plus noise; a window's embedding is the mean latent of its
    two scans. Test clips are presented four times.
    """

    def make(n_train: int, n_test: int, weights: np.ndarray, noise: float, scans: int = 5, space=None):
        dims, n_voxels = weights.shape
        sides = []
        for prefix, n, n_repeats in (("train", n_train, 1), ("test", n_test, 4)):
            latent = rng.standard_normal((n, 1, dims)) + 0.3 * rng.standard_normal((n, scans, dims))
            repeats = latent @ weights + noise * rng.standard_normal((n_repeats, n, scans, n_voxels))
            responses = make_responses(repeats.mean(axis=0), prefix, repeats if n_repeats > 1 else None, space)
            sides += [responses, make_embeddings((latent[:, :-1] + latent[:, 1:]) / 2, responses.clips)]
        return tuple(sides)

    return make
