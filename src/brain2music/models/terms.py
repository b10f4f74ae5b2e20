"""What the makers of weights ask of the music that is made with them: licence, commercial use, names."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Terms:
    """Terms of the results of a model.

    Attributes
    ----------
    licence : str
        Licence of the results; several are joined by "; ".
    commercial : bool
        Whether it allows commercial use.
    attribution : str
        Who is to be named with the results.

    Examples
    --------
    >>> from brain2music.models.terms import FREE, Terms
    >>> FREE.with_(Terms("CC-BY-NC-4.0 (MuQ-MuLan)", commercial=False))
    Terms(licence='CC-BY-NC-4.0 (MuQ-MuLan)', commercial=False, attribution='')
    """

    licence: str = "yours"
    commercial: bool = True
    attribution: str = ""

    def with_(self, other: "Terms") -> "Terms":
        """Terms of what is made with two models: those of both, each named once.

        Parameters
        ----------
        other : Terms
            Of the other model.

        Returns
        -------
        Terms
            Commercial only where both are.
        """
        licences = _once(f"{self.licence}; {other.licence}")
        bound = [each for each in licences if each != FREE.licence] or [FREE.licence]
        names = _once(f"{self.attribution}; {other.attribution}")
        return Terms("; ".join(bound), self.commercial and other.commercial, "; ".join(names))

    @property
    def origin(self) -> dict[str, Any]:
        """The terms as lines of the origin of a piece; none where the results are the user's own."""
        if self == FREE:
            return {}
        found: dict[str, Any] = {"licence": self.licence, "commercial": self.commercial}
        return found | ({"attribution": self.attribution} if self.attribution else {})


FREE = Terms()
"""Of models whose results are their user's."""


def _once(listed: str) -> list[str]:
    """The parts of a list in words, each once."""
    return [each for each in dict.fromkeys(listed.split("; ")) if each]
