"""Signs in the log that training against discriminators diverges."""

from statistics import median

from .._utils.errors import InputError

RECENT = 5
"""Log lines that must agree before a warning is given."""
GRACE = 2000
"""Steps that the discriminators have to learn something."""


def gan_divergence(history: list[dict[str, float]]) -> str | None:
    """Look for divergence between a generator and its discriminators in the lines of a training log.

    Parameters
    ----------
    history : list of dict of str to float
        Lines of the log, of which ``discriminator`` (hinge loss: 2 where the discriminators know nothing, 0 where
        nothing deceives them), ``features``, ``codes_used`` and ``reconstruction`` are read.

    Returns
    -------
    str or None
        Text of a warning, if any.

    Raises
    ------
    InputError
        The reconstruction is lost: ten times its best in the last lines.
    """
    hinge, features = _recent(history, "discriminator"), [line["features"] for line in history if "features" in line]
    losses = [line["reconstruction"] for line in history if "reconstruction" in line]
    used = [line["codes_used"] for line in history if "codes_used" in line]
    if len(losses) > RECENT and min(losses[-RECENT:]) > 10 * min(losses):
        hint = "start again with a lower --lr, or with the discriminators later"
        raise InputError(f"the reconstruction collapsed: {losses[-1]:.3g} after {min(losses):.3g}", None, hint)
    if hinge and max(hinge) < 0.02:
        return "the discriminators are never deceived (loss near 0): their gradients will vanish; lower their lr"
    if hinge and min(hinge) > 1.98 and _steps_with(history, "discriminator") > GRACE:
        return "the discriminators have learned nothing (loss near 2): raise their lr, or let them start later"
    if len(features) > 2 * RECENT and min(features[-RECENT:]) > 5 * median(features[:-RECENT]):
        return "the discriminators' features grow apart five-fold: a collapse is near; lower the learning rates"
    if len(used) > 2 * RECENT and max(used[-RECENT:]) < 0.5 * max(used):
        return "fewer than half the codes in use before are in use now: the codebooks collapse; lower the lr"
    if len(losses) > 2 * RECENT and min(losses[-RECENT:]) > 2 * min(losses):
        return "the reconstruction is twice as far off as it was at its best: lower the learning rates"
    return None


def _recent(history: list[dict[str, float]], name: str) -> list[float]:
    """The last values, or none while there are too few."""
    values = [line[name] for line in history if name in line]
    return values[-RECENT:] if len(values) >= RECENT else []


def _steps_with(history: list[dict[str, float]], name: str) -> float:
    """Steps since a value first appeared."""
    steps = [line["step"] for line in history if name in line]
    return steps[-1] - steps[0]
