"""The linear way round the autoencoder: exact with as many numbers as samples, and where training begins."""

import numpy as np
import pytest
import torch

from brain2music.models.autoencoder.mdct import MDCTCode, mdct_basis
from brain2music.models.autoencoder.model import Autoencoder, AutoencoderConfig

HOP_LENGTH = 24


def music(seconds: float = 1.0, seed: int = 0) -> torch.Tensor:
    """Noise with more bass than treble, alike but not the same on both sides, (1, 2, samples)."""
    rng = np.random.default_rng(seed)
    white = rng.normal(size=(3, int(seconds * 4800) // HOP_LENGTH * HOP_LENGTH))
    red = np.stack([np.convolve(row, 0.8 ** np.arange(30), "same") for row in white])
    return torch.from_numpy(0.1 * np.stack([red[0] + 0.3 * red[1], red[0] + 0.3 * red[2]])).float()[None]


def inner(sound: torch.Tensor) -> torch.Tensor:
    """All but the ends, which have one block of two."""
    return sound[..., HOP_LENGTH:-HOP_LENGTH]


def test_the_transform_is_orthonormal_and_cancels_its_aliases() -> None:
    basis = mdct_basis(HOP_LENGTH)
    torch.testing.assert_close(basis @ basis.T, torch.eye(HOP_LENGTH), atol=1e-5, rtol=0)
    head, tail = basis[:, :HOP_LENGTH], basis[:, HOP_LENGTH:]
    torch.testing.assert_close(head.T @ tail, torch.zeros(HOP_LENGTH, HOP_LENGTH), atol=1e-5, rtol=0)


def test_as_many_numbers_as_samples_lose_nothing() -> None:
    mdct, sound = MDCTCode(2, 2 * HOP_LENGTH, HOP_LENGTH), music(4.0)
    mdct.fit(sound)
    torch.testing.assert_close(inner(mdct.synthesis(mdct.analysis(sound))), inner(sound), atol=1e-5, rtol=0)


def test_without_emphasis_no_linear_code_loses_less_and_latents_are_white() -> None:
    sound, losses = music(40.0), {}
    for emphasis in (0.0, 0.9):
        mdct = MDCTCode(2, HOP_LENGTH // 2, HOP_LENGTH)
        mdct.fit(sound, emphasis)
        latents = mdct.analysis(sound)
        losses[emphasis] = float((inner(mdct.synthesis(latents)) - inner(sound)).square().mean())
        latents = latents[0, :, 1:-1]
        torch.testing.assert_close(
            latents @ latents.T / latents.shape[1], torch.eye(HOP_LENGTH // 2), atol=0.05, rtol=0
        )
    assert losses[0.0] < losses[0.9] < float(sound.square().mean())


def test_too_little_sound_is_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        MDCTCode(2, 4, HOP_LENGTH).fit(music(0.05))


def test_an_autoencoder_begins_as_its_linear_code() -> None:
    config = AutoencoderConfig(
        sample_rate=4800,
        latent_rate=200,
        patch=6,
        strides=(2, 2),
        encoder_channels=(8, 8, 8),
        decoder_channels=(8, 8, 8),
        dim=12,
    )
    model, sound = Autoencoder(config).eval(), music(4.0)
    model.initialise_from(sound)
    assert model.mdct is not None
    torch.testing.assert_close(model(sound), model.mdct.synthesis(model.mdct.analysis(sound)))
    assert float((inner(model(sound)) - inner(sound)).square().mean()) < 0.2 * float(sound.square().mean())


def test_an_autoencoder_without_the_linear_way_says_so() -> None:
    with pytest.raises(ValueError, match="no linear bypass"):
        Autoencoder(AutoencoderConfig.size("paper")).initialise_from(music())
