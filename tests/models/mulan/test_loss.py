"""The contrastive loss: both forms by hand, at rest, with hard negatives, and with texts that say the same."""

from math import exp, log

import pytest
import torch
from torch.nn import functional

from brain2music.models.mulan.loss import chance_loss, contrastive_loss

TAU = torch.tensor(0.1)


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    return functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def by_hand(sounds: torch.Tensor, texts: torch.Tensor, form: str) -> float:
    """The formulas of the docstring, a term at a time."""
    n = len(sounds)
    h = [[exp(float(a @ t) / 0.1) for t in texts] for a in sounds]
    total = 0.0
    for i in range(n):
        if form == "decoupled":
            total -= log(h[i][i] / sum(h[i][j] + h[j][i] for j in range(n) if j != i))
        else:
            total -= 0.5 * (log(h[i][i] / sum(h[i])) + log(h[i][i] / sum(row[i] for row in h)))
    return total / n


@pytest.mark.parametrize("form", ["decoupled", "symmetric"])
def test_it_is_the_formula(form):
    sounds, texts = unit(6, 8), unit(6, 8, seed=1)
    assert float(contrastive_loss(sounds, texts, TAU, form=form)) == pytest.approx(
        by_hand(sounds, texts, form), rel=1e-5
    )


@pytest.mark.parametrize("form", ["decoupled", "symmetric"])
def test_it_rests_where_everything_is_alike(form):
    same = torch.ones(32, 4) / 2
    assert float(contrastive_loss(same, same, TAU, form=form)) == pytest.approx(chance_loss(32, form), abs=1e-4)


def test_only_the_decoupled_form_falls_below_zero():
    pairs = torch.eye(8)
    assert float(contrastive_loss(pairs, pairs, TAU, form="decoupled")) < 0
    assert 0 < float(contrastive_loss(pairs, pairs, TAU)) < 0.01


@pytest.mark.parametrize("form", ["decoupled", "symmetric"])
def test_equal_texts_are_no_negatives(form):
    """A batch in which two rows say the same is, for those rows, the batch without the other."""
    sounds, texts = unit(3, 8), unit(3, 8, seed=1)
    texts[1] = texts[0]
    found = contrastive_loss(sounds, texts, TAU, torch.tensor([4, 4, 7]), form=form)
    h = torch.exp(sounds @ texts.T / 0.1)
    rows = []
    for i, others in enumerate(([2], [2], [0, 1])):
        if form == "decoupled":
            rows.append(-torch.log(h[i, i] / sum(h[i, j] + h[j, i] for j in others)))
        else:
            by_sound, by_text = (h[i, i] + sum(part[i, j] for j in others) for part in (h, h.T))
            rows.append(-0.5 * (torch.log(h[i, i] / by_sound) + torch.log(h[i, i] / by_text)))
    torch.testing.assert_close(found, torch.stack(rows).mean())


def test_hard_negatives_weigh_more_and_average_one():
    sounds, texts = unit(5, 8), unit(5, 8, seed=1)
    s = sounds @ texts.T
    weights = torch.exp(3.0 * s).masked_fill(torch.eye(5, dtype=torch.bool), 0)
    by_sound, by_text = (w / w.sum(1, keepdim=True) * 4 for w in (weights, weights.T))
    h = torch.exp(s / 0.1)
    own = h.diagonal()
    expected = -0.5 * (torch.log(own / (own + (by_sound * h).sum(1))) + torch.log(own / (own + (by_text * h.T).sum(1))))
    torch.testing.assert_close(contrastive_loss(sounds, texts, TAU, hardness=3.0), expected.mean())
    plain = contrastive_loss(sounds, texts, TAU)
    torch.testing.assert_close(contrastive_loss(sounds, texts, TAU, hardness=1e-6), plain, rtol=1e-4, atol=1e-4)


def test_gradient_reaches_the_temperature():
    temperature = torch.tensor(0.1, requires_grad=True)
    contrastive_loss(unit(4, 8), unit(4, 8, seed=1), temperature).backward()
    assert temperature.grad is not None
    assert float(temperature.grad.abs()) > 0
