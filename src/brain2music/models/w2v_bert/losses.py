"""Losses of w2v-BERT, and masks of its frames."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from .config import W2vBertConfig
from .model import W2vBertOutput
from .quantizers import diversity_loss, perplexity


def losses(
    outputs: W2vBertOutput, mask: Bool[Tensor, "batch frames"], config: W2vBertConfig
) -> dict[str, Float[Tensor, ""]]:
    """Loss of w2v-BERT and its terms: ``loss`` = beta (``contrastive`` + 0.1 ``diversity``) + gamma ``masked``.

    ``contrastive_accuracy`` and ``masked_accuracy`` are shares of masked frames predicted correctly; ``codes_used`` is
    the perplexity of the codes of all frames, averaged over codebooks (1 is collapse).
    """
    contrastive, contrastive_accuracy = masked_contrastive_loss(outputs, mask, config)
    logits, codes = outputs.logits[mask].float(), outputs.quantised.codes[mask]
    masked = functional.cross_entropy(logits.flatten(0, 1), codes.flatten())
    probabilities = outputs.quantised.probabilities
    diversity = torch.zeros_like(masked) if probabilities is None else diversity_loss(probabilities)
    return {
        "loss": config.beta * (contrastive + config.diversity * diversity) + config.gamma * masked,
        "contrastive": contrastive.detach(),
        "diversity": diversity.detach(),
        "masked": masked.detach(),
        "contrastive_accuracy": contrastive_accuracy,
        "masked_accuracy": (logits.argmax(-1) == codes).float().mean(),
        "codes_used": perplexity(outputs.quantised.codes, config.codebook_size).mean(),
    }


def masked_contrastive_loss(
    outputs: W2vBertOutput, mask: Bool[Tensor, "batch frames"], config: W2vBertConfig
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Contrastive loss L_w over cosine similarities (arXiv 2006.11477, eq. 3), and its accuracy.

    Distractors with the same codes as the true target are left out because they are not wrong.
    """
    context = functional.normalize(outputs.context[mask].float(), dim=-1)
    target = functional.normalize(outputs.target[mask].float(), dim=-1)
    codes, others = outputs.quantised.codes[mask], distractors(mask, config.distractors)
    true = (context * target).sum(-1, keepdim=True)
    false = torch.einsum("nd,nkd->nk", context, target[others])
    same = (codes[others] == codes[:, None]).all(-1)
    logits = torch.cat([true, false.masked_fill(same, -torch.inf)], dim=1) / config.temperature
    answer = torch.zeros(len(logits), dtype=torch.long, device=logits.device)
    return functional.cross_entropy(logits, answer), (logits.argmax(1) == 0).float().mean()


def distractors(mask: Bool[Tensor, "batch frames"], count: int) -> Int[Tensor, "masked count"]:
    """Draw ``count`` other masked frames of the same row for every masked frame, in the order of ``mask.nonzero()``.

    Every row must have at least two masked frames.
    """
    per_row = mask.sum(dim=1)
    row = mask.nonzero()[:, 0]
    first = (per_row.cumsum(0) - per_row)[row]
    place = torch.arange(len(row), device=mask.device) - first
    offsets = torch.rand(len(row), count, device=mask.device) * (per_row[row] - 1)[:, None]
    offsets = offsets.long()
    return first[:, None] + offsets + (offsets >= place[:, None])


def span_mask(
    rng: np.random.Generator, batch: int, frames: int, probability: float, span: int
) -> Bool[Tensor, "batch frames"]:
    """Draw masked spans that begin at each frame with ``probability`` and may overlap; at least one per row."""
    begins = rng.random((batch, frames)) < probability
    begins[np.arange(batch), rng.integers(0, max(1, frames - span), batch)] = True
    mask = np.zeros((batch, frames), dtype=bool)
    for offset in range(span):
        mask[:, offset:] |= begins[:, : frames - offset]
    return torch.from_numpy(mask)
