"""What a user may ask for, checked: how long, how often, which words, which recording."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from ...embed.embedder import Embedder, TextEmbedder
from ...embed.embeddings import Embeddings
from ...embed.registry import get_embedder
from ...embed.store import load_embeddings, read_vectors
from ...errors import InputError
from .condition import Conditioner

SHORTEST_S, LONGEST_S = 1.0, 600.0
MOST_WORDS = 200
MOST_DRAWS = 64

Sound = tuple[Float32[np.ndarray, " samples"], int]
"""A mono waveform and its rate in Hz."""


def check_length(seconds: float, draws: int = 1) -> None:
    """:class:`InputError` where so much music cannot be made."""
    if not SHORTEST_S <= seconds <= LONGEST_S:  # also refuses NaN
        raise InputError(
            f"{seconds:g} s of music cannot be made", mend=f"ask for {SHORTEST_S:g} to {LONGEST_S:g} seconds"
        )
    if not 1 <= draws <= MOST_DRAWS:
        raise InputError(f"{draws} draws cannot be made", mend=f"ask for 1 to {MOST_DRAWS}")


def embed_texts(texts: Sequence[str], conditioner: Conditioner) -> Float[Tensor, "texts dims"]:
    """Embeddings of prompts; :class:`InputError` where one is empty or too long, or the space knows no text."""
    for text in texts:
        words = len(text.split())
        if words == 0:
            raise InputError("the text is empty", mend="describe the music in a few words")
        if words > MOST_WORDS:
            raise InputError(f"the text has {words} words", mend=f"describe the music in at most {MOST_WORDS}")
    embedder = _embedder(conditioner)
    if not isinstance(embedder, TextEmbedder):
        raise InputError(f"{embedder.space.name} embeds no text", mend="give a recording or an embedding instead")
    return conditioner.check(embedder.embed_text(list(texts)), embedder.space)


def embed_sounds(sounds: Sequence[Sound], conditioner: Conditioner) -> Float[Tensor, "sounds dims"]:
    """Embeddings of recordings, each the mean over its windows."""
    embedder = _embedder(conditioner)
    rows = [embedder.embed(waveform, rate).mean(axis=0) for waveform, rate in sounds]
    return conditioner.check(np.stack(rows), embedder.space)


def read_embedding(file: Path) -> Embeddings | Float32[np.ndarray, "*items dims"]:
    """A numpy array, or embeddings with their space (Parquet); :class:`InputError` where it is neither."""
    if file.suffix != ".npy":
        return load_embeddings(file)
    return read_vectors(file)


def seeded(seed: int, number: int, device: torch.device) -> torch.Generator:
    """Randomness of the ``number``-th batch of a seed; :class:`InputError` where the seed is negative."""
    if seed < 0:
        raise InputError(f"the seed is {seed}", mend="choose 0 or more")
    state = np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0]
    return torch.Generator(device).manual_seed(int(state >> 1))


def _embedder(conditioner: Conditioner) -> Embedder:
    space = conditioner.space
    return get_embedder(space.name, space.window_s, space.step_s)
