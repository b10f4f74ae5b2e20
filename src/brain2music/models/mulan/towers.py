"""The audio towers of MuLan: ResNet-50 and AST on log-mel windows, and a head on frozen features of music.

Every tower maps a batch of windows to vectors of ``width``; projection and length 1 are the model's business.
"""

import torch
from jaxtyping import Float32
from torch import Tensor, nn


class ResNet(nn.Module):
    """Bottleneck ResNet (He et al. 2016, arXiv 1512.03385) on one channel of log-mel, averaged over its map.

    ``blocks`` (3, 4, 6, 3) and ``base`` 64 are ResNet-50; the stride lies on the 3 × 3 convolution (v1.5).
    """

    def __init__(self, blocks: tuple[int, ...] = (3, 4, 6, 3), base: int = 64) -> None:
        super().__init__()
        self.stem = nn.Sequential(_conv(1, base, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        stages, channels = [], base
        for number, count in enumerate(blocks):
            inner = base * 2**number
            for place in range(count):
                stages.append(_Bottleneck(channels, inner, 2 if number and not place else 1))
                channels = 4 * inner
        self.stages = nn.Sequential(*stages)
        self.width = channels

    def forward(self, windows: Float32[Tensor, "batch frames mels"]) -> Float32[Tensor, "batch width"]:
        """The mean of the last map."""
        return self.stages(self.stem(windows[:, None])).mean(dim=(2, 3))


class _Bottleneck(nn.Module):
    def __init__(self, channels: int, inner: int, stride: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            _conv(channels, inner, 1), nn.ReLU(), _conv(inner, inner, 3, stride), nn.ReLU(), _conv(inner, 4 * inner, 1)
        )
        same = stride == 1 and channels == 4 * inner
        self.shortcut = nn.Identity() if same else _conv(channels, 4 * inner, 1, stride)

    def forward(self, maps: Tensor) -> Tensor:
        return torch.relu(self.path(maps) + self.shortcut(maps))


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


class AudioSpectrogramTransformer(nn.Module):
    """AST (Gong et al. 2021, arXiv 2104.01778): overlapping 16 × 16 patches every 10, class token, pre-norm blocks.

    ``dims`` 768, ``layers`` 12 and ``heads`` 12 are the paper's; places are learned for windows of ``frames`` by
    ``mels``. The original's second (distillation) token is left out: there is nothing to distil from.
    """

    def __init__(self, dims: int, layers: int, heads: int, mels: int, frames: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, dims, 16, 10)
        count = ((frames - 16) // 10 + 1) * ((mels - 16) // 10 + 1)
        self.first = nn.Parameter(torch.zeros(1, 1, dims))
        self.places = nn.Parameter(0.02 * torch.randn(1, count + 1, dims))
        block = nn.TransformerEncoderLayer(dims, heads, 4 * dims, dropout, "gelu", batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(block, layers, nn.LayerNorm(dims), enable_nested_tensor=False)
        self.width = dims

    def forward(self, windows: Float32[Tensor, "batch frames mels"]) -> Float32[Tensor, "batch width"]:
        """The class token after the last block."""
        patches = self.patches(windows[:, None]).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.first.expand(len(patches), -1, -1), patches], dim=1) + self.places
        return self.blocks(tokens)[:, 0]


class Standardise(nn.Module):
    """Frozen features in deviations from the mean of the training set, cut at six; by itself, the linear tower."""

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.width = width

    def fit(self, features: Float32[Tensor, "rows width"]) -> None:
        """Take mean and deviation from these features."""
        self.mean.copy_(features.mean(dim=0))
        self.scale.copy_(features.std(dim=0).clamp_min(1e-4))

    def forward(self, features: Float32[Tensor, "batch width"]) -> Float32[Tensor, "batch width"]:
        """The features, standardised."""
        return ((features - self.mean) / self.scale).clamp(-_FARTHEST, _FARTHEST)


class Head(nn.Module):
    """Residual perceptron on standardised frozen features."""

    def __init__(self, inputs: int, width: int, layers: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.standard = Standardise(inputs)
        self.into = nn.Sequential(nn.Dropout(dropout), nn.Linear(inputs, width), nn.GELU())
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width)
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.width = width

    def forward(self, features: Float32[Tensor, "batch inputs"]) -> Float32[Tensor, "batch width"]:
        """The perceptron's last layer."""
        state = self.into(self.standard(features))
        for block in self.blocks:
            state = state + block(state)
        return self.norm(state)


_FARTHEST = 6.0  # deviations
