"""Random crops of training pieces: the tokens that a stage predicts, those upstream, and the condition."""

import math

import numpy as np
import torch
from torch import Tensor

from ..generator_parts.clock import CLOCK
from .condition import Condition, Conditioner
from .stage_config import StageConfig
from .token_shards import TokenData

Crops = dict[str, Tensor]
"""Upstream tokens, codes, and tokens and vectors of the condition, by name; crops first."""


def random_crops(
    data: TokenData,
    conditioner: Conditioner,
    config: StageConfig,
    pieces: np.ndarray,
    count: int,
    rng: np.random.Generator,
) -> Crops:
    """Tokens and conditions of random crops of pieces, given by number, for a stage."""
    rows: list[tuple[Tensor, ...]] = []
    for piece in (data.piece(int(i)) for i in rng.choice(pieces, count)):
        seconds = piece["codes"].shape[1] / data.frame_rate
        grid = data.step_s if config.condition and config.crop_s >= data.window_s else 2 / config.frame_rate
        start = grid * int(rng.integers(math.floor((seconds - config.crop_s) / grid + 1e-6) + 1))
        vector = data.embedding(piece["windows"], start, config.crop_s)
        rows.append((*_stage_tokens(piece, start, config, data.frame_rate), vector))
    upstream, codes, vectors = (torch.stack(column) for column in zip(*rows, strict=True))
    condition = conditioner(vectors)
    return {
        "upstream": upstream.long(),
        "codes": codes.long(),
        "tokens": condition.tokens,
        "vector": condition.vector,
    }


def _stage_tokens(
    piece: dict[str, Tensor], start: float, config: StageConfig, frame_rate: float
) -> tuple[Tensor, Tensor]:
    """Upstream tokens and predicted tokens of a stage, of a crop of a piece that starts at ``start`` seconds."""
    first, semantic = round(start * frame_rate), slice(round(start * 25), round((start + config.crop_s) * 25))
    codes = piece["codes"][:, first : first + round(config.crop_s * frame_rate)]
    nothing = codes[:0]
    if config.name == "semantic":
        return nothing, piece["semantic"][None, semantic]
    if config.name == "coarse":
        return piece["semantic"][None, semantic], codes[: config.n_quantizers]
    if config.name == "acoustic":
        return (piece["clock"][:, first : first + codes.shape[1]] if config.upstream == CLOCK else nothing), codes
    return codes[: config.first_quantizer], codes[config.first_quantizer :]


def arguments_of(crops: Crops, shown: Tensor) -> tuple[Condition, Tensor | None, Tensor]:
    """The arguments of a stage for crops, of whose conditions ``shown`` is shown."""
    upstream = crops["upstream"] if crops["upstream"].shape[1] else None
    return Condition(crops["tokens"], crops["vector"], shown), upstream, crops["codes"]


def random_shown(count: int, condition_dropout: tuple[float, float, float], device: torch.device) -> Tensor:
    """Random choice of whether tokens and vector are shown, (count, 2)."""
    none, tokens, vector = condition_dropout
    draw = torch.rand(count, device=device)
    only_tokens = (draw >= none) & (draw < none + tokens)
    only_vector = (draw >= none + tokens) & (draw < none + tokens + vector)
    both = draw >= none + tokens + vector
    return torch.stack([only_tokens | both, only_vector | both], dim=1)
