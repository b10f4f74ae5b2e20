"""MuLan tokens: every level brings the vector nearer, and the codebooks never move."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from brain2music._utils.errors import InputError
from brain2music.models.mulan.tokens import MuLanTokenizer


@pytest.fixture(scope="module")
def vectors() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return functional.normalize(torch.randn(600, 16, generator=generator), dim=1)


@pytest.fixture(scope="module")
def tokenizer(vectors) -> MuLanTokenizer:
    return MuLanTokenizer.fit(vectors, n_quantizers=4, codebook_size=32)


def test_each_quantizer_leaves_less(tokenizer, vectors):
    tokens = tokenizer.encode(vectors)
    assert tokens.shape == (600, 4)
    assert (int(tokens.min()), int(tokens.max())) == (0, 31)
    left = [float((vectors - tokenizer.decode(tokens[:, :levels])).square().sum()) for levels in range(1, 5)]
    assert left == sorted(left, reverse=True)
    assert left[-1] < 0.5 * left[0] < 300


def test_codebooks_are_frozen_byte_for_byte(tokenizer, vectors, tmp_path):
    before = tokenizer.codebooks.numpy().tobytes()
    tokenizer.encode(vectors)
    tokenizer.codebooks.zero_()
    tokenizer._quantizer.train()
    tokenizer._quantizer(vectors.T[None])
    assert tokenizer.codebooks.numpy().tobytes() == before
    tokenizer.save(tmp_path)
    again = MuLanTokenizer.from_pretrained(tmp_path)
    assert again.codebooks.numpy().tobytes() == before
    np.testing.assert_array_equal(again.encode(vectors), tokenizer.encode(vectors))


def test_fitting_again_gives_the_same(vectors, tokenizer):
    again = MuLanTokenizer.fit(vectors, n_quantizers=4, codebook_size=32)
    np.testing.assert_array_equal(again.codebooks, tokenizer.codebooks)


def test_too_few_vectors(vectors):
    with pytest.raises(InputError, match="20 vectors are too few for 32 codes"):
        MuLanTokenizer.fit(vectors[:20], n_quantizers=2, codebook_size=32)


def test_absent_tokens(tmp_path):
    with pytest.raises(InputError, match="no MuLan tokens"):
        MuLanTokenizer.from_pretrained(tmp_path)
