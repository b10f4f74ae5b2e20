"""Configuration of one stage of MusicLM: its tokens, the forms of its condition, and the sizes of its transformer."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from .patterns import Pattern
from .tokens import Family, TokenSpace

StageName = Literal["semantic", "coarse", "fine", "acoustic"]


@dataclass(frozen=True)
class StageConfig:
    """Configuration of a stage of MusicLM, a decoder-only transformer.

    :func:`stage_configs` makes those of the named sizes.

    Attributes
    ----------
    name : {"semantic", "coarse", "fine", "acoustic"}
        Name of the stage; "acoustic" is the only one of a model of a single stage.
    family : str
        Predicted tokens: "semantic" or "acoustic".
    first_quantizer : int
        First predicted quantizer.
    n_quantizers : int
        Number of predicted quantizers.
    frame_rate : float
        Frames of predicted tokens per second.
    crop_s : float
        Longest segment that is predicted at once, in seconds.
    stride_s : float
        Seconds by which a longer segment advances.
    temperature : float
        Default temperature of sampling.
    layers : int
        Layers of the transformer.
    heads : int
        Attention heads.
    width : int
        Width of the transformer.
    hidden : int
        Inner width of its feed-forward layers.
    token_width : int
        Width of the token table and of the output heads, projected to and from ``width`` where they differ.
    pattern : {"flattened", "delay", "parallel"}
        Order in which codes are predicted.
    dropout : float
        Dropout of the transformer.
    codebook_size : int
        Codes per predicted quantizer.
    upstream : str
        Tokens that condition this stage frame by frame: those of the stage before, or the beat "clock"; "" for none.
    upstream_quantizers : int
        Number of upstream quantizers.
    upstream_codebook_size : int
        Codes per upstream quantizer.
    frames_per_upstream : int
        Predicted frames per upstream frame.
    upstream_as : {"prefix", "aligned"}
        Whether upstream tokens are before the predicted segment, as in the paper, or added to the step that predicts
        the same frame.
    echoes : int
        Earlier frames whose tokens each step reads, at distances that the beat clock gives.
    condition : tuple of str
        Forms in which the embedding conditions the stage: "tokens" (the paper), "vector", both, or none.
    condition_every_step : bool
        Whether the condition's vector is added to every step, too.
    past_dropout : float
        Probability that part of an example's past is hidden in training (word dropout, Bowman et al. 2016, arXiv
        1511.06349).
    token_noise : float
        Probability that an example's past is that of another example in training, up to a random frame, so that the
        condition is followed where sampled tokens contradict it.
    condition_dims : int
        Dimensions of the embedding.
    condition_quantizers : int
        Number of its residual tokens.
    condition_codebook_size : int
        Codes per residual token.
    guidance : float
        Default weight of classifier-free guidance; 1 is none, as in the paper.

    Examples
    --------
    >>> from brain2music.models.musiclm import stage_configs
    >>> config = stage_configs("paper")["semantic"]
    >>> config.layers, config.width, config.frames
    (24, 1024, 750)
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
    echoes: int = 0
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
