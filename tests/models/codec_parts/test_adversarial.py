"""The step against discriminators: the gradients of the papers' losses, also where more is made than there is music."""

import pytest
import torch

from brain2music.models.codec_parts.adversarial_step import discriminator_step
from brain2music.models.codec_parts.losses import adversarial_loss, discriminator_loss, feature_loss
from brain2music.models.mel_tokens.hifigan import N_MELS
from brain2music.models.mel_tokens.mel_discriminators import MelDiscriminators
from brain2music.training.arguments import TrainingArguments
from brain2music.training.engine import Engine


@pytest.mark.parametrize("more", [0, 3])
def test_slope_and_step_are_those_of_the_losses(more: int) -> None:
    torch.manual_seed(0)
    discriminators, engine = MelDiscriminators(16, 16), Engine(TrainingArguments(device="cpu"))
    real, made = torch.randn(2, 32, N_MELS) - 4, (torch.randn(2 + more, 32, N_MELS) - 4).requires_grad_()
    of_real, of_made = discriminators(real), discriminators(made)
    compared = [(logits, [layer[:2] for layer in layers]) for logits, layers in of_made]
    wanted = 0.5 * adversarial_loss(of_made) + 4 * feature_loss(of_real, compared)
    (slope,) = torch.autograd.grad(wanted, made, retain_graph=True)
    theirs = torch.autograd.grad(discriminator_loss(of_real, of_made), list(discriminators.parameters()))
    before = [parameter.detach().clone() for parameter in discriminators.parameters()]

    optimizer = torch.optim.SGD(discriminators.parameters(), lr=1e-3)
    found, logs = discriminator_step(
        discriminators, optimizer, real, made, engine, adversarial=0.5, features=4.0, clip=1e9
    )
    torch.testing.assert_close(found, slope)
    assert (found[2:].abs().amax((1, 2)) > 0).all()  # what has no counterpart gets a gradient
    for was, parameter, gradient in zip(before, discriminators.parameters(), theirs, strict=True):
        torch.testing.assert_close(parameter.detach(), was - 1e-3 * gradient)
    assert float(torch.as_tensor(logs["discriminator"]).detach()) == pytest.approx(
        float(discriminator_loss(of_real, of_made).detach()), rel=1e-5
    )
