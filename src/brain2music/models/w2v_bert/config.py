"""Configuration and sizes of w2v-BERT."""

from dataclasses import dataclass
from typing import ClassVar, Literal

Size = Literal["tiny", "small", "paper"]


@dataclass(frozen=True)
class W2vBertConfig:
    """Configuration of w2v-BERT: its architecture and the weights of its losses.

    The paper gives the blocks (12 + 12 in XL), the weights of the losses and 25 Hz; the width (1024) is known from
    AudioLM. Heads, kernel, codebook and mask schedule are not published: those here are from wav2vec 2.0.

    Attributes
    ----------
    sample_rate : int
        Sample rate in Hz.
    n_fft : int
        Window of the mel spectrogram in samples.
    n_mels : int
        Number of mel bands, a multiple of 4; mel frames are at 100 Hz.
    width : int
        Width of the conformer blocks.
    heads : int
        Attention heads.
    feed_forward : int
        Inner width of the feed-forward layers.
    kernel : int
        Kernel of the convolutions in frames.
    dropout : float
        Dropout of the blocks.
    contrastive_blocks : int
        Number of blocks of the contrastive module.
    masked_blocks : int
        Number of blocks of the masked-prediction module.
    quantizer : {"gumbel", "projection"}
        "gumbel" learns its codes; "projection" keeps a random projection and random codes (BEST-RQ, arXiv 2202.01855).
    n_codebooks : int
        Number of codebooks of the product quantizer.
    codebook_size : int
        Codes per codebook.
    code_dim : int
        Width of the code vectors, concatenated over codebooks.
    feature_gradient : float
        Share of the quantizer's gradient that reaches the frames. With all of it, small models stayed at chance for a
        hundred steps; with none they learn.
    mask_probability : float
        Probability of each frame to begin a masked span.
    mask_span : int
        Frames per span, at 25 Hz.
    distractors : int
        Distractors per masked frame, from other masked frames of the same sound.
    temperature : float
        Temperature of the contrastive similarities.
    gumbel_start : float
        Temperature of the Gumbel softmax at the start of training.
    gumbel_end : float
        Temperature of the Gumbel softmax at the end of training, interpolated geometrically.
    beta : float
        Weight in the loss L = beta (L_w + diversity L_d) + gamma L_m.
    gamma : float
        Weight in the loss, as above.
    diversity : float
        Weight in the loss, as above.

    Raises
    ------
    ValueError
        Frames, bands or codes do not divide evenly.

    References
    ----------
    Chung et al., "w2v-BERT: combining contrastive learning and masked language modeling for self-supervised speech
    pre-training" (2021, arXiv 2108.06209).

    Examples
    --------
    >>> from brain2music.models.w2v_bert import W2vBertConfig
    >>> config = W2vBertConfig(width=64, heads=2, feed_forward=128, contrastive_blocks=2, masked_blocks=2)
    >>> config.blocks, config.hop_length
    (4, 240)
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
