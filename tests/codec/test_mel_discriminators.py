"""Discriminators of log-mel spectrograms: what they give, and that they learn a balance, an edge and a pulse."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from brain2music.codec.hifigan import MELS
from brain2music.codec.losses import discriminator_loss
from brain2music.codec.mel_discriminators import MelDiscriminators


def test_each_gives_logits_over_time_and_the_features_of_all_layers() -> None:
    image, frames, loudness = MelDiscriminators(16, 32, 16)(torch.zeros(3, 64, MELS))
    assert image[0].shape == (3, 1, 20, 8)
    assert frames[0].shape == (3, 1, 8)
    assert loudness[0].shape == (3, 1, 2)
    assert [len(features) for _, features in (image, frames, loudness)] == [4, 4, 5]
    with pytest.raises(ValueError, match="a multiple of 16"):
        MelDiscriminators(24)


@pytest.mark.parametrize("what", ["balance", "flicker"])
def test_they_learn_what_is_wrong_everywhere_and_what_is_wrong_somewhere(what: str) -> None:
    """Bands tilted by 0.8 nepers in all, or one frame in eight a little louder than its neighbours."""
    rng = np.random.default_rng(0)

    def batch(wrong: bool) -> torch.Tensor:
        mel = _noise(rng, 8, 64)
        if wrong and what == "balance":
            mel += torch.linspace(-0.4, 0.4, MELS)
        if wrong and what == "flicker":
            mel[:, ::8] += 1.0
        return mel

    real, made = _learned(batch, steps=60)
    for of_real, of_made in zip(real, made, strict=True):
        assert of_real.min() > of_made.max()


def test_the_one_of_loudness_learns_a_pulse_that_is_not_kept() -> None:
    """A beat of three frames every half second, or as many at random."""
    rng = np.random.default_rng(1)

    def batch(wrong: bool) -> torch.Tensor:
        mel = _noise(rng, 8, 344)
        for piece in mel:
            beats = rng.integers(44) + 43 * np.arange(7)
            for first in rng.integers(340, size=7) if wrong else beats:
                piece[first : first + 3] += 3.0
        return mel

    real, made = _learned(batch, steps=150)
    assert np.mean((real[2][:, None] > made[2]).numpy()) > 0.9


def _noise(rng: np.random.Generator, pieces: int, frames: int) -> torch.Tensor:
    return torch.from_numpy(rng.standard_normal((pieces, frames, MELS)).astype(np.float32)) - 4


def _learned(batch: Callable[[bool], torch.Tensor], steps: int) -> list[list[torch.Tensor]]:
    """Mean logits of each judge for new music and for what is wrong with it, after so many steps."""
    torch.manual_seed(0)
    judges = MelDiscriminators(16, 32, 32)
    optimizer = torch.optim.AdamW(judges.parameters(), 2e-3, betas=(0.8, 0.99))
    for _ in range(steps):
        loss = discriminator_loss(judges(batch(False)), judges(batch(True)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return [[each.mean(tuple(range(1, each.ndim))) for each, _ in judges(batch(wrong))] for wrong in (False, True)]
