"""What is fitted to a MusicLM's own draws: for which codecs, and with which music."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..._utils.errors import InputError
from ...audio.find import find_audio
from ...audio.io import duration_of
from ..mel_tokens.model import MelTokenCodec
from .model import MusicLM


def mel_tokens_of(model: MusicLM) -> MelTokenCodec:
    """The model's codec; :class:`InputError` where it makes no spectrograms."""
    if not isinstance(model.codec, MelTokenCodec):
        raise InputError(f"{model.codec.name} makes no spectrograms to hint", hint="take a model on mel tokens")
    return model.codec


def choose_music(folders: Sequence[Path], pieces: int, shortest_s: float, seed: int) -> list[Path]:
    """So many files of each folder, at random among those that are long enough.

    Raises
    ------
    InputError : a folder holds no music, none that is long enough, or a file that cannot be read.
    """
    rng, chosen = np.random.default_rng(seed), []
    for folder in folders:
        files = find_audio(folder)
        shuffled = (files[i] for i in rng.permutation(len(files)))
        some: list[Path] = []
        for file in shuffled:
            if duration_of(file) >= shortest_s:
                some.append(file)
            if len(some) == pieces:
                break
        if not some:
            raise InputError("this music is too short to learn from", folder, f"give pieces of {shortest_s:g} s")
        chosen += some
    return chosen
