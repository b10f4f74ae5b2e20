"""The features that voxels follow, on sounds whose features are known."""

import numpy as np
import pandas as pd
import pytest

from brain2music.simulation.brain.features import RATE, feature_space, label_features, sound_features
from brain2music.study import Clip

HZ = 22050
TIMES = np.arange(6 * HZ) / HZ


def test_frames_come_ten_times_a_second() -> None:
    features = sound_features(np.sin(TIMES).astype(np.float32)[: 5 * HZ], HZ)
    assert {len(values) for values in features.values()} == {5 * RATE}
    assert {name.split(".")[0] for name in features} == {"early", "middle"}


@pytest.mark.parametrize(("hertz", "pitch_class"), [(440.0, 9), (261.63, 0), (1174.66, 2)])
def test_a_tone_lights_its_pitch_class_and_mel_band(hertz: float, pitch_class: int) -> None:
    features = sound_features(np.sin(2 * np.pi * hertz * TIMES), HZ)
    chroma = np.array([features[f"middle.chroma{i:02d}"].mean() for i in range(12)])
    assert chroma.argmax() == pitch_class
    mel = np.array([features[f"early.mel{i:02d}"].mean() for i in range(32)])
    higher = sound_features(np.sin(2 * np.pi * 2 * hertz * TIMES), HZ)
    assert mel.argmax() < np.argmax([higher[f"early.mel{i:02d}"].mean() for i in range(32)])
    assert features["middle.brightness"].mean() < higher["middle.brightness"].mean()


@pytest.mark.parametrize("rate", [2.0, 4.0, 8.0])
def test_amplitude_modulation_lights_its_rate(rate: float, rng: np.random.Generator) -> None:
    noise = rng.standard_normal(len(TIMES)) * (1 + 0.95 * np.sin(2 * np.pi * rate * TIMES))
    still = rng.standard_normal(len(TIMES))
    found = {hertz: _modulation(noise, hertz) - _modulation(still, hertz) for hertz in (1.0, 2.0, 4.0, 8.0, 16.0)}
    assert max(found, key=found.__getitem__) == rate


def _modulation(sound: np.ndarray, hertz: float) -> float:
    features = sound_features(sound, HZ)
    return float(np.mean([features[f"early.mod{hertz:g}hz0.25cpo{i}"][10:50].mean() for i in range(4)]))


def test_clicks_light_onsets_where_they_are() -> None:
    clicks = np.zeros_like(TIMES)
    clicks[HZ // 4 :: HZ // 2] = 1
    onsets = sound_features(clicks, HZ)["middle.onset"]
    with_click = np.isin(np.arange(len(onsets)) % 5, [2])
    assert onsets[with_click].min() > 5 * onsets[~with_click].max()


def test_labels_come_from_the_truth_table() -> None:
    clip = Clip("jazz.00001", 0.0, 15.0, "jazz")
    truth = pd.DataFrame(
        {"mood": ["calm", "wild"], "instruments": ["piano; double bass", "drums"]}, index=["jazz.00001", "rock.00001"]
    )
    assert label_features(clip, truth, ["jazz", "rock"]) == {
        "late.genre.jazz": 1.0,
        "late.genre.rock": 0.0,
        "late.mood.calm": 1.0,
        "late.mood.wild": 0.0,
        "late.instruments.double bass": 1.0,
        "late.instruments.drums": 0.0,
        "late.instruments.piano": 1.0,
    }


def test_space_is_scaled_on_training_clips_and_families_are_contiguous(rng: np.random.Generator) -> None:
    clips = [Clip(f"{genre}.{i:05d}", 0.0, 15.0, genre) for genre in ("jazz", "rock") for i in range(3)]
    sounds = {clip: sound_features(rng.standard_normal(15 * 8000) * (1 + i), 8000) for i, clip in enumerate(clips)}
    space = feature_space(sounds, None, clips[:4])
    train = np.concatenate([space.frames[clip] for clip in clips[:4]])
    varying = train.std(0) > 0
    assert np.allclose(train.mean(0)[varying], 0, atol=2e-3)
    assert np.allclose(train.std(0)[varying], 1, atol=2e-3)
    assert "".join(dict.fromkeys(family[0] for family in space.families)) == "eml"
    assert all(name.startswith("late") for name in space.names[space.columns("late")])
    assert "late.mfcc00" in space.names
