"""Trees of data classes: taken apart and made again with the types and the sharing that they had."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from brain2music._utils.object_tree import Kind, flatten, rebuild, replace_within


@dataclass(frozen=True)
class Leaf:
    """A part with an array and a number."""

    values: np.ndarray
    scale: Any


@dataclass(frozen=True)
class Branch:
    """Several parts."""

    leaves: tuple[Any, ...]
    name: str


PARTS = {"Leaf": Kind.of(Leaf), "Branch": Kind.of(Branch)}


def test_a_tree_is_made_again_with_the_types_of_its_numbers() -> None:
    shared = np.arange(6, dtype=np.float32).reshape(2, 3)
    tree = Branch((Leaf(shared, np.float64(0.1)), Leaf(shared, 2.5), Leaf(shared.T, None)), "tree")
    arrays: dict[str, np.ndarray] = {}
    again = rebuild(flatten(tree, PARTS, arrays, "tree"), PARTS, arrays)
    assert isinstance(again.leaves[0].scale, np.float64)
    assert again.leaves[0].scale == 0.1
    assert again.leaves[1].scale == 2.5
    assert again.leaves[2].scale is None
    assert again.leaves[0].values is again.leaves[1].values  # stored once
    np.testing.assert_array_equal(again.leaves[2].values, shared.T)
    assert len(arrays) == 3


def test_what_is_of_no_kind_is_refused() -> None:
    with pytest.raises(TypeError, match="none of the kinds"):
        flatten(Branch((object(),), "tree"), PARTS, {})
    with pytest.raises(KeyError):
        rebuild({"kind": "Trunk"}, PARTS, {})


def test_objects_within_are_replaced_once() -> None:
    leaf = Leaf(np.zeros(2), 1)
    memo: dict[int, Any] = {}
    replaced = replace_within(Branch((leaf, leaf), "tree"), Leaf, lambda each: Leaf(each.values, 2), memo)
    assert replaced.leaves[0] is replaced.leaves[1]
    assert replaced.leaves[0].scale == 2
