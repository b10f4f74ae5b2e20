"""The contrastive loss of MuLan in two forms, and its value at chance.

Critic h(a, t) = exp(aᵀt / τ) on unit vectors. Both forms compare every sound of a batch with every text:

``decoupled``   -mean log [ h(a_i, t_i) / Σ_{j≠i} ( h(a_i, t_j) + h(a_j, t_i) ) ], the pair itself left out of its
                denominator (Huang et al. 2022, after contrastive multiview coding); it can fall below zero;
``symmetric``   the mean of the cross entropies sound → text and text → sound (InfoNCE, as CLIP).
"""

from math import log
from typing import Literal

import torch
from jaxtyping import Float32, Int64
from torch import Tensor
from torch.nn import functional

LossForm = Literal["decoupled", "symmetric"]


def contrastive_loss(
    sounds: Float32[Tensor, "batch dims"],
    texts: Float32[Tensor, "batch dims"],
    temperature: Float32[Tensor, ""],
    text_ids: Int64[Tensor, " batch"] | None = None,
    form: LossForm = "symmetric",
    hardness: float = 0.0,
) -> Float32[Tensor, ""]:
    """Contrastive loss of a batch of pairs of sounds and texts.

    Every sound of the batch is compared with every text, using the critic h(a, t) = exp(aᵀt / τ). ``symmetric`` is the
    mean of the cross entropies from sound to text and from text to sound (InfoNCE, as in CLIP). ``decoupled`` is
    ``-mean log [h(a_i, t_i) / Σ_{j≠i} (h(a_i, t_j) + h(a_j, t_i))]``, whose denominator is without the pair itself; it
    can be negative.

    Parameters
    ----------
    sounds : Tensor of shape (batch, dims)
        Unit vectors of sounds.
    texts : Tensor of shape (batch, dims)
        Unit vectors of the texts of these sounds.
    temperature : Tensor of shape ()
        Temperature τ.
    text_ids : Tensor of int, of shape (batch,), optional
        Number of each text; equal texts are no negatives of each other.
    form : {"symmetric", "decoupled"}, default "symmetric"
        Form of the loss.
    hardness : float, default 0.0
        Concentration β of hard negatives: a negative of similarity s has the weight exp(β s), scaled to a mean of 1 per
        row; 0 for equal weights.

    Returns
    -------
    Tensor of shape ()
        Loss in nats.

    References
    ----------
    Huang et al., "MuLan" (2022, arXiv 2208.12415) for ``decoupled``; Robinson et al., "Contrastive learning with hard
    negative samples" (2021, arXiv 2010.04592) for ``hardness``.

    Examples
    --------
    >>> import torch
    >>> from brain2music.models.mulan import contrastive_loss
    >>> vectors = torch.eye(4)
    >>> matched = contrastive_loss(vectors, vectors, torch.tensor(0.1))
    >>> shuffled = contrastive_loss(vectors, vectors.roll(1, dims=0), torch.tensor(0.1))
    >>> round(float(matched), 4), round(float(shuffled), 4)
    (0.0001, 10.0001)
    """
    similarities = sounds @ texts.T
    logits = similarities / temperature
    pairs = torch.eye(len(sounds), dtype=torch.bool, device=sounds.device)
    if text_ids is not None:
        logits = logits.masked_fill((text_ids[:, None] == text_ids) & ~pairs, -torch.inf)
    by_sound, by_text = logits, logits.T
    if hardness:
        by_sound = by_sound + _log_weights(hardness * similarities.detach(), pairs)
        by_text = by_text + _log_weights(hardness * similarities.detach().T, pairs)
    if form == "symmetric":
        target = torch.arange(len(sounds), device=sounds.device)
        return (functional.cross_entropy(by_sound, target) + functional.cross_entropy(by_text, target)) / 2
    negatives = torch.cat([by_sound, by_text], dim=1).masked_fill(pairs.repeat(1, 2), -torch.inf)
    return (negatives.logsumexp(dim=1) - logits.diagonal()).mean()


def chance_loss(batch: int, form: LossForm) -> float:
    """Contrastive loss at chance, with all similarities equal: ln(batch), or ln(2 (batch - 1)) if decoupled."""
    return log(batch) if form == "symmetric" else log(2 * (batch - 1))


def _log_weights(scores: Float32[Tensor, "batch batch"], pairs: Tensor) -> Float32[Tensor, "batch batch"]:
    """Log weights of the negatives, averaging 1 over each row; 0 for the pair itself."""
    negatives = scores.masked_fill(pairs, -torch.inf)
    mean = negatives.logsumexp(dim=1, keepdim=True) - log(len(scores) - 1)
    return (scores - mean).masked_fill(pairs, 0.0)
