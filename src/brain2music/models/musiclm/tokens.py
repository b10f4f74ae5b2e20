"""The token space of a stage: an id for every (family, quantizer, code) and for every special token."""

from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, NamedTuple

from jaxtyping import Int
from torch import Tensor

Special = Literal["empty", "start", "null"]
SPECIALS: tuple[Special, ...] = ("empty", "start", "null")
"""A slot of a pattern with no token in it; where the predicted segment begins; a condition withheld."""


class Family(NamedTuple):
    """A kind of token: ``n_quantizers`` codebooks of ``codebook_size`` codes."""

    name: str
    n_quantizers: int
    codebook_size: int


@dataclass(frozen=True)
class TokenSpace:
    """An injective map from (family, quantizer, code) to ids 0, 1, ...; specials come after all codes.

    Ids of a family's quantizer ``l`` are ``offset + l * codebook_size + code``: ranges are disjoint (AudioLM's
    ``o_i``), and no special lies in any of them.
    """

    families: tuple[Family, ...]

    def __post_init__(self) -> None:
        if len({family.name for family in self.families}) < len(self.families):
            raise ValueError("two families of tokens have one name")

    @property
    def n_codes(self) -> int:
        """Number of ids that are codes."""
        return self._offsets[-1]

    @property
    def size(self) -> int:
        """Number of ids, special tokens included."""
        return self.n_codes + len(SPECIALS)

    def encode(
        self, name: str, codes: Int[Tensor, "*batch quantizers frames"], first_quantizer: int = 0
    ) -> Int[Tensor, "*batch quantizers frames"]:
        """Ids of codes of the quantizers ``first_quantizer``, ``first_quantizer + 1``, ..."""
        offset, family = self._find(name)
        if first_quantizer + codes.shape[-2] > family.n_quantizers:
            raise ValueError(f"{name} has {family.n_quantizers} quantizers, not {first_quantizer + codes.shape[-2]}")
        quantizers = codes.new_tensor(range(first_quantizer, first_quantizer + codes.shape[-2]))
        return codes + offset + family.codebook_size * quantizers[:, None]

    def decode(self, token: int) -> tuple[str, int, int]:
        """(family, quantizer, code) of an id; a special token is (its name, 0, 0)."""
        if token >= self.n_codes:
            return SPECIALS[token - self.n_codes], 0, 0
        for family, offset in zip(reversed(self.families), reversed(self._offsets[:-1]), strict=True):
            if token >= offset:
                return family.name, *divmod(token - offset, family.codebook_size)
        raise ValueError(f"{token} is no token")

    def special(self, name: Special) -> int:
        """The id of a special token."""
        return self.n_codes + SPECIALS.index(name)

    @property
    def _offsets(self) -> list[int]:
        return list(accumulate((family.n_quantizers * family.codebook_size for family in self.families), initial=0))

    def _find(self, name: str) -> tuple[int, Family]:
        for offset, family in zip(self._offsets[:-1], self.families, strict=True):
            if family.name == name:
                return offset, family
        raise ValueError(f"there is no family {name!r} here")
