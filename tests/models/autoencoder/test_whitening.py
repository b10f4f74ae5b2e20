"""Whitened latents: identity covariance, exact inverse, batches as one."""

import numpy as np
import pytest
import torch

from brain2music.models.autoencoder.whitening import LatentWhitening


@pytest.fixture
def latents(generator: torch.Generator) -> torch.Tensor:
    mix = torch.randn(6, 6, generator=generator)
    return torch.einsum("de,bet->bdt", mix, torch.randn(3, 6, 400, generator=generator)) + 4


def _fitted(latents: torch.Tensor, channels: int | None = None) -> LatentWhitening:
    whitening = LatentWhitening(latents.shape[1], channels)
    for batch in latents:
        whitening.update(batch[None])
    return whitening


def _frames(latents: torch.Tensor) -> np.ndarray:
    return latents.transpose(1, 2).reshape(-1, latents.shape[1]).numpy()


def test_statistics_over_batches_are_those_of_the_whole(latents: torch.Tensor) -> None:
    whitening = _fitted(latents)
    np.testing.assert_allclose(whitening.mean, _frames(latents).mean(0), atol=1e-5)
    np.testing.assert_allclose(whitening.covariance, np.cov(_frames(latents).T), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("channels", [None, 4])
def test_whitened_latents_have_identity_covariance(latents: torch.Tensor, channels: int | None) -> None:
    whitened = _fitted(latents, channels)(latents)
    assert whitened.shape == (3, channels or 6, 400)
    np.testing.assert_allclose(np.cov(_frames(whitened).T), np.eye(channels or 6), atol=1e-3)
    np.testing.assert_allclose(_frames(whitened).mean(0), 0, atol=1e-4)


def test_the_inverse_undoes_it(latents: torch.Tensor) -> None:
    whitening = _fitted(latents)
    torch.testing.assert_close(whitening.inverse(whitening(latents)), latents, atol=1e-3, rtol=1e-3)


def test_dropped_channels_are_those_of_least_variance(latents: torch.Tensor) -> None:
    whitening = _fitted(latents, 5)
    lost = (whitening.inverse(whitening(latents)) - latents).square().sum() / (3 * 400 - 1)
    least = np.linalg.eigvalsh(np.cov(_frames(latents).T))[0]
    assert lost.item() == pytest.approx(least, rel=1e-3)


def test_levelled_it_makes_quiet_music_as_white_as_loud_and_restores_its_level(latents: torch.Tensor, tmp_path) -> None:
    whitening = LatentWhitening(6, normalise_rms=True)
    whitening.update(latents)
    gains = torch.tensor([0.1, 1.0, 30.0])
    played = latents * gains[:, None, None]
    torch.testing.assert_close(whitening(played), whitening(latents), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(whitening.rms(played), whitening.rms(latents) * gains)
    restored = whitening.inverse(whitening(played), whitening.rms(played))
    torch.testing.assert_close(restored / gains[:, None, None], latents, atol=1e-3, rtol=1e-3)
    assert whitening(torch.zeros(1, 6, 4)).isfinite().all()
    whitening.save(tmp_path / "whitening.safetensors")
    assert torch.equal(LatentWhitening.load(tmp_path / "whitening.safetensors")(played), whitening(played))


def test_too_few_frames_and_impossible_channels_are_refused(latents: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="cannot whiten"):
        _fitted(latents[:1, :, :4])(latents)
    with pytest.raises(ValueError, match="cannot keep 7 of 6"):
        LatentWhitening(6, 7)
