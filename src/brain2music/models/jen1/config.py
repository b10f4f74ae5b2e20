"""Configuration of JEN-1's U-Net by size."""

from dataclasses import dataclass, replace
from math import prod
from typing import Literal

UNetSize = Literal["tiny", "small", "paper"]


@dataclass(frozen=True)
class UNetConfig:
    """Sizes of an :class:`~brain2music.models.jen1.unet.OmniUNet`; by default the small one.

    Attributes
    ----------
    latent_dim : int
        Channels of the latents. The network reads twice as many and one more: noisy latents, those that are known,
        and the mask that says which are (JEN-1: 128 and 129).
    channels : tuple of int
        Width of each level, the full frame rate first.
    strides : tuple of int
        Factor between the frame rates of neighbouring levels, one fewer than levels.
    blocks : tuple of int
        Residual blocks per level on the way down; on the way up as many.
    attention : tuple of bool
        Whether the blocks of a level are followed by attention.
    head_dim : int
        Dimensions of an attention head.
    hidden_ratio : int
        Width of the feed-forward over that of its level.
    shared_ratio : int
        Dimensions of the vector of diffusion time, mode and condition, which modulates every block, over the width of
        the first level.
    context_dim : int
        Dimensions of the condition's tokens in cross-attention (JEN-1: 1024).
    text_dim : int
        Dimensions of the text encoder's token states.
    embedding_dim : int
        Dimensions of the joint embedding.
    embedding_tokens : int
        Tokens that the joint embedding becomes in cross-attention.
    clock_dim : int
        Features of each code of the beat clock, which the network then reads beside the latents, and of which it takes
        echoes (:mod:`.beats`); 0 for no clock (JEN-1).
    dropout : float
        Share of values that are dropped inside blocks in training.

    Raises
    ------
    ValueError
        Levels are described by tuples of different lengths, or an attention head has no dimensions.

    Examples
    --------
    >>> from brain2music.models.jen1 import UNetConfig
    >>> UNetConfig.size("small").stride
    4
    >>> UNetConfig.size("paper").input_channels
    257
    """

    latent_dim: int = 64
    channels: tuple[int, ...] = (96, 128, 160)
    strides: tuple[int, ...] = (2, 2)
    blocks: tuple[int, ...] = (1, 1, 2)
    attention: tuple[bool, ...] = (False, True, True)
    head_dim: int = 32
    hidden_ratio: int = 2
    shared_ratio: int = 2
    context_dim: int = 192
    text_dim: int = 384
    embedding_dim: int = 128
    embedding_tokens: int = 4
    clock_dim: int = 24
    dropout: float = 0.0

    def __post_init__(self) -> None:
        levels = {len(self.channels), len(self.strides) + 1, len(self.blocks), len(self.attention)}
        if len(levels) > 1:
            raise ValueError("channels, blocks and attention say one thing per level, strides one thing fewer")
        if self.head_dim < 1:
            raise ValueError(f"an attention head of {self.head_dim} dimensions")

    @property
    def input_channels(self) -> int:
        """Channels that the network reads."""
        return 2 * self.latent_dim + 1

    @property
    def stride(self) -> int:
        """Frames per frame of the coarsest level."""
        return prod(self.strides)

    @property
    def shared_dim(self) -> int:
        """Dimensions of the vector of diffusion time, mode and condition that modulates every block."""
        return self.shared_ratio * self.channels[0]

    @classmethod
    def size(
        cls, name: UNetSize, latent_dim: int | None = None, text_dim: int | None = None, embedding_dim: int = 128
    ) -> "UNetConfig":
        """Make the configuration of a named size.

        Parameters
        ----------
        name : {"tiny", "small", "paper"}
            ``paper`` has about 726 million parameters; how JEN-1 spends them is not published.
        latent_dim, text_dim : int, optional
            Of latents and text states, where they are others than the size's own.
        embedding_dim : int, default 128
            Dimensions of the joint embedding.

        Returns
        -------
        UNetConfig
            The configuration.

        Examples
        --------
        >>> from brain2music.models.jen1 import UNetConfig
        >>> UNetConfig.size("tiny", latent_dim=6).latent_dim
        6
        """
        tiny = cls(
            latent_dim=8,
            channels=(16, 24),
            strides=(2,),
            blocks=(1, 1),
            attention=(False, True),
            head_dim=12,
            context_dim=16,
            embedding_tokens=2,
            clock_dim=4,
        )
        paper = cls(
            latent_dim=128,
            channels=(256, 512, 1024, 1024, 1024),
            strides=(2, 2, 2, 2),
            blocks=(1, 1, 4, 4, 4),
            attention=(False, False, True, True, True),
            head_dim=64,
            hidden_ratio=4,
            shared_ratio=4,
            context_dim=1024,
            text_dim=1024,
            embedding_tokens=16,
            clock_dim=0,
        )
        found = {"tiny": tiny, "small": cls(), "paper": paper}[name]
        return replace(
            found,
            embedding_dim=embedding_dim,
            latent_dim=found.latent_dim if latent_dim is None else latent_dim,
            text_dim=found.text_dim if text_dim is None else text_dim,
        )
