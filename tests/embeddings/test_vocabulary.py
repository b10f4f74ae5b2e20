"""Texts of which an encoder knows nothing, or less than it seems, are refused or warned of by their words."""

import warnings

import numpy as np
import pytest

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music.embeddings.vocabulary import require_known
from brain2music.models.embedders import get_text_embedder


def letters(word: str) -> list[str]:
    """A token for each letter; of words in capitals the unknown one."""
    return ["?"] if word.isupper() else list(word)


def warnings_of(*texts: str, longest: int = 100, english: bool = True) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        require_known(texts, letters, "?", longest, english)
    assert all(issubclass(each.category, Brain2MusicWarning) for each in caught)
    return [str(each.message) for each in caught]


@pytest.mark.parametrize("text", ["ROCK", "ROCK JAZZ", "静かな", "спокойное пианино", "...", "\u200b", "!?"])
def test_a_text_of_which_no_word_is_known_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"no word of .* is known"):
        warnings_of(text)
    with pytest.raises(InputError, match="text 2 of 3"):
        warnings_of("calm", text, "loud")


def test_known_words_give_no_warning() -> None:
    assert warnings_of("café ólafur, 120 bpm", "a no wave piece", "piano (no. 5)", "don't stop") == []
    assert warnings_of("静かなピアノ", english=False) == []


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("ROCK with a piano", "left out: 'ROCK'"),
        ("piano/音楽", "left out: '音楽'"),
        ("piano " * 30, r"cut from: 'piano piano piano \(word 21 of 30\)'"),
        ("piano, no drums", "negation.* not: 'no drums'"),
        ("piano without any vocals", "negation.* not: 'without any'"),
    ],
)
def test_text_that_is_not_understood_is_warned_of(text: str, warning: str) -> None:
    with pytest.warns(Brain2MusicWarning, match=warning):
        require_known([text], letters, "?", 100)


def test_many_texts_make_one_line_for_each_reason() -> None:
    lines = warnings_of(*[f"piano, no drums AND{number}" for number in range(8)])
    assert len(lines) == 2
    assert "in 8 of 8 texts" in lines[0]
    assert "'AND0', 'AND1', 'AND2', 'AND3', 'AND4' and 3 more" in lines[0]


def test_the_embedder_that_ships_refuses_pictures_and_warns_of_what_it_cuts() -> None:
    embedder = get_text_embedder("mulan-small")
    with pytest.raises(InputError, match="🎸🔥"):
        embedder.embed_text("🎸🔥")
    with pytest.warns(Brain2MusicWarning, match="🎸"):
        seen = embedder.embed_text("🎸 rock")
    assert not np.array_equal(seen, embedder.embed_text("rock"))
    with pytest.warns(Brain2MusicWarning, match="cut from"):
        short, long = embedder.embed_text(["calm piano. " * 130, "calm piano. " * 130 + "heavy metal"])
    np.testing.assert_allclose(short, long, atol=1e-5)
