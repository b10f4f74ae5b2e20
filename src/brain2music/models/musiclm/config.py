"""Configurations of MusicLM's stages by size. Frame rates and crops are the paper's at every size."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from .patterns import Pattern
from .tokens import Family, TokenSpace

Size = Literal["tiny", "small", "paper"]
StageSet = Literal["three", "single"]
StageName = Literal["semantic", "coarse", "fine", "acoustic"]
STAGES: dict[StageSet, tuple[StageName, ...]] = {"three": ("semantic", "coarse", "fine"), "single": ("acoustic",)}
"""The paper's three stages; or a single one that predicts all acoustic tokens from the embedding."""

SEMANTIC_FRAME_RATE, ACOUSTIC_FRAME_RATE = 25, 50.0
"""Frames per second of the semantic tokens, and of MusicLM's codec."""
COARSE_QUANTIZERS = 4


@dataclass(frozen=True)
class StageConfig:
    """A stage, one decoder-only model: what it predicts, from what, in which order, and how large it is.

    Attributes
    ----------
    name : "semantic", "coarse" or "fine"; "acoustic" for the only one of a single stage.
    family, first_quantizer, n_quantizers, codebook_size : the predicted tokens. frame_rate : their frames per second.
    upstream, upstream_quantizers, upstream_codebook_size : tokens of the stage before, which condition this one; "" for
        none. frames_per_upstream : predicted frames per upstream frame.
    upstream_as : before the predicted segment ("prefix", the paper), or each frame added to the step that predicts the
        same frame ("aligned": shorter, and nothing to align by attention).
    condition : forms in which the embedding conditions the stage, before everything else: as residual "tokens" (the
        paper), as one projected "vector", both, or none.
    condition_dims, condition_quantizers, condition_codebook_size : of the embedding, and of its residual tokens.
    condition_every_step : whether the condition's vector is added to every step, too.
    past_dropout : probability that part of an example's past is hidden in training (Bowman et al. 2016, "word dropout",
        arXiv 1511.06349): past tokens say nearly all that the condition says, except at the start.
    token_noise : probability that an example's past is that of another example in training, up to a random frame:
        sampled tokens may contradict the condition, and the condition is to be followed.
    pattern : order of the predicted codes. crop_s, stride_s : longest segment, and how far a longer one advances.
    layers, heads, width, hidden, dropout : of the transformer. token_width : of the token table and of the output
        heads, projected to and from ``width``, quantizer by quantizer, where they differ.
    temperature, guidance : default of sampling (MusicLM has no guidance: 1).
    """

    json_keys: ClassVar = {
        **{"frame_rate": "rate", "first_quantizer": "first_level", "n_quantizers": "levels", "codebook_size": "codes"},
        **{"upstream": "given", "upstream_quantizers": "given_levels", "upstream_codebook_size": "given_codes"},
        **{"frames_per_upstream": "given_repeat", "upstream_as": "given_as", "condition_every_step": "everywhere"},
        **{"condition_dims": "embedding", "condition_quantizers": "condition_levels"},
        **{"condition_codebook_size": "condition_codes", "past_dropout": "forgotten", "token_noise": "mistaken"},
        **{"token_width": "table"},
    }

    name: StageName
    family: str
    first_quantizer: int
    n_quantizers: int
    frame_rate: float
    crop_s: float
    stride_s: float
    temperature: float
    layers: int
    heads: int
    width: int
    hidden: int
    token_width: int
    pattern: Pattern = "flattened"
    dropout: float = 0.1
    codebook_size: int = 1024
    upstream: str = ""
    upstream_quantizers: int = 0
    upstream_codebook_size: int = 1024
    frames_per_upstream: int = 1
    upstream_as: Literal["prefix", "aligned"] = "prefix"
    condition: tuple[str, ...] = ()
    condition_every_step: bool = False
    past_dropout: float = 0.0
    token_noise: float = 0.0
    condition_dims: int = 128
    condition_quantizers: int = 12
    condition_codebook_size: int = 1024
    guidance: float = 1.0

    @property
    def space(self) -> TokenSpace:
        """The token space of the stage."""
        families: dict[str, tuple[int, int]] = {}
        if "tokens" in self.condition:
            families["condition"] = (self.condition_quantizers, self.condition_codebook_size)
        if self.upstream:
            families[self.upstream] = (self.upstream_quantizers, self.upstream_codebook_size)
        families[self.family] = (self.first_quantizer + self.n_quantizers, self.codebook_size)
        return TokenSpace(tuple(Family(name, *size) for name, size in families.items()))

    @property
    def frames(self) -> int:
        """Predicted frames per crop."""
        return round(self.crop_s * self.frame_rate)

    @property
    def upstream_frames(self) -> int:
        """Upstream frames per crop."""
        return self.frames // self.frames_per_upstream if self.upstream else 0

    @property
    def sequence(self) -> int:
        """Tokens per crop in the paper's order, conditions included (section 1.2: 762, 2262, 1800)."""
        before = self.condition_quantizers if "tokens" in self.condition else 0
        return before + self.upstream_quantizers * self.upstream_frames + self.n_quantizers * self.frames


