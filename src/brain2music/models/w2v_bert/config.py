"""Configuration and sizes of w2v-BERT."""

from dataclasses import dataclass
from typing import ClassVar, Literal

Size = Literal["tiny", "small", "paper"]


@dataclass(frozen=True)
class W2vBertConfig:
    """Architecture and loss weights of w2v-BERT (Chung et al. 2021, arXiv 2108.06209).

    The paper gives the blocks (12 + 12 in XL), the weights of the losses and 25 Hz; the width (1024) is known from
    AudioLM. Heads, kernel, codebook and mask schedule are not published: those here are from wav2vec 2.0.

    Attributes
    ----------
    sample_rate : in Hz. n_fft : samples per frame. n_mels : number of mel bands, a multiple of 4. Mel frames are at
        100 Hz.
    width, heads, feed_forward, kernel, dropout : sizes of the conformer blocks.
    contrastive_blocks, masked_blocks : number of blocks in the two modules.
    quantizer : "gumbel" learns its codes; "projection" keeps a random projection and random codes
        (BEST-RQ, arXiv 2202.01855).
    n_codebooks, codebook_size, code_dim : codebooks of the product quantizer, codes per codebook, and width of the
        concatenated vector.
    feature_gradient : share of the quantizer's gradient that reaches the frames. With all of it, small models stayed at
        chance for a hundred steps (the targets move as fast as the model learns); with none they learn.
    mask_probability : probability of each frame to begin a masked span. mask_span : frames per span, at 25 Hz.
    distractors : number per masked frame, from other masked frames of the same sound.
    temperature : temperature of the contrastive similarities.
    gumbel_start, gumbel_end : temperature of the Gumbel softmax at the start and end of training, interpolated
        geometrically.
    beta, gamma, diversity : weights in L = beta (L_w + diversity L_d) + gamma L_m.
    """

    json_keys: ClassVar = {
        "n_mels": "mels",
        "quantizer": "quantiser",
        "n_codebooks": "codebooks",
        "codebook_size": "codes",
    }

    sample_rate: int = 24000
    n_fft: int = 1024
    n_mels: int = 80
    width: int = 1024
    heads: int = 16
    feed_forward: int = 4096
    kernel: int = 31
    dropout: float = 0.1
    contrastive_blocks: int = 12
    masked_blocks: int = 12
    quantizer: Literal["gumbel", "projection"] = "gumbel"
    n_codebooks: int = 1
    codebook_size: int = 1024
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
        if self.sample_rate % 100 or self.n_mels % 4 or self.code_dim % self.n_codebooks:
            raise ValueError(f"frames, bands or codes do not divide evenly: {self}")

    @property
    def hop_length(self) -> int:
        """Hop of the mel frames (100 Hz) in samples."""
        return self.sample_rate // 100

    @property
    def blocks(self) -> int:
        """Number of blocks of both modules."""
        return self.contrastive_blocks + self.masked_blocks


SIZES: dict[Size, W2vBertConfig] = {
    "tiny": W2vBertConfig(
        n_mels=40, width=64, heads=2, feed_forward=128, kernel=9, dropout=0.0, contrastive_blocks=2, masked_blocks=2,
        n_codebooks=2, codebook_size=32, code_dim=32, distractors=20,
    ),
    "small": W2vBertConfig(
        width=256, heads=4, feed_forward=1024, kernel=15, contrastive_blocks=4, masked_blocks=4,
        n_codebooks=2, codebook_size=320, code_dim=128,
    ),
    "paper": W2vBertConfig(),
}  # fmt: skip
