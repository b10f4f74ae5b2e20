"""What the small MuLan hears: musicnn as the embedder gives it, pitch and pulse as they were played."""

import numpy as np
import pytest

from brain2music.models.mulan.feature_extractor import _TEMPI, DIMS, FeatureExtractor, sections
from brain2music.models.musicnn.musicnn_embedder import MusicnnEmbedder

SAMPLE_RATE = 16000


def clicks(tempo: float, seconds: float = 10.0) -> np.ndarray:
    """Short bursts of noise, so many a minute."""
    noise = np.random.default_rng(0).standard_normal(round(seconds * SAMPLE_RATE))
    time = np.arange(len(noise)) / SAMPLE_RATE
    return (noise * (time % (60 / tempo) < 0.03) / 4).astype(np.float32)


@pytest.fixture(scope="module")
def extractor(musicnn_folder) -> FeatureExtractor:
    return FeatureExtractor(10.0, 2.0)


def test_it_begins_with_musicnn(extractor, sounds, musicnn_folder):
    sound = np.tile(sounds["chord"], 3)[: 13 * SAMPLE_RATE]
    found = extractor(sound, SAMPLE_RATE)
    embedder = MusicnnEmbedder("msd", 10.0, 2.0, musicnn_folder)
    assert found.shape == (2, DIMS)
    parts = sections()
    for name, kind in (("mean", "mean_pool"), ("max", "max_pool")):
        np.testing.assert_allclose(
            found[:, parts[name]], embedder.features(sound, SAMPLE_RATE, kind), rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("tempo", [72.0, 120.0, 171.0])
def test_the_pulse_is_found(extractor, tempo):
    pulse = extractor(clicks(tempo), SAMPLE_RATE)[0, sections()["pulse"]].reshape(4, 60)
    own = np.abs(np.log(_TEMPI / tempo)).argmin()
    for curve in pulse:
        near = curve[max(0, own - 1) : own + 2].max()
        assert near > 0.6 * curve.max()
        assert near > 2 * np.median(np.abs(curve))


def test_the_notes_are_found(extractor):
    time = np.arange(10 * SAMPLE_RATE) / SAMPLE_RATE
    triad = (
        sum(np.sin(2 * np.pi * 440 * 2 ** ((note - 69) / 12) * time) for note in (60, 64, 67)).astype(np.float32) / 4
    )
    chroma = extractor(triad, SAMPLE_RATE)[0, sections()["chroma"]][:12]
    assert set(np.argsort(-chroma)[:3]) == {0, 4, 7}


def test_sound_shorter_than_a_patch_is_heard(extractor, sounds):
    found = extractor(sounds["beats"][:8000], SAMPLE_RATE)
    assert found.shape == (1, DIMS)
    assert np.isfinite(found).all()


def test_silence_is_heard(extractor):
    assert np.isfinite(extractor(np.zeros(SAMPLE_RATE * 10, np.float32), SAMPLE_RATE)).all()
