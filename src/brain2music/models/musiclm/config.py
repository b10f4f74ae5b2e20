"""Configurations of MusicLM's stages by size. Frame rates and crops are the paper's at every size."""

from dataclasses import dataclass
from typing import Any, Literal

from ..generator_parts.clock import CLOCK, CODES, ECHOES, LEVELS
from .stage_config import StageConfig, StageName

Size = Literal["tiny", "small", "paper"]
StageSet = Literal["three", "single"]
STAGES: dict[StageSet, tuple[StageName, ...]] = {"three": ("semantic", "coarse", "fine"), "single": ("acoustic",)}
"""The paper's three stages; or a single one that predicts all acoustic tokens from the embedding."""

SEMANTIC_FRAME_RATE, ACOUSTIC_FRAME_RATE = 25, 50.0
"""Frames per second of the semantic tokens, and of MusicLM's codec."""
COARSE_QUANTIZERS = 4


@dataclass(frozen=True)
class Vocabulary:
    """Sizes of all tokens of a MusicLM.

    Attributes
    ----------
    acoustic_codebook_size : int
        Codes per quantizer of the codec.
    acoustic_quantizers : int
        Number of quantizers of the codec.
    acoustic_frame_rate : float
        Frames of the codec per second.
    acoustic_dims : int
        Dimensions of the codec's codebooks, from which the tables of small sizes are initialised; 0 where unknown.
    semantic_codebook_size : int
        Number of semantic tokens.
    condition_quantizers : int
        Residual tokens of the embedding.
    condition_codebook_size : int
        Codes per residual token.
    condition_dims : int
        Dimensions of the embedding.
    clock : bool
        Whether there is a beat clock for a single stage.

    Examples
    --------
    >>> from brain2music.models.musiclm import Vocabulary, stage_configs
    >>> vocabulary = Vocabulary(acoustic_codebook_size=32, acoustic_quantizers=4)
    >>> stage_configs("tiny", "single", vocabulary)["acoustic"].codebook_size
    32
    """

    acoustic_codebook_size: int = 1024
    acoustic_quantizers: int = 12
    acoustic_frame_rate: float = ACOUSTIC_FRAME_RATE
    acoustic_dims: int = 0
    semantic_codebook_size: int = 1024
    condition_quantizers: int = 12
    condition_codebook_size: int = 1024
    condition_dims: int = 128
    clock: bool = False

    @property
    def coarse_quantizers(self) -> int:
        """Number of the codec's quantizers that are coarse."""
        return min(COARSE_QUANTIZERS, self.acoustic_quantizers - 1)


def stage_configs(
    size: Size, stage_set: StageSet = "three", vocabulary: Vocabulary | None = None
) -> dict[StageName, StageConfig]:
    """Make the configurations of the stages of a size.

    ``paper`` has 24 layers, 16 heads, widths 1024 and 4096, and flattened tokens. ``small`` and ``tiny`` predict one
    frame per step, add upstream tokens to the steps of the same frame, and are conditioned on the embedding as tokens
    and as a vector. Frame rates and crops are those of the paper at every size.

    Parameters
    ----------
    size : {"tiny", "small", "paper"}
        Size of the transformers.
    stage_set : {"three", "single"}, default "three"
        The three stages of the paper, or a single one that predicts all acoustic tokens from the embedding.
    vocabulary : Vocabulary, optional
        Sizes of the tokens; default those of the paper.

    Returns
    -------
    dict of str to StageConfig
        Configurations by the name of the stage.

    Raises
    ------
    ValueError
        Three stages of a codec that does not have two frames per semantic token.

    References
    ----------
    Agostinelli et al., "MusicLM: generating music from text" (2023, arXiv 2301.11325).

    Examples
    --------
    The lengths of the sequences of the paper's stages, conditions included:

    >>> from brain2music.models.musiclm import stage_configs
    >>> {name: config.sequence for name, config in stage_configs("paper").items()}
    {'semantic': 762, 'coarse': 2262, 'fine': 1800}
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
    clock: dict[str, Any] = {
        **{"upstream": CLOCK, "upstream_quantizers": LEVELS, "upstream_codebook_size": CODES, "echoes": ECHOES},
        "guidance": 2.5,  # the null condition has no clock, so that guidance strengthens the beat, too
    }
    return {**acoustic, **crop, **(clock if vocabulary.clock else {}), "first_quantizer": 0, "n_quantizers": quantizers}


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
        "upstream_as": "prefix" if is_paper and name != "acoustic" else "aligned",
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
