"""Sizes and settings of w2v-BERT."""

from dataclasses import dataclass
from typing import Literal

Size = Literal["tiny", "small", "paper"]


@dataclass(frozen=True)
class W2vBertConfig:
    """Shape and training settings (Chung et al. 2021, arXiv 2108.06209).

    The paper gives the blocks (12 + 12 in XL), the weights of the losses and 25 Hz; width (1024) is known through
    AudioLM. Heads, kernel, codebook and mask schedule are not published: those here are wav2vec 2.0's.

    Attributes
    ----------
    sample_rate : Hz. n_fft : samples of a frame. mels : bands; a multiple of 4. Frames come at 100 Hz.
    width, heads, feed_forward, kernel, dropout : of the conformer blocks.
    contrastive_blocks, masked_blocks : of the two modules.
    quantiser : "gumbel" learns its codes; "projection" draws a projection and codes once and keeps them
        (BEST-RQ, arXiv 2202.01855).
    codebooks, codes, code_dim : the product quantiser: books, codes in each, and the width of a whole vector.
    feature_gradient : part of the quantiser's gradient that reaches the frames it quantises. With all of it small
        models stayed at chance for a hundred steps (their targets move as fast as they learn), with none they learn.
    mask_probability : of each frame to begin a masked span. mask_span : frames at 25 Hz.
    distractors : of each masked frame, from other masked frames of its sound. temperature : of their similarities.
    gumbel_start, gumbel_end : temperature of the soft choice of codes, falling by a power over the training.
    beta, gamma, diversity : L = beta (L_w + diversity L_d) + gamma L_m.
    """

    sample_rate: int = 24000
    n_fft: int = 1024
    mels: int = 80
    width: int = 1024
    heads: int = 16
    feed_forward: int = 4096
    kernel: int = 31
    dropout: float = 0.1
    contrastive_blocks: int = 12
    masked_blocks: int = 12
    quantiser: Literal["gumbel", "projection"] = "gumbel"
    codebooks: int = 1
    codes: int = 1024
    code_dim: int = 1024
    feature_gradient: float = 0.0
    mask_probability: float = 0.065
    mask_span: int = 10
    distractors: int = 100
    temperature: float = 0.1
    gumbel_start: float = 2.0
    gumbel_end: float = 0.5
    beta: float = 1.0
    gamma: float = 1.0
    diversity: float = 0.1

    def __post_init__(self) -> None:
        if self.sample_rate % 100 or self.mels % 4 or self.code_dim % self.codebooks:
            raise ValueError(f"frames, bands or codes do not divide evenly: {self}")

    @property
    def hop_length(self) -> int:
        """Samples between mel frames (100 Hz)."""
        return self.sample_rate // 100

    @property
    def blocks(self) -> int:
        """Of both modules."""
        return self.contrastive_blocks + self.masked_blocks


SIZES: dict[Size, W2vBertConfig] = {
    "tiny": W2vBertConfig(
        mels=40, width=64, heads=2, feed_forward=128, kernel=9, dropout=0.0, contrastive_blocks=2, masked_blocks=2,
        codebooks=2, codes=32, code_dim=32, distractors=20,
    ),
    "small": W2vBertConfig(
        width=256, heads=4, feed_forward=1024, kernel=15, contrastive_blocks=4, masked_blocks=4,
        codebooks=2, codes=320, code_dim=128,
    ),
    "paper": W2vBertConfig(),
}  # fmt: skip
