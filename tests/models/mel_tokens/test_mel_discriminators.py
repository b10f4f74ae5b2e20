"""Discriminators of log-mel spectrograms: what they give, and that they learn a balance as well as an edge."""

import numpy as np
import pytest
import torch

from brain2music.models.codec_parts.losses import discriminator_loss
from brain2music.models.mel_tokens.hifigan import N_MELS
from brain2music.models.mel_tokens.mel_discriminators import MelDiscriminators


def test_each_gives_logits_over_time_and_the_features_of_all_layers() -> None:
    image, frames = MelDiscriminators(16, 32)(torch.zeros(3, 64, N_MELS))
    assert image[0].shape == (3, 1, 20, 8)
    assert frames[0].shape == (3, 1, 8)
    assert [len(features) for _, features in (image, frames)] == [4, 4]
    with pytest.raises(ValueError, match="a multiple of 16"):
        MelDiscriminators(24)


@pytest.mark.parametrize("what", ["balance", "flicker"])
def test_they_learn_what_is_wrong_everywhere_and_what_is_wrong_somewhere(what: str) -> None:
    """Bands tilted by 0.8 nepers in all, or one frame in eight a little louder than its neighbours."""
    torch.manual_seed(0)
    discriminators, rng = MelDiscriminators(16, 32), np.random.default_rng(0)
    optimizer = torch.optim.AdamW(discriminators.parameters(), 2e-3, betas=(0.8, 0.99))

    def batch(wrong: bool) -> torch.Tensor:
        mel = torch.from_numpy(rng.standard_normal((8, 64, N_MELS)).astype(np.float32)) - 4
        if wrong and what == "balance":
            mel += torch.linspace(-0.4, 0.4, N_MELS)
        if wrong and what == "flicker":
            mel[:, ::8] += 1.0
        return mel

    for _ in range(60):
        loss = discriminator_loss(discriminators(batch(False)), discriminators(batch(True)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        logits = [
            [each.mean(tuple(range(1, each.ndim))) for each, _ in discriminators(batch(wrong))]
            for wrong in (False, True)
        ]
    for real, made in zip(*logits, strict=True):
        assert real.min() > made.max()
