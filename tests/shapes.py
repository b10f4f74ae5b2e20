"""Checks of types and shapes that cost less: jaxtyping where an annotation says a shape, else plain beartype.

jaxtyping's import hook wraps every function of the package to keep the sizes of named axes, which is a third of the
suite's time; most functions name no axes, and need none of it. What is checked stays the same.
"""

import dataclasses
import typing
from collections.abc import Callable
from typing import Any

import jaxtyping

_jaxtyped = jaxtyping.jaxtyped


def install() -> None:
    """Put :func:`_checked` in the place of the decorator that jaxtyping's import hook writes into modules."""
    jaxtyping.jaxtyped = _checked


def _checked(*, typechecker: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(function: Any) -> Any:
        if isinstance(function, type):
            return _checked_class(function, typechecker)
        hints = getattr(function, "__annotations__", None)
        if hints is None or any(map(_says_shape, hints.values())):
            return _jaxtyped(function, typechecker=typechecker)
        return typechecker(function) if hints else function

    return decorate


def _checked_class(cls: type, typechecker: Callable[[Any], Any]) -> type:
    """The class, its ``__init__`` checked where it is a dataclass's own, as jaxtyping does it."""
    if not dataclasses.is_dataclass(cls) or any(_says_shape(field.type) for field in dataclasses.fields(cls)):
        return _jaxtyped(cls, typechecker=typechecker)
    if "__init__" in vars(cls) and cls.__init__.__module__ != __name__:
        cls.__init__ = typechecker(cls.__init__)
    return cls


def _says_shape(hint: Any) -> bool:
    """Whether an annotation holds an array's shape; of one that is still a name, jaxtyping is to find out."""
    if isinstance(hint, str | typing.ForwardRef):
        return True
    if isinstance(hint, list):  # a Callable's arguments
        return any(map(_says_shape, hint))
    if isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray):
        return True
    return any(map(_says_shape, typing.get_args(hint)))
