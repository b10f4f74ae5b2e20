"""Where a model is looked for: the user's own folder first, then what ships, then the path given."""

import shutil

import pytest

from brain2music._utils.errors import InputError
from brain2music.models.embedders import get_embedder
from brain2music.weights import SHIPPED, find

NAME = "mulan-small"


def test_the_users_own_model_goes_before_the_shipped_one(tmp_path, monkeypatch):
    monkeypatch.delenv("BRAIN2MUSIC_MODELS", raising=False)
    assert find(NAME) == SHIPPED / NAME
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path))
    assert find(NAME) == SHIPPED / NAME
    own = shutil.copytree(SHIPPED / NAME, tmp_path / NAME)
    assert find(NAME) == own
    assert find(SHIPPED / NAME) == SHIPPED / NAME
    assert get_embedder(NAME).space.name == NAME


def test_a_model_that_is_nowhere_is_told_with_those_that_are(monkeypatch):
    monkeypatch.delenv("BRAIN2MUSIC_MODELS", raising=False)
    with pytest.raises(InputError, match=f"there is no model 'nothing'.*{NAME}"):
        find("nothing")
