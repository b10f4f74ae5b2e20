"""The token space of a model: every (family, level, code) has an id of its own, and so has every special token."""

from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, NamedTuple

from jaxtyping import Int
from torch import Tensor

Special = Literal["empty", "start", "null"]
SPECIALS: tuple[Special, ...] = ("empty", "start", "null")
"""A slot of a pattern with no token in it; where the predicted segment begins; a condition withheld."""


class Family(NamedTuple):
    """A kind of token: ``levels`` codebooks of ``codes`` codes."""

    name: str
    levels: int
    codes: int


@dataclass(frozen=True)
class TokenSpace:
    """An injective map from (family, level, code) to ids 0, 1, ...; specials come after all codes.

    Ids of a family's level ``l`` are ``offset + l * codes + code``: ranges are disjoint (AudioLM's ``o_i``), and
    no special lies in any of them.
    """

    families: tuple[Family, ...]

    def __post_init__(self) -> None:
        if len({family.name for family in self.families}) < len(self.families):
            raise ValueError("two families of tokens have one name")

    @property
    def codes(self) -> int:
        """How many ids are codes."""
        return self._offsets[-1]

    @property
    def size(self) -> int:
        """How many ids there are, specials included."""
        return self.codes + len(SPECIALS)

    def encode(
        self, name: str, codes: Int[Tensor, "*batch levels frames"], first_level: int = 0
    ) -> Int[Tensor, "*batch levels frames"]:
        """Codes of the levels ``first_level``, ``first_level + 1``, ... to ids."""
        offset, family = self._find(name)
        if first_level + codes.shape[-2] > family.levels:
            raise ValueError(f"{name} has {family.levels} levels, not {first_level + codes.shape[-2]}")
        levels = codes.new_tensor(range(first_level, first_level + codes.shape[-2]))
        return codes + offset + family.codes * levels[:, None]

    def decode(self, token: int) -> tuple[str, int, int]:
        """An id to (family, level, code); a special is (its name, 0, 0)."""
        if token >= self.codes:
            return SPECIALS[token - self.codes], 0, 0
        for family, offset in zip(reversed(self.families), reversed(self._offsets[:-1]), strict=True):
            if token >= offset:
                return family.name, *divmod(token - offset, family.codes)
        raise ValueError(f"{token} is no token")

    def special(self, name: Special) -> int:
        """The id of a special token."""
        return self.codes + SPECIALS.index(name)

    @property
    def _offsets(self) -> list[int]:
        return list(accumulate((family.levels * family.codes for family in self.families), initial=0))

    def _find(self, name: str) -> tuple[int, Family]:
        for offset, family in zip(self._offsets[:-1], self.families, strict=True):
            if family.name == name:
                return offset, family
        raise ValueError(f"there is no family {name!r} here")
