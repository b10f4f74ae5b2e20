"""Every public name has a docstring that numpydoc accepts, and examples that run.

What is checked is said in ``benchmarks/_docstrings.py``, which also tells what a name lacks.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _load() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "_docstrings.py"
    spec = importlib.util.spec_from_file_location("_docstrings", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


docstrings = _load()
NAMES = {each.path: each for each in {id(each.value): each for each in docstrings.public_objects()}.values()}
"""Public names by their paths, each thing by one of them: that of its folder, not of the front door."""


@pytest.mark.parametrize("path", sorted(NAMES))
def test_public_names_are_documented_and_their_examples_run(path: str) -> None:
    assert docstrings.problems_of(NAMES[path]) == []
    assert docstrings.run_examples(NAMES[path]) == ""


def _public(module: ModuleType, name: str) -> object:
    return docstrings.PublicName(module.__name__, name, getattr(module, name))


SOURCE = '''"""A module of examples of docstrings."""

from dataclasses import dataclass

GOOD, MUTE = 1, 2
ALIAS = int | float
"""
Any number.

>>> 1 + 1
2
"""


def good(x: float) -> float:
    """Double a number.

    Parameters
    ----------
    x : float
        The number.

    Returns
    -------
    float
        Twice the number.

    Raises
    ------
    ValueError
        The number is negative.

    Examples
    --------
    >>> 2 * 3
    6
    """
    if x < 0:
        raise ValueError(x)
    try:
        if x > 1e300:
            raise OverflowError
        return 2 * x
    except OverflowError:
        return float("inf")


def bad(x: float, y: float) -> float:
    """As good, of two numbers.

    Parameters
    ----------
    x
        The number.

    Examples
    --------
    >>> 2 * 3
    7
    """
    if x < 0:
        raise ValueError(x)
    return 2 * x + y


def skipped() -> None:
    """Do something that cannot be shown.

    Examples
    --------
    >>> 1 / 0  # doctest: +SKIP
    """


@dataclass
class Pair:
    """Two numbers side by side.

    Attributes
    ----------
    first : int
        The first number.

    Examples
    --------
    >>> 1, 2
    (1, 2)
    """

    first: int
    second: int

    @property
    def total(self) -> int:
        return self.first + self.second
'''


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    (tmp_path / "brain2music_sample.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("brain2music_sample")
    monkeypatch.delitem(sys.modules, "brain2music_sample")
    monkeypatch.setitem(sys.modules, "brain2music_sample", module)
    return module


@pytest.mark.parametrize("name", ["good", "ALIAS"])
def test_a_complete_docstring_is_accepted(sample: ModuleType, name: str) -> None:
    public = _public(sample, name)
    assert docstrings.problems_of(public) == []
    assert docstrings.run_examples(public) == ""


def test_what_a_docstring_lacks_is_named(sample: ModuleType) -> None:
    problems = "\n".join(docstrings.problems_of(_public(sample, "bad")))
    for words in ("does not stand alone", "PR01", "PR04", "RT01", "Raises does not name ValueError"):
        assert words in problems
    assert "Expected:\n    7\nGot:\n    6" in docstrings.run_examples(_public(sample, "bad"))
    assert docstrings.problems_of(_public(sample, "MUTE")) == ["there is no docstring"]
    assert "no example is run" in docstrings.run_examples(_public(sample, "skipped"))


def test_fields_and_methods_of_a_data_class_are_described(sample: ModuleType) -> None:
    problems = docstrings.problems_of(_public(sample, "Pair"))
    assert problems == ["field second is not described", "total: the summary is missing, or no sentence"]
