"""Texts to embed: one string is one text, and what is no text is refused by name."""

import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music.embeddings.texts import as_texts


def test_one_string_is_one_text():
    assert as_texts("jazz") == ["jazz"]


@pytest.mark.parametrize("several", [["a", "b"], ("a", "b"), np.array(["a", "b"]), {"a": 1, "b": 2}.keys()])
def test_several_texts_come_in_any_sequence(several):
    assert as_texts(several) == ["a", "b"]


def test_no_texts_are_no_texts():
    assert as_texts([]) == []


@pytest.mark.parametrize("wrong", [b"jazz", 7, None, ["a", None], [["a"]], ["a", 3.5]])
def test_what_is_no_text_is_refused(wrong):
    with pytest.raises(InputError, match="is no text"):
        as_texts(wrong)


@pytest.mark.parametrize("empty", ["", "  ", ["a", "\n"]])
def test_empty_texts_are_refused(empty):
    with pytest.raises(InputError, match="empty"):
        as_texts(empty)
