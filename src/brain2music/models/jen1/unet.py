"""JEN-1's omnidirectional one-dimensional U-Net over latents, conditioned on text and on a joint embedding.

Li et al. 2023 (arXiv 2308.04729), section 4.2. The same weights work bidirectionally and causally. Beside the noisy
latents the network reads those that are known and a mask of them, which makes one model write, fill in and continue.
What the paper leaves open is chosen here: widths, that norms work within frames (:mod:`.layers`), and that diffusion
time, mode and the condition as a whole modulate every block.
"""

import math

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor, nn
from torch.nn import functional

from ..._utils.errors import InputError
from ..codec_parts.pretrained import Pretrained
from ..generator_parts.clock import LEVELS
from .beats import ClockCodes, Echoes, SamePlaces, without_beat
from .condition import DiffusionCondition
from .config import UNetConfig
from .layers import AttentionBlock, FrameNorm, OmniConv, OmniResidual, Upsampling

_TIME_DIMS = 64
_LONGEST_PERIOD = 1e4


class OmniUNet(Pretrained):
    """U-Net that predicts a diffusion target of latents, in bidirectional or causal mode.

    Parameters
    ----------
    config : UNetConfig
        Sizes.

    Examples
    --------
    >>> import torch
    >>> from brain2music.models.jen1 import DiffusionCondition, OmniUNet, UNetConfig
    >>> network = OmniUNet(UNetConfig.size("tiny")).eval()
    >>> noisy, known = torch.randn(2, 8, 30), torch.zeros(2, 8, 30)
    >>> nothing = DiffusionCondition.null(2, network.config.text_dim, network.config.embedding_dim)
    >>> network(noisy, torch.tensor([10, 900]), nothing, known, torch.zeros(2, 1, 30), causal=True).shape
    torch.Size([2, 8, 30])
    """

    Config = UNetConfig
    sizes: Float[Tensor, " dim"]
    """Standard deviations of the channels that the network was trained on (:mod:`.prediction`)."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        widths, levels = config.channels, range(len(config.channels))
        self.clock = ClockCodes(config.clock_dim) if config.clock_dim else None
        self.echoes = nn.ModuleList(Echoes(widths[0]) for _ in range(2 if config.clock_dim else 0))
        self.first = OmniConv(config.input_channels + LEVELS * config.clock_dim, widths[0], 5)
        self.down = nn.ModuleList(_Level(config, level, [widths[level]] * config.blocks[level]) for level in levels)
        self.coarser = nn.ModuleList(
            OmniConv(widths[level], widths[level + 1], 2 * stride, stride)
            for level, stride in enumerate(config.strides)
        )
        self.middle = _Level(config, levels[-1], [widths[-1]])
        self.up = nn.ModuleList(_Level(config, level, [2 * widths[level]] * config.blocks[level]) for level in levels)
        self.finer = nn.ModuleList(
            Upsampling(widths[level + 1], widths[level], stride) for level, stride in enumerate(config.strides)
        )
        self.last_norm, self.last = FrameNorm(widths[0]), OmniConv(widths[0], config.latent_dim, 3)
        nn.init.zeros_(self.last.weight)
        self.condition = _ConditionEncoder(config)
        self.register_buffer("sizes", torch.ones(config.latent_dim))

    def begin_at(self, other: "OmniUNet") -> None:
        """Take the weights of a network of the same sizes, but for the output layer and the sizes of channels."""
        kept = {name: value for name, value in self.state_dict().items() if name.startswith(("last.", "sizes"))}
        try:
            self.load_state_dict({**other.state_dict(), **kept})
        except RuntimeError:
            raise InputError("the network to begin at has other sizes", hint="train from the beginning") from None

    def forward(
        self,
        noisy: Float[Tensor, "batch dim frames"],
        times: Shaped[Tensor, " batch"],
        condition: DiffusionCondition,
        known: Float[Tensor, "batch dim frames"],
        mask: Float[Tensor, "batch 1 frames"],
        causal: bool = False,
    ) -> Float[Tensor, "batch dim frames"]:
        """Predict the diffusion target (noise or velocity) of noisy latents.

        Parameters
        ----------
        noisy : (batch, dim, frames)
            Latents with noise, any number of frames.
        times : (batch,)
            Diffusion time of each item, in steps of the schedule.
        condition : DiffusionCondition
            Text and joint embedding.
        known : (batch, dim, frames)
            Clean latents; only those that ``mask`` marks are read.
        mask : (batch, 1, frames)
            1 where latents are known, 0 where they are to be made.
        causal : bool, default False
            Mode: whether a frame is predicted from itself and earlier ones only.

        Returns
        -------
        (batch, dim, frames)
            The predicted target.
        """
        frames, missing = noisy.shape[2], -noisy.shape[2] % self.config.stride
        joined = functional.pad(torch.cat([noisy, known * mask, mask], dim=1), (0, missing))
        places = None
        if self.clock is not None:
            clock = condition.clock
            clock = without_beat(len(noisy), frames, noisy.device) if clock is None else clock
            clock = torch.cat([clock, without_beat(len(noisy), missing, noisy.device)], dim=2)
            joined, places = torch.cat([joined, self.clock(clock)], dim=1), SamePlaces.of(clock, causal)
        shared, context, shown = self.condition(times, condition, causal)
        hidden, skips = self.first(joined, causal), list[Tensor]()
        if places is not None:
            hidden = self.echoes[0](hidden, places)
        for level, blocks in enumerate(self.down):
            if level:
                hidden = self.coarser[level - 1](hidden, causal)
            hidden = blocks(hidden, shared, context, shown, causal, None, skips)
        hidden = self.middle(hidden, shared, context, shown, causal, None, None)
        for level in reversed(range(len(self.up))):
            hidden = self.up[level](hidden, shared, context, shown, causal, skips, None)
            if level:
                hidden = self.finer[level - 1](hidden, causal)
            if level == 1 and places is not None:
                hidden = self.echoes[1](hidden, places)
        return self.last(functional.silu(self.last_norm(hidden)), causal)[:, :, :frames]


class _Level(nn.Module):
    """Blocks of one frame rate, with attention after each where the configuration says so."""

    def __init__(self, config: UNetConfig, level: int, inputs: list[int]) -> None:
        super().__init__()
        width = config.channels[level]
        self.residuals = nn.ModuleList(
            OmniResidual(channels, width, config.shared_dim, config.dropout) for channels in inputs
        )
        heads, hidden = max(1, width // config.head_dim), config.hidden_ratio * width
        self.attention = nn.ModuleList(
            AttentionBlock(width, config.context_dim, heads, hidden, config.dropout)
            for _ in (inputs if config.attention[level] else [])
        )

    def forward(
        self,
        x: Float[Tensor, "batch channels frames"],
        shared: Float[Tensor, "batch shared"],
        context: Float[Tensor, "batch tokens context"],
        shown: Bool[Tensor, "batch tokens"],
        causal: bool,
        joined: list[Tensor] | None,
        kept: list[Tensor] | None,
    ) -> Float[Tensor, "batch channels frames"]:
        """Apply the blocks; before each the last of ``joined`` is taken in, after each its output goes to ``kept``."""
        for number, residual in enumerate(self.residuals):
            if joined is not None:
                x = torch.cat([x, joined.pop()], dim=1)
            x = residual(x, shared, causal)
            if len(self.attention):
                x = self.attention[number](x, context, shown, causal)
            if kept is not None:
                kept.append(x)
        return x


class _ConditionEncoder(nn.Module):
    """Diffusion time, mode and condition as one vector, and the condition as tokens, of which the first is learned.

    The first token is always shown, so that attention has something to attend to where no condition is.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        width, context = config.shared_dim, config.context_dim
        self.tokens = config.embedding_tokens
        self.time = nn.Sequential(nn.Linear(_TIME_DIMS, width), nn.SiLU(), nn.Linear(width, width))
        self.mode = nn.Embedding(2, width)
        self.null = nn.Parameter(torch.zeros(1, 1, context))
        self.text_norm, self.text = nn.LayerNorm(config.text_dim), nn.Linear(config.text_dim, context)
        self.text_pooled = nn.Linear(context, width)
        self.embedding = nn.Linear(config.embedding_dim, config.embedding_tokens * context)
        self.embedding_pooled = nn.Sequential(
            nn.Linear(config.embedding_dim, width), nn.SiLU(), nn.Linear(width, width)
        )
        nn.init.normal_(self.mode.weight, std=0.02)
        self._gain = math.sqrt(config.embedding_dim)

    def forward(
        self, times: Shaped[Tensor, " batch"], condition: DiffusionCondition, causal: bool
    ) -> tuple[Float[Tensor, "batch shared"], Float[Tensor, "batch tokens context"], Bool[Tensor, "batch tokens"]]:
        """The shared vector, the tokens, and which of the tokens are shown."""
        batch, dtype = len(times), self.null.dtype
        has_text, has_embedding = condition.shown.unbind(1)
        words = condition.words & has_text[:, None]
        text = self.text(self.text_norm(condition.text.to(dtype)))
        unit = condition.embedding.to(dtype) * self._gain  # elements of about one
        tokens = self.embedding(unit).unflatten(1, (self.tokens, -1))
        mode = self.mode(torch.full((batch,), int(causal), device=times.device))
        share = words.to(dtype) / words.sum(1, keepdim=True).clamp(min=1)
        shared = self.time(_sinusoids(times).to(dtype)) + mode
        shared = shared + self.text_pooled((share[:, :, None] * text).sum(1)) * has_text[:, None]
        shared = shared + self.embedding_pooled(unit) * has_embedding[:, None]
        context = torch.cat([self.null.expand(batch, -1, -1).to(text.dtype), text, tokens.to(text.dtype)], dim=1)
        always = torch.ones(batch, 1, dtype=torch.bool, device=times.device)
        shown = torch.cat([always, words, has_embedding[:, None].expand(-1, self.tokens)], dim=1)
        return functional.silu(shared), context, shown


def _sinusoids(times: Shaped[Tensor, " batch"]) -> Float[Tensor, "batch dims"]:
    """Sines and cosines of diffusion times, of periods up to ten thousand steps."""
    half = _TIME_DIMS // 2
    speeds = torch.exp(-math.log(_LONGEST_PERIOD) * torch.arange(half, device=times.device) / half)
    angles = times.float()[:, None] * speeds
    return torch.cat([angles.sin(), angles.cos()], dim=1)
