"""What a stage of MusicLM is, and the three of each size. Rates and crops are the paper's at every size."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from .patterns import Pattern
from .tokens import Family, TokenSpace

Size = Literal["tiny", "small", "paper"]
Plan = Literal["three", "single"]
StageName = Literal["semantic", "coarse", "fine", "acoustic"]
STAGES: dict[Plan, tuple[StageName, ...]] = {"three": ("semantic", "coarse", "fine"), "single": ("acoustic",)}
"""The paper's three stages; or one that writes all acoustic levels straight from the embedding."""

SEMANTIC_FRAME_RATE, ACOUSTIC_FRAME_RATE = 25, 50.0
"""Frames a second of the semantic tokens, and of MusicLM's codec."""
COARSE_LEVELS = 4


@dataclass(frozen=True)
class StageConfig:
    """One decoder-only model: what it predicts, from what, in which order, and how large it is.

    Attributes
    ----------
    name : "semantic", "coarse" or "fine"; "acoustic" for the only one of a single stage.
    family, first_level, levels, codes : the tokens it predicts. frame_rate : their frames per second.
    given, given_levels, given_codes, given_repeat : the tokens it is given, and how many predicted frames each of
        their frames spans; "" for none.
    given_as : before the predicted segment ("prefix", the paper), or each frame of it added to the step that
        predicts that frame ("aligned": shorter, and nothing to align by attention).
    condition : how the embedding conditions it, before everything else: as residual "tokens" (the paper), as one
        projected "vector", both, or not at all.
    embedding, condition_levels, condition_codes : dimensions of the embedding, and its residual tokens.
    everywhere : add the condition's vector to every step, too: nothing has to learn to look back at it.
    forgotten : chance that part of an example's past is hidden from it in training (Bowman et al. 2016, "word
        dropout", arXiv 1511.06349): what came before says nearly all that the condition says, but not at the start.
    mistaken : chance that an example's past is another's in training, up to a frame drawn at random: what was drawn
        before may be at odds with the condition, and it is the condition that is to be followed.
    pattern : order of the predicted codes. crop_s, stride_s : longest segment, and how far a longer one advances.
    layers, heads, width, hidden, dropout : of the transformer. table : width of the token table, and of what a code
        is chosen by; projected to and from ``width``, level by level, where they are not the same.
    temperature, guidance : of sampling, unless something else is asked for (MusicLM has no guidance: 1).
    """

    json_keys: ClassVar = {"frame_rate": "rate"}

    name: StageName
    family: str
    first_level: int
    levels: int
    frame_rate: float
    crop_s: float
    stride_s: float
    temperature: float
    layers: int
    heads: int
    width: int
    hidden: int
    table: int
    pattern: Pattern = "flattened"
    dropout: float = 0.1
    codes: int = 1024
    given: str = ""
    given_levels: int = 0
    given_codes: int = 1024
    given_repeat: int = 1
    given_as: Literal["prefix", "aligned"] = "prefix"
    condition: tuple[str, ...] = ()
    everywhere: bool = False
    forgotten: float = 0.0
    mistaken: float = 0.0
    embedding: int = 128
    condition_levels: int = 12
    condition_codes: int = 1024
    guidance: float = 1.0

    @property
    def space(self) -> TokenSpace:
        """The ids of its table."""
        families = {"condition": (self.condition_levels, self.condition_codes)} if "tokens" in self.condition else {}
        if self.given:
            families[self.given] = (self.given_levels, self.given_codes)
        families[self.family] = (self.first_level + self.levels, self.codes)
        return TokenSpace(tuple(Family(name, *size) for name, size in families.items()))

    @property
    def frames(self) -> int:
        """Predicted frames of a whole crop."""
        return round(self.crop_s * self.frame_rate)

    @property
    def given_frames(self) -> int:
        """Frames of the given tokens in a whole crop."""
        return self.frames // self.given_repeat if self.given else 0

    @property
    def sequence(self) -> int:
        """Tokens of a whole crop in the paper's order, conditions included (section 1.2: 762, 2262, 1800)."""
        before = self.condition_levels if "tokens" in self.condition else 0
        return before + self.given_levels * self.given_frames + self.levels * self.frames


@dataclass(frozen=True)
class Vocabulary:
    """The tokens there are: codes of the codec's levels, semantic tokens, and the condition's.

    Attributes
    ----------
    acoustic_frame_rate : frames of the codec a second. acoustic_dims : dimensions of its codebooks, which the small
        sizes' tables begin from; 0 where they are not at hand.
    embedding : dimensions of the embedding that is the condition.
    """

    acoustic_codes: int = 1024
    acoustic_levels: int = 12
    acoustic_frame_rate: float = ACOUSTIC_FRAME_RATE
    acoustic_dims: int = 0
    semantic_codes: int = 1024
    condition_levels: int = 12
    condition_codes: int = 1024
    embedding: int = 128

    @property
    def coarse_levels(self) -> int:
        """How many of the codec's levels are coarse."""
        return min(COARSE_LEVELS, self.acoustic_levels - 1)


