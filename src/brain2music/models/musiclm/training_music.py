"""Music for training on a MusicLM's samples, and the codec that is needed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..._utils.errors import InputError
from ...audio.find import find_audio
from ...audio.io import duration_of
from ..mel_tokens.model import MelTokenCodec
from .model import MusicLM


def mel_token_codec(model: MusicLM) -> MelTokenCodec:
    """The model's codec of mel tokens; :class:`InputError` where its codec is another."""
    if not isinstance(model.codec, MelTokenCodec):
        raise InputError(f"{model.codec.name} makes no spectrograms to correct", hint="take a model on mel tokens")
    return model.codec


def choose_music(folders: Sequence[Path], pieces: int, shortest_s: float, seed: int) -> list[Path]:
    """Choose ``pieces`` files of each folder at random among those that are long enough.

    Raises
    ------
    InputError : a folder holds no music, none that is long enough, or a file that cannot be read.
    """
    rng, chosen = np.random.default_rng(seed), []
    for folder in folders:
        files = find_audio(folder)
        shuffled = (files[i] for i in rng.permutation(len(files)))
        of_folder: list[Path] = []
        for file in shuffled:
            if duration_of(file) >= shortest_s:
                of_folder.append(file)
            if len(of_folder) == pieces:
                break
        if not of_folder:
            raise InputError("this music is too short to learn from", folder, f"give pieces of {shortest_s:g} s")
        chosen += of_folder
    return chosen
