"""One step against discriminators: they hear each batch once, for their own gradients and for the generator's."""

from torch import Tensor, nn
from torch.optim import Optimizer

from ...training.engine import Engine
from .losses import adversarial_loss, discriminator_loss, feature_loss


def judge(
    discriminators: nn.Module,
    optimizer: Optimizer,
    real: Tensor,
    made: Tensor,
    engine: Engine,
    adversarial: float,
    features: float,
    clip: float,
) -> tuple[Tensor, dict[str, Tensor | float]]:
    """Step the discriminators; the slope of the generator's losses at what it made, and what to log.

    ``(made * slope).sum()`` has the gradient of ``adversarial`` times the hinge loss and ``features`` times the
    difference of features (SoundStream, equations 2 and 3), by the discriminators as they were before their step.

    Parameters
    ----------
    discriminators : from a batch to its judgements (:data:`brain2music.models.codec_parts.losses.Judgement`), one each.
    real, made : batches, of which ``made`` may have a graph; none of this goes into it. It may be the longer one: its
        first are compared with the real ones, those that follow only judged.
    clip : norm to which the gradients of the discriminators are clipped.
    """
    heard = made.detach().requires_grad_()
    with engine.autocast():
        of_real, of_made = discriminators(real), discriminators(heard)
    paired = [(logits, [layer[: len(real)] for layer in layers]) for logits, layers in of_made]
    deceived, apart = adversarial_loss(of_made), feature_loss(of_real, paired)
    slope = engine.gradient(adversarial * deceived + features * apart, heard)
    loss = discriminator_loss(of_real, of_made)
    engine.backward(loss)
    engine.step(optimizer, clip)
    return slope, {"adversarial": deceived, "features": apart, "discriminator": loss}
