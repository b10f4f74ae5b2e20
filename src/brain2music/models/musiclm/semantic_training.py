"""``train semantic``: k-means of a music model's features, learned from sound in one pass."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..._utils.errors import InputError
from ..._utils.progress import Advance
from ...audio.find import find_audio
from ...audio.io import read_audio
from .config import SEMANTIC_FRAME_RATE
from .semantic import FrameFeatures, MusicnnFrames, SemanticTokenizer, StreamingKMeans, codebook_use, pool_to_tokens

FIRST_S = 2400.0
"""Seconds of sound in the first batch, which gives scales and first centres: about 60 frames per code."""


def fit_semantic(
    batches: Iterable[Float[Tensor, "frames dims"]], model: FrameFeatures, codebook_size: int = 1024, seed: int = 0
) -> tuple[SemanticTokenizer, dict[str, Any]]:
    """Learn the clusters from features at ``model.hz``; and how much they saw, and how the codebook is used.

    Raises
    ------
    InputError : there are fewer frames than codes.
    """
    learner = StreamingKMeans(codebook_size, seed)
    waiting: list[Tensor] = []
    held, frames, needed = 0, 0, round(FIRST_S * SEMANTIC_FRAME_RATE * codebook_size / 1024)
    for batch in batches:
        waiting.append(pool_to_tokens(batch, model.hz))
        held, frames = held + len(waiting[-1]), frames + len(waiting[-1])
        if held >= needed:
            learner.add(torch.cat(waiting))
            waiting, held, needed = [], 0, 12 * codebook_size
    if frames < codebook_size:
        raise InputError(
            f"{frames / SEMANTIC_FRAME_RATE:.0f} s of sound are too little for {codebook_size} tokens", hint="give more"
        )
    if waiting:
        learner.add(torch.cat(waiting))
    tokenizer = SemanticTokenizer(learner.clusters, {"name": model.name, "sha256": model.sha256})
    report = {"seconds": frames / SEMANTIC_FRAME_RATE, "codes": codebook_size, "dims": model.dims}
    return tokenizer, report | codebook_use(learner.counts)


def train_semantic(
    data: Path,
    out: Path,
    codebook_size: int = 1024,
    seconds: float = 30.0,
    seed: int = 0,
    progress: Advance | None = None,
) -> dict[str, Any]:
    """Fit semantic tokens on the first ``seconds`` of every sound file of a folder, and write them to ``out``."""
    files, model = find_audio(data), MusicnnFrames()

    def batches() -> Iterator[Tensor]:
        for done, number in enumerate(np.random.default_rng(seed).permutation(len(files)), start=1):
            yield model.frames(*read_audio(files[number], duration=seconds))
            if progress is not None:
                progress(done, len(files))

    tokenizer, report = fit_semantic(batches(), model, codebook_size, seed)
    tokenizer.save(out, report)
    return report
