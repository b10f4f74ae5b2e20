"""Fitting of a modulation postfilter to a trained MusicLM's samples."""

from collections.abc import Sequence
from pathlib import Path

import torch

from ..._utils.errors import InputError
from ..._utils.progress import Advance
from ...audio.io import read_audio
from ..generator_parts.prompts import embed_sounds, seeded_generator
from ..mel_tokens.hifigan import hifigan_log_mel
from .model import BATCH, MusicLM
from .postfilter import Postfilter
from .training_music import choose_music, mel_token_codec

_SHORTEST_S = 6.0


@torch.inference_mode()
def fit_postfilter(
    model: MusicLM,
    music: Sequence[Path],
    pieces: int = 32,
    seconds: float = 15.0,
    seed: int = 0,
    progress: Advance | None = None,
) -> Postfilter:
    """Fit a postfilter: generate music from the embeddings of music, and compare the modulations of both.

    The loss of the codec is compensated too.

    Parameters
    ----------
    music : folders of sound files. pieces : chosen at random from each folder. seconds : of each, from its start.

    Raises
    ------
    InputError : the codec is not of mel tokens, or a folder holds no music, short or unreadable music.
    """
    codec = mel_token_codec(model)
    if seconds < _SHORTEST_S:
        raise InputError(f"{seconds:g} s show no slow modulations", hint=f"give {_SHORTEST_S:g} s of each or more")
    chosen = choose_music(music, pieces, _SHORTEST_S, seed)
    sampled, real = [], []
    for number, first in enumerate(range(0, len(chosen), BATCH)):
        sounds = [read_audio(file, model.sample_rate, duration=seconds) for file in chosen[first : first + BATCH]]
        condition = model.conditioner(embed_sounds(sounds, model.conditioner)).to(model.device)
        codes = model.tokens([condition], seconds, seeded_generator(seed, number, model.device))
        sampled += [model.apply_post_net(codec.spectrogram(model.as_codes(each))) for each in codes]
        real += [hifigan_log_mel(sound).T.numpy() for sound, _ in sounds]
        if progress is not None:
            progress(len(sampled), len(chosen))
    return Postfilter.fit(sampled, real)
