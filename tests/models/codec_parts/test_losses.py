"""Losses against the paper's formulas written out, and the discriminators' shapes."""

import librosa
import numpy as np
import pytest
import torch

from brain2music.models.codec_parts.discriminators import Discriminators
from brain2music.models.codec_parts.losses import (
    WINDOWS,
    adversarial_loss,
    discriminator_loss,
    feature_loss,
    mel_bands,
    reconstruction_loss,
)

_CPU = torch.device("cpu")


def test_hinge_losses_are_the_papers() -> None:
    real = [(torch.tensor([[[0.5, 2.0]]]), []), (torch.tensor([[[-1.0]]]), [])]
    fake = [(torch.tensor([[[-2.0, 0.0]]]), []), (torch.tensor([[[3.0]]]), [])]
    assert discriminator_loss(real, fake).item() == pytest.approx((0.25 + 2.0) / 2 + (0.5 + 4.0) / 2)
    assert adversarial_loss(fake).item() == pytest.approx(((3.0 + 1.0) / 2 + 0.0) / 2)


def test_the_generator_gains_nothing_beyond_the_margin() -> None:
    logits = torch.tensor([[[1.5, 0.5]]], requires_grad=True)
    adversarial_loss([(logits, [])]).backward()
    assert logits.grad.tolist() == [[[0.0, -0.5]]]


def test_feature_loss_is_the_mean_over_layers_and_discriminators() -> None:
    logits, zero = torch.zeros(1, 1, 1), torch.zeros(1, 2, 3)
    real = [(logits, [zero, zero]), (logits, [zero])]
    fake = [(logits, [zero + 1, zero - 2]), (logits, [zero + 6])]
    assert feature_loss(real, fake).item() == pytest.approx(3.0)


def test_reconstruction_is_the_papers_sum(rng: np.random.Generator) -> None:
    wave, decoded = 0.1 * rng.standard_normal((2, 24000)).astype(np.float32)
    expected = 0.0
    for window in WINDOWS:
        bands = mel_bands(window, 24000, _CPU).numpy()
        taper = np.hanning(window + 1)[:-1]
        mels = [
            bands
            @ np.abs(
                librosa.stft(signal, n_fft=window, hop_length=window // 4, window=taper / taper.sum(), center=False)
            )
            for signal in (wave, decoded)
        ]
        logs = [np.log(np.maximum(mel, 1e-5)) for mel in mels]
        expected += np.abs(mels[0] - mels[1]).sum()
        expected += np.sqrt(window / 2) * np.linalg.norm(logs[0] - logs[1], axis=0).sum()
    waves = (torch.from_numpy(signal)[None, None] for signal in (wave, decoded))
    assert reconstruction_loss(*waves, 24000, average="none").item() == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("average", ["bins", "frames"])
def test_averages_do_not_depend_on_the_crops_length(average: str) -> None:
    torch.manual_seed(0)
    wave, decoded = 0.1 * torch.randn(2, 1, 1, 96000)
    whole = reconstruction_loss(wave, decoded, 24000, average=average)
    half = reconstruction_loss(wave[..., :48000], decoded[..., :48000], 24000, average=average)
    assert half.item() == pytest.approx(whole.item(), rel=0.02)


def test_reconstruction_of_the_same_sound_is_nothing_and_its_gradient_finite() -> None:
    wave = torch.zeros(1, 1, 4000)
    decoded = torch.zeros(1, 1, 4000, requires_grad=True)
    loss = reconstruction_loss(wave, decoded, 24000)
    loss.backward()
    assert loss < 1e-3
    assert torch.isfinite(decoded.grad).all()


@pytest.mark.parametrize("sample_rate", [24000, 48000])
@pytest.mark.parametrize("window", WINDOWS)
def test_no_mel_band_is_empty(window: int, sample_rate: int) -> None:
    bands = mel_bands(window, sample_rate, _CPU)
    assert (bands.amax(1) > 0).all()
    assert bands.shape[0] == 64 or window < 512


def test_reconstruction_under_autocast_is_the_same() -> None:
    torch.manual_seed(0)
    wave, decoded = 0.1 * torch.randn(2, 1, 1, 4000)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = reconstruction_loss(wave, decoded, 24000)
    assert torch.equal(mixed, reconstruction_loss(wave, decoded, 24000))


@pytest.mark.parametrize("channels", [1, 2])
def test_discriminators_have_the_papers_shapes(channels: int) -> None:
    discriminators = Discriminators(channels, width=4, stft_width=16)
    outputs = discriminators(torch.randn(2, channels, 8192))
    waves, (stft_logits, stft_features) = outputs[:3], outputs[3]
    for scale, (logits, features) in zip((1, 2, 4), waves, strict=True):
        assert [feature.shape[1] for feature in features] == [4, 16, 64, 256, 256, 256]
        assert features[0].shape[-1] == 8192 // scale
        assert logits.shape == (2, 1, 8192 // scale // 256)
    assert [feature.shape[3] for feature in stft_features] == [512, 256, 128, 64, 32, 16, 8]
    assert [feature.shape[1] for feature in stft_features] == [16, 32, 64, 64, 128, 128, 256]
    assert stft_logits.ndim == 3
    assert stft_logits.shape[:2] == (2, 1)


def test_every_weight_of_the_discriminators_gets_a_gradient() -> None:
    discriminators = Discriminators(1, width=4, stft_width=16)
    adversarial_loss(discriminators(torch.randn(1, 1, 4096))).backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in discriminators.parameters())


def test_narrow_spectrogram_discriminators_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 16"):
        Discriminators(stft_width=8)
