"""YAMNet by its TFLite file: frames, windows, classes, and files that are not it."""

from pathlib import Path

import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music.models.embedders import get_embedder, list_embedders
from brain2music.models.yamnet.yamnet_embedder import FRAME_LENGTH, HOP_LENGTH, SAMPLE_RATE, YamnetEmbedder

pytestmark = pytest.mark.real_data


@pytest.fixture
def yamnet(real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> YamnetEmbedder:
    (tmp_path / "yamnet").symlink_to(real_data / "yamnet")
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path))
    embedder = get_embedder("yamnet", 2.0, 1.0)
    assert isinstance(embedder, YamnetEmbedder)
    return embedder


def tones(seconds: float, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    return (0.2 * np.sin(2 * np.pi * 440 * time) + 0.1 * np.sin(2 * np.pi * 660 * time)).astype(np.float32)


def test_windows_are_means_of_their_frames(yamnet: YamnetEmbedder) -> None:
    sound = tones(4.0)
    found = yamnet.embed(sound, SAMPLE_RATE)
    assert found.shape == (3, 1024)
    frames = np.stack(
        [
            yamnet._run(sound[first : first + FRAME_LENGTH])[0]
            for first in range(0, len(sound) - FRAME_LENGTH, HOP_LENGTH)
        ]
    )
    middles = (np.arange(len(frames)) * HOP_LENGTH + FRAME_LENGTH / 2) / SAMPLE_RATE
    np.testing.assert_allclose(found[1], frames[(middles >= 1) & (middles < 3)].mean(axis=0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("samples", [1, 800, FRAME_LENGTH, FRAME_LENGTH + 1])
def test_short_sounds_have_one_window(yamnet: YamnetEmbedder, samples: int) -> None:
    assert yamnet.embed(tones(2.0)[:samples], SAMPLE_RATE).shape == (1, 1024)


def test_music_is_called_music(yamnet: YamnetEmbedder, real_data: Path) -> None:
    from brain2music.audio.find import find_audio
    from brain2music.audio.io import read_audio

    probabilities = yamnet.classes(*read_audio(find_audio(real_data / "recorded")[0], duration=5.0))
    assert probabilities.shape == (521,) == (len(yamnet.class_names),)
    assert yamnet.class_names[int(probabilities.argmax())] == "Music"


def test_other_files_are_refused(real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path))
    with pytest.raises(InputError, match="files of YAMNet are not here"):
        get_embedder("yamnet")
    assert not next(each for each in list_embedders() if each.name == "yamnet").available
    (tmp_path / "yamnet").mkdir()
    (tmp_path / "yamnet" / "yamnet_class_map.csv").write_text("index,mid,display_name\n0,/m/0,Speech\n")
    (tmp_path / "yamnet" / "yamnet.tflite").write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match="not a TFLite model"):
        get_embedder("yamnet")
    other = (real_data / "lyra_v2" / "soundstream_encoder.tflite").read_bytes()
    (tmp_path / "yamnet" / "yamnet.tflite").write_bytes(other)
    with pytest.raises(InputError, match="not YAMNet"):
        get_embedder("yamnet")