def stages(size: Size, plan: Plan = "three", words: Vocabulary | None = None) -> dict[StageName, StageConfig]:
    """The stages of a size, by name.

    Raises
    ------
    ValueError : three stages of a codec that does not have two frames for each semantic token.

    ``paper`` is 24 layers, 16 heads, 1024/4096 and flattened. ``small`` and ``tiny`` predict a frame a step
    (delay), add what they are given to the steps it belongs to, and see the embedding as tokens and as a vector.
    """
    words = words or Vocabulary()
    if plan == "three" and words.acoustic_frame_rate != 2 * SEMANTIC_FRAME_RATE:
        needed = 2 * SEMANTIC_FRAME_RATE
        raise ValueError(f"three stages need a codec of {needed} frames a second, not {words.acoustic_frame_rate:.4g}")
    return {name: StageConfig(name=name, **_what(name, words), **_shape(size, name, words)) for name in STAGES[plan]}


def _what(name: StageName, words: Vocabulary) -> dict[str, Any]:
    """What a stage predicts, from what, and how long its crops are; the paper's, where it has the stage, at every size.

    The single stage, which it has not, starts anew from its condition often: it is trained in minutes, and drifts.
    """
    conditioned = {
        "condition_levels": words.condition_levels,
        "condition_codes": words.condition_codes,
        "embedding": words.embedding,
    }
    acoustic = {
        "family": "acoustic",
        "codes": words.acoustic_codes,
        "frame_rate": words.acoustic_frame_rate,
        **conditioned,
    }
    coarse, levels = words.coarse_levels, words.acoustic_levels
    if name == "semantic":
        return {
            **{"family": "semantic", "first_level": 0, "levels": 1, "codes": words.semantic_codes},
            **{
                "frame_rate": float(SEMANTIC_FRAME_RATE),
                "crop_s": 30.0,
                "stride_s": 15.0,
                "temperature": 1.0,
                **conditioned,
            },
        }
    if name == "coarse":
        given = {"given": "semantic", "given_levels": 1, "given_codes": words.semantic_codes, "given_repeat": 2}
        crop = {"crop_s": 10.0, "stride_s": 5.0, "temperature": 0.95}
        return {**acoustic, **given, **crop, "first_level": 0, "levels": coarse}
    if name == "fine":
        given = {"given": "acoustic", "given_levels": coarse, "given_codes": words.acoustic_codes}
        crop = {"crop_s": 3.0, "stride_s": 3.0, "temperature": 0.4}
        return {**acoustic, **given, **crop, "first_level": coarse, "levels": levels - coarse}
    crop = {"crop_s": 4.0, "stride_s": 2.0, "temperature": 0.9, "guidance": 1.5}
    return {**acoustic, **crop, "first_level": 0, "levels": levels}


def _shape(size: Size, name: StageName, words: Vocabulary) -> dict[str, Any]:
    """How large a stage is, and how it sees its conditions."""
    if size == "paper":
        layers, heads, width, table, dropout = 24, 16, 1024, 1024, 0.1
    else:
        layers, heads, width, table, dropout = _SHAPES[size][name]
        if name != "semantic" and words.acoustic_dims:
            table = words.acoustic_dims
    faithful = size == "paper"
    condition = () if name == "fine" else ("tokens",) if faithful else ("tokens", "vector")
    flat = faithful or name == "semantic"
    return {
        **{"layers": layers, "heads": heads, "width": width, "hidden": 4 * width, "table": table, "dropout": dropout},
        **{"everywhere": "vector" in condition, "forgotten": 0.5 if "vector" in condition else 0.0},
        "mistaken": 0.25 if "vector" in condition else 0.0,
        **{"condition": condition, "pattern": "flattened" if flat else "delay"},
        "given_as": "prefix" if faithful else "aligned",
    }


_SHAPES: dict[str, dict[StageName, tuple[int, int, int, int, float]]] = {
    "small": {
        "semantic": (5, 8, 256, 48, 0.05),
        "coarse": (6, 8, 256, 48, 0.05),
        "fine": (3, 6, 192, 48, 0.05),
        "acoustic": (6, 8, 256, 64, 0.0),
    },
    "tiny": {
        "semantic": (2, 2, 32, 16, 0.0),
        "coarse": (2, 2, 32, 16, 0.0),
        "fine": (1, 2, 32, 16, 0.0),
        "acoustic": (2, 2, 32, 16, 0.0),
    },
}
"""Layers, heads, width, width of the token table, dropout."""
