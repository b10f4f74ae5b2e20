"""Fitted objects as JSON and arrays: a tree of data classes of known kinds, without pickle."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Kind:
    """How objects of one class are taken apart into named parts, and made again from these."""

    cls: type
    parts: Callable[[Any], Mapping[str, Any]]
    make: Callable[[Mapping[str, Any]], Any]

    @classmethod
    def of(cls, data_class: type) -> "Kind":
        """The kind of a data class, whose parts are its fields."""
        names = [field.name for field in fields(data_class)]
        return cls(data_class, lambda value: {name: getattr(value, name) for name in names}, lambda p: data_class(**p))


def flatten(value: Any, kinds: Mapping[str, Kind], arrays: dict[str, np.ndarray], name: str = "") -> Any:
    """Convert an object to JSON types; its arrays are added to ``arrays``, each once however often it occurs.

    Raises
    ------
    TypeError
        A part is neither of one of the kinds, nor an array, a number, a text, None, a tuple or a list.
    """
    if isinstance(value, np.ndarray | np.generic):
        key = "array" if np.ndim(value) else "scalar"  # which files hold as arrays of one value
        return {key: _store(np.asarray(value), arrays, name)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list):
        return [flatten(each, kinds, arrays, f"{name}.{i}") for i, each in enumerate(value)]
    for label, kind in kinds.items():
        if type(value) is kind.cls:
            parts = kind.parts(value).items()
            return {"kind": label} | {key: flatten(part, kinds, arrays, f"{name}.{key}") for key, part in parts}
    raise TypeError(f"{name}: a {type(value).__name__} is of none of the kinds {', '.join(kinds)}")


def rebuild(tree: Any, kinds: Mapping[str, Kind], arrays: Mapping[str, np.ndarray]) -> Any:
    """Make the object again that :func:`flatten` took apart; lists become tuples.

    Raises
    ------
    KeyError, TypeError, ValueError
        The tree names a kind or an array that there is not, or parts do not fit together.
    """
    if isinstance(tree, list):
        return tuple(rebuild(each, kinds, arrays) for each in tree)
    if not isinstance(tree, dict):
        return tree
    if "array" in tree:
        return arrays[tree["array"]]
    if "scalar" in tree:
        return arrays[tree["scalar"]].reshape(())[()]
    parts = {key: rebuild(part, kinds, arrays) for key, part in tree.items() if key != "kind"}
    return kinds[tree["kind"]].make(parts)


def replace_within(value: Any, cls: type, convert: Callable[[Any], Any], memo: dict[int, Any]) -> Any:
    """Convert every object of a class within a tree of data classes; one that occurs twice is converted once.

    ``memo`` maps what was converted to the result, and keeps both alive.
    """
    if isinstance(value, cls):
        if id(value) not in memo:
            memo[id(value)] = (value, convert(value))
        return memo[id(value)][1]
    if isinstance(value, tuple):
        return tuple(replace_within(each, cls, convert, memo) for each in value)
    if is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: getattr(value, field.name) for field in fields(value)}
        return type(value)(**{key: replace_within(part, cls, convert, memo) for key, part in parts.items()})
    return value


def _store(array: np.ndarray, arrays: dict[str, np.ndarray], name: str) -> str:
    """The name under which an array is stored: that of an equal view of the same memory, if there is one."""
    view = _view(array)
    for stored, other in arrays.items():
        if array.ndim and _view(other) == view:
            return stored
    arrays[name] = array
    return name


def _view(array: np.ndarray) -> tuple[Any, ...]:
    return array.__array_interface__["data"][0], array.shape, array.dtype.str, array.strides
