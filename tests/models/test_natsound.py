"""Real brains: six components of auditory cortex's responses predict the embedding of what was heard."""

import numpy as np
import pytest
from scipy.io import loadmat
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold

from brain2music.embeddings.clips import embed_files
from brain2music.models.embedders import get_embedder


@pytest.mark.real_data
@pytest.mark.slow
@pytest.mark.parametrize(("name", "low", "high"), [("musicnn-mtt", 0.88, 0.95), ("logmel", 0.74, 0.82)])
def test_identification_from_six_components(musicnn_folder, real_data, name, low, high):
    components = loadmat(real_data / "natsound165/components.mat")
    names = [str(stimulus[0]) for stimulus in np.ravel(components["stim_names"])]
    files = [real_data / f"natsound165/wav/{stimulus}.wav" for stimulus in names]
    target = embed_files(files, get_embedder(name)).mean
    predicted, true = _held_out(components["R"], target)
    assert low < _identification(predicted, true) < high
    shuffled = np.random.default_rng(0).permutation(len(target))
    assert 0.4 < _identification(predicted, true[shuffled]) < 0.6


def _held_out(response: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and true targets of held-out sounds, scaled by their training sounds."""
    predicted, true = np.zeros_like(target), np.zeros_like(target)
    for train, test in KFold(10, shuffle=True, random_state=0).split(response):
        x_mean, x_scale = response[train].mean(axis=0), response[train].std(axis=0)
        y_mean, y_scale = target[train].mean(axis=0), target[train].std(axis=0) + 1e-6
        ridge = RidgeCV(np.logspace(-2, 4, 13), alpha_per_target=True)
        ridge.fit((response[train] - x_mean) / x_scale, (target[train] - y_mean) / y_scale)
        predicted[test] = ridge.predict((response[test] - x_mean) / x_scale)
        true[test] = (target[test] - y_mean) / y_scale
    return predicted, true


def _identification(predicted: np.ndarray, true: np.ndarray) -> float:
    r = np.corrcoef(predicted, true)[: len(true), len(true) :]
    return float((np.diag(r)[:, None] > r).sum(axis=1).mean() / (len(r) - 1))
