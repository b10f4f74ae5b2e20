"""Examples in docstrings of the public names run, and print what they say; every public name has one."""

import doctest
import inspect
import pkgutil

import pytest

from brain2music import ridge

CALLABLES = sorted(name for name in ridge.__all__ if inspect.isfunction(getattr(ridge, name)))
ESTIMATORS = ("BandedRidgeCV", "RidgeCV", "RidgeFit")


@pytest.mark.parametrize("name", [*CALLABLES, *ESTIMATORS])
def test_the_example_runs(name: str) -> None:
    (example,) = (
        each
        for each in doctest.DocTestFinder(recurse=False).find(getattr(ridge, name), name, globs={})
        if each.examples
    )
    assert doctest.DocTestRunner(verbose=False).run(example).failed == 0


@pytest.mark.parametrize("name", [*CALLABLES, *ESTIMATORS])
def test_every_argument_is_documented(name: str) -> None:
    public = getattr(ridge, name)
    if name == "RidgeFit":
        arguments = [each for each in inspect.signature(public).parameters if not each.startswith("_")]
    else:
        arguments = list(inspect.signature(public).parameters)
    words = set(inspect.getdoc(public).replace(",", " ").replace("*", " ").split())
    assert set(arguments) <= words


def test_all_modules_are_private() -> None:
    assert not [each.name for each in pkgutil.iter_modules(ridge.__path__) if not each.name.startswith("_")]