@dataclass(frozen=True)
class Vocabulary:
    """Sizes of all tokens: acoustic tokens of the codec, semantic tokens, and those of the condition.

    Attributes
    ----------
    acoustic_frame_rate : frames of the codec per second.
    acoustic_dims : dimensions of the codec's codebooks, from which the small sizes' tables are initialised; 0 where
        they are unknown.
    condition_dims : dimensions of the embedding that is the condition.
    """

    acoustic_codebook_size: int = 1024
    acoustic_quantizers: int = 12
    acoustic_frame_rate: float = ACOUSTIC_FRAME_RATE
    acoustic_dims: int = 0
    semantic_codebook_size: int = 1024
    condition_quantizers: int = 12
    condition_codebook_size: int = 1024
    condition_dims: int = 128

    @property
    def coarse_quantizers(self) -> int:
        """Number of the codec's quantizers that are coarse."""
        return min(COARSE_QUANTIZERS, self.acoustic_quantizers - 1)


def stage_configs(
    size: Size, stage_set: StageSet = "three", vocabulary: Vocabulary | None = None
) -> dict[StageName, StageConfig]:
    """Configurations of the stages of a size, by name.

    ``paper`` is 24 layers, 16 heads, 1024/4096 and flattened. ``small`` and ``tiny`` predict one frame per step
    (delay), add upstream tokens to the steps of the same frame, and are conditioned on the embedding as tokens and as a
    vector.

    Raises
    ------
    ValueError : three stages of a codec that does not have two frames per semantic token.
    """
    vocabulary = vocabulary or Vocabulary()
    if stage_set == "three" and vocabulary.acoustic_frame_rate != 2 * SEMANTIC_FRAME_RATE:
        needed, found = 2 * SEMANTIC_FRAME_RATE, vocabulary.acoustic_frame_rate
        raise ValueError(f"three stages need a codec of {needed} frames per second, not {found:.4g}")
    return {
        name: StageConfig(name=name, **_tokens(name, vocabulary), **_shape(size, name, vocabulary))
        for name in STAGES[stage_set]
    }


def _tokens(name: StageName, vocabulary: Vocabulary) -> dict[str, Any]:
    """Predicted and upstream tokens of a stage, and its crops: the paper's at every size, where it has the stage.

    The single stage, which the paper does not have, restarts from its condition often: it is trained in minutes, and
    drifts.
    """
    conditioned = {
        "condition_quantizers": vocabulary.condition_quantizers,
        "condition_codebook_size": vocabulary.condition_codebook_size,
        "condition_dims": vocabulary.condition_dims,
    }
    acoustic = {
        "family": "acoustic",
        "codebook_size": vocabulary.acoustic_codebook_size,
        "frame_rate": vocabulary.acoustic_frame_rate,
        **conditioned,
    }
    coarse, quantizers = vocabulary.coarse_quantizers, vocabulary.acoustic_quantizers
    if name == "semantic":
        return {
            **{"family": "semantic", "codebook_size": vocabulary.semantic_codebook_size},
            **{"first_quantizer": 0, "n_quantizers": 1, "frame_rate": float(SEMANTIC_FRAME_RATE)},
            **{"crop_s": 30.0, "stride_s": 15.0, "temperature": 1.0, **conditioned},
        }
    if name == "coarse":
        semantic_size = vocabulary.semantic_codebook_size
        upstream = {"upstream": "semantic", "upstream_quantizers": 1, "upstream_codebook_size": semantic_size}
        crop = {"frames_per_upstream": 2, "crop_s": 10.0, "stride_s": 5.0, "temperature": 0.95}
        return {**acoustic, **upstream, **crop, "first_quantizer": 0, "n_quantizers": coarse}
    if name == "fine":
        acoustic_size = vocabulary.acoustic_codebook_size
        upstream = {"upstream": "acoustic", "upstream_quantizers": coarse, "upstream_codebook_size": acoustic_size}
        crop = {"crop_s": 3.0, "stride_s": 3.0, "temperature": 0.4}
        return {**acoustic, **upstream, **crop, "first_quantizer": coarse, "n_quantizers": quantizers - coarse}
    crop = {"crop_s": 4.0, "stride_s": 2.0, "temperature": 0.9, "guidance": 1.5}
    return {**acoustic, **crop, "first_quantizer": 0, "n_quantizers": quantizers}


def _shape(size: Size, name: StageName, vocabulary: Vocabulary) -> dict[str, Any]:
    """Size of a stage's transformer, and the forms of its condition."""
    if size == "paper":
        layers, heads, width, token_width, dropout = 24, 16, 1024, 1024, 0.1
    else:
        layers, heads, width, token_width, dropout = _SHAPES[size][name]
        if name != "semantic" and vocabulary.acoustic_dims:
            token_width = vocabulary.acoustic_dims
    is_paper = size == "paper"
    condition = () if name == "fine" else ("tokens",) if is_paper else ("tokens", "vector")
    flat, with_vector = is_paper or name == "semantic", "vector" in condition
    return {
        **{"layers": layers, "heads": heads, "width": width, "hidden": 4 * width},
        **{"token_width": token_width, "dropout": dropout},
        **{"condition_every_step": with_vector, "past_dropout": 0.5 if with_vector else 0.0},
        "token_noise": 0.25 if with_vector else 0.0,
        **{"condition": condition, "pattern": "flattened" if flat else "delay"},
        "upstream_as": "prefix" if is_paper else "aligned",
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
