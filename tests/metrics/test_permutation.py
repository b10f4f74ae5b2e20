"""Permutation tests of a decoder: small p with signal, uniform without, and the fits that are compared."""

import numpy as np
import pytest
from sklearn.base import clone

import brain2music as b2m
from brain2music.embeddings.plain import as_data_classes

pytestmark = pytest.mark.filterwarnings("ignore::brain2music.Brain2MusicWarning")
ALPHAS = [1.0, 1e2, 1e4]


def arrays(rng: np.random.Generator, signal: float, n: int = 40):
    music = rng.standard_normal((n, 2, 4))
    bold = signal * music @ rng.standard_normal((4, 20)) + rng.standard_normal((n, 2, 20))
    return as_data_classes(bold, music)


@pytest.mark.parametrize("in_folds", [False, True])
def test_signal_beats_every_permutation(rng: np.random.Generator, in_folds: bool) -> None:
    bold, music = arrays(rng, 1.0)
    decoder = b2m.Decoder("ridge", alphas=ALPHAS)
    sides = {"cv": 4} if in_folds else {"test": bold[30:]}
    found = b2m.permutation_test(decoder, bold if in_folds else bold[:30], music, n_permutations=9, **sides)
    assert found.score > 0.9 > found.permuted.max()
    assert found.p_value == pytest.approx(0.1)
    assert found.permuted.shape == (9,)


def test_the_score_is_that_of_the_decoder_itself(rng: np.random.Generator) -> None:
    bold, music = arrays(rng, 0.3)
    decoder = b2m.Decoder("whitened", alphas=ALPHAS)
    decoded = clone(decoder).fit(bold[:30], music).predict(bold[30:])
    expected = b2m.metrics.identification(decoded, music, n_permutations=100).value
    found = b2m.permutation_test(decoder, bold[:30], music, test=bold[30:], n_permutations=3)
    assert found.score == pytest.approx(expected, abs=1e-6)
    folded = b2m.cross_val_predict(decoder, bold, music, cv=4)
    expected = b2m.metrics.identification(folded, music, n_permutations=100).value
    assert b2m.permutation_test(decoder, bold, music, cv=4, n_permutations=3).score == pytest.approx(expected, abs=1e-6)


def test_without_signal_p_is_uniform(rng: np.random.Generator) -> None:
    p = [
        b2m.permutation_test(b2m.Decoder(alphas=ALPHAS), *arrays(rng, 0.0, 24), cv=3, n_permutations=9).p_value
        for _ in range(30)
    ]
    assert 0.3 < np.mean(p) < 0.8
    assert np.mean(np.array(p) <= 0.1) < 0.35
