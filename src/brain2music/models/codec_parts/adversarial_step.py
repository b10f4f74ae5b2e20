"""One training step of discriminators, which also gives the generator's gradient from the same forward passes."""

from torch import Tensor, nn
from torch.optim import Optimizer

from ...training.engine import Engine
from .losses import adversarial_loss, discriminator_loss, feature_loss


def discriminator_step(
    discriminators: nn.Module,
    optimizer: Optimizer,
    real: Tensor,
    generated: Tensor,
    engine: Engine,
    adversarial: float,
    features: float,
    clip: float,
) -> tuple[Tensor, dict[str, Tensor | float]]:
    """Take one optimizer step of the discriminators, and compute the gradient of the generator's losses at its output.

    The losses are ``adversarial`` times the hinge loss plus ``features`` times the difference of features (SoundStream,
    equations 2 and 3), using the discriminators as they were before the step.

    Parameters
    ----------
    discriminators : module that maps a batch to one output (:data:`.losses.DiscriminatorOutput`) per discriminator.
    real, generated : batches. ``generated`` may have a graph, which is not used, and may be longer: its first items are
        compared with the real ones, and the others, which have no counterpart, have only the hinge loss.
    clip : largest gradient norm of the discriminators.

    Returns
    -------
    gradient : gradient of the generator's losses, so that ``(generated * gradient).sum()`` has the same gradient.
    logs : values for the log.
    """
    detached = generated.detach().requires_grad_()
    with engine.autocast():
        of_real, of_generated = discriminators(real), discriminators(detached)
    paired = [(logits, [layer[: len(real)] for layer in layers]) for logits, layers in of_generated]
    hinge, difference = adversarial_loss(of_generated), feature_loss(of_real, paired)
    gradient = engine.gradient(adversarial * hinge + features * difference, detached)
    loss = discriminator_loss(of_real, of_generated)
    engine.backward(loss)
    engine.step(optimizer, clip)
    return gradient, {"adversarial": hinge, "features": difference, "discriminator": loss}
