"""Which routine is used is measured once per machine and remembered."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from brain2music.ridge import _linalg as linalg
from brain2music.ridge import _routines as routines
from brain2music.ridge import ridge_cv


@pytest.fixture(autouse=True)
def cache_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache for the test alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "brain2music" / "routines.json"


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    linalg._convolves.cache_clear()
    linalg._by_syrk.cache_clear()


def test_the_fastest_by_a_tenth_replaces_the_default() -> None:
    assert chosen({"default": 1.0, "other": 0.85}) == "other"
    assert chosen({"default": 1.0, "other": 0.95}, "a gain too small to change results for") == "default"
    assert chosen({"default": 0.5, "other": 1.0}, "a loss") == "default"


def test_a_choice_is_measured_once(cache_file: Path) -> None:
    assert chosen({"default": 1.0, "other": 0.1}) == "other"
    assert chosen({"default": 0.1, "other": 1.0}) == "other"
    assert list(json.loads(cache_file.read_text()).values()) == ["other"]
    assert chosen({"default": 0.1, "other": 1.0}, "another choice") == "default"
    assert len(json.loads(cache_file.read_text())) == 2


def test_other_processors_libraries_and_threads_are_measured_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen({"default": 1.0, "other": 0.1}) == "other"
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(before + 1)
        assert chosen({"default": 0.1, "other": 1.0}) == "default"
    finally:
        torch.set_num_threads(before)
    monkeypatch.setattr(routines, "machine", lambda: "another machine")
    assert chosen({"default": 0.1, "other": 1.0}) == "default"


@pytest.mark.parametrize("content", ["", "[1, 2]", "{", '{"a": ' * 5000, "null"])
def test_what_cannot_be_read_is_measured_again(content: str, cache_file: Path) -> None:
    cache_file.parent.mkdir(parents=True)
    cache_file.write_text(content)
    assert chosen({"default": 1.0, "other": 0.1}) == "other"
    assert "other" in json.loads(cache_file.read_text()).values()


def test_a_routine_that_is_not_there_any_more_is_measured_again(cache_file: Path) -> None:
    assert chosen({"default": 1.0, "other": 0.1}) == "other"
    assert chosen({"default": 1.0, "third": 0.1}) == "third"


def test_nothing_fails_where_nothing_can_be_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert chosen({"default": 1.0, "other": 0.1}) == "other"


@pytest.mark.filterwarnings("ignore:the best alpha")
def test_what_is_measured_here_gives_the_same_fit(monkeypatch: pytest.MonkeyPatch, rng, cache_file: Path) -> None:
    """With the thresholds at nothing, so that every product of a fit is chosen by measuring."""
    X, Y = rng.standard_normal((300, 900)).astype(np.float32), rng.standard_normal((300, 3)).astype(np.float32)
    expected = ridge_cv(X, Y, alphas=[1.0, 100.0], scoring="neg_mean_squared_error")
    monkeypatch.setattr(linalg, "SMALL", 0.0)
    monkeypatch.setattr(linalg, "LARGE", 0.0)
    found = ridge_cv(X, Y, alphas=[1.0, 100.0], scoring="neg_mean_squared_error")
    assert cache_file.is_file()
    np.testing.assert_array_equal(found.best_alphas, expected.best_alphas)
    np.testing.assert_allclose(found.predict(X), expected.predict(X), rtol=1e-4, atol=1e-4)


def chosen(seconds: dict[str, float], choice: str = "a choice") -> str:
    """What is chosen among routines that take so long, by a clock that only they move."""
    now = 0.0

    def routine(name: str) -> None:
        nonlocal now
        now += seconds[name]

    return routines.fastest(choice, {name: lambda name=name: routine(name) for name in seconds}, clock=lambda: now)
