"""The contrastive head: its loss written out, and what it learns."""

import numpy as np
import pytest
import torch

from brain2music.decoding.contrastive import contrastive, info_nce
from brain2music.decoding.problem import HeldOut, inner_identification

from .fitting import held_out_of


def test_info_nce_is_the_cross_entropy_written_out(rng):
    predicted, candidates = rng.standard_normal((2, 5, 3))
    candidates /= np.linalg.norm(candidates, axis=1, keepdims=True)
    logits = predicted / np.linalg.norm(predicted, axis=1, keepdims=True) @ candidates.T / 0.2
    expected = np.mean([np.log(np.exp(logits[i]).sum()) - logits[i, i] for i in range(5)])
    loss = info_nce(torch.from_numpy(predicted).float(), torch.from_numpy(candidates).float(), 0.2)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_the_contrastive_head_undoes_a_rotation(rng):
    """Predictions that are turned away from the truth: their correlation is lost, not their information."""
    turn = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    true = rng.standard_normal((140, 8))
    predicted = true @ turn + 0.3 * rng.standard_normal((140, 8))
    train = held_out_of(predicted[:100], true[:100])
    head, across = contrastive(train, 0)
    fresh, truth = predicted[100:].astype(np.float32), true[100:].astype(np.float32)
    assert inner_identification(fresh, truth) < 0.75
    assert inner_identification(head.transform(fresh), truth) > 0.95
    assert across.identification() > 0.95


def test_the_contrastive_head_leaves_windows_of_one_clip_on_one_side(rng):
    """Repeating every clip as two equal windows changes nothing."""
    predicted, true = rng.standard_normal((2, 40, 5))
    predicted += true
    once = held_out_of(predicted, true)
    twice = HeldOut(*(np.repeat(side, 2, axis=0) for side in (once.predicted, once.true, once.fold, once.clip)))
    heads = [contrastive(each, 0)[0] for each in (once, twice)]
    np.testing.assert_allclose(heads[0].weights, heads[1].weights, atol=1e-5)
