"""Plain arrays as responses and embeddings: exchanged axes are told."""

import warnings

import numpy as np
import pytest

import brain2music as b2m
from brain2music import Brain2MusicWarning, InputError
from brain2music.embeddings import Embeddings, EmbeddingSpace


def test_more_scans_than_voxels_are_warned_of_with_the_names_of_axes(rng: np.random.Generator) -> None:
    music = rng.normal(size=(20, 1, 3))
    bold = rng.normal(size=(20, 6, 40))
    with warnings.catch_warnings():
        warnings.simplefilter("error", Brain2MusicWarning)
        b2m.Decoder(alphas=(1.0, 10.0)).fit(bold, music)
    with pytest.warns(Brain2MusicWarning, match="20 clips, 40 scans and 6 voxels"):
        b2m.Decoder(alphas=(1.0, 10.0)).fit(bold.transpose(0, 2, 1), music)


def test_scans_that_outlast_the_windows_are_refused(rng: np.random.Generator) -> None:
    space = EmbeddingSpace("test", "1", "none", 3, 4.5, 1.5, 16000)
    music = Embeddings(rng.normal(size=(20, 4, 3)).astype(np.float32), tuple(f"c{i}" for i in range(20)), space)
    bold = rng.normal(size=(20, 6, 200))
    assert b2m.Decoder(alphas=(1.0, 10.0)).fit(bold, music).n_features_in_ == 200
    with pytest.raises(InputError, match=r"scans 200, voxels 6\) last 300 s .* the windows of test 9 s"):
        b2m.Decoder(alphas=(1.0, 10.0)).fit(bold.transpose(0, 2, 1), music)
