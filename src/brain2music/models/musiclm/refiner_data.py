"""What refiners learn from: spectrograms of music, its tokens, and tokens drawn, with the true past in sight or freely.

A shard is one safetensors file: ``mel`` (pieces, frames, 80) in half precision, ``codes`` and ``drawn`` (pieces,
levels, frames) as int16, or ``free`` alone; which files they are of, and the model that drew them, is in its metadata.
Shards are written atomically and kept when they are there.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from ..._utils.errors import InputError
from ..._utils.files import digest_array, digest_text, read_arrays, write_arrays
from ..._utils.progress import Advance
from ...audio.io import read_audio
from ..mel_tokens.hifigan import hifigan_log_mel
from ..mel_tokens.model import MelTokenCodec
from .drawn import mel_tokens_of
from .model import MusicLM
from .prompts import embed_sounds, seeded
from .sampling import Sampling, choose, guided
from .stage import Condition, Stage
from .windows import windows

PER_SHARD = 20
GUIDANCE = (0.0, 1.0, 1.5, 2.0)
"""Draws are guided so, piece by piece at random: what is asked for later is not known. More leads out of music."""
_SEEN_S = 0.5  # of the true past, at least


@torch.inference_mode()
def write_examples(
    model: MusicLM, files: Sequence[Path], out: Path, seconds: float, seed: int, progress: Advance | None = None
) -> list[Path]:
    """Write ``OUT/<number>.safetensors`` of the first so many seconds of each file; shards that are there are kept.

    Raises
    ------
    InputError : a shard is there that another model, other music or another seed made.
    """
    codec, guidance = mel_tokens_of(model), np.random.default_rng([seed, 1]).choice(GUIDANCE, len(files))

    def examples(some: range) -> dict[str, np.ndarray]:
        rows = [
            _example(model, codec, files[i], seconds, float(guidance[i]), seeded(seed, i, model.device)) for i in some
        ]
        mel, codes, drawn = (np.stack(column) for column in zip(*rows, strict=True))
        return {"mel": mel.astype(np.float16), "codes": codes, "drawn": drawn}

    return _shards(model, files, out, seconds, seed, examples, progress)


@torch.inference_mode()
def write_free_draws(
    model: MusicLM, files: Sequence[Path], out: Path, seconds: float, seed: int, progress: Advance | None = None
) -> list[Path]:
    """Write ``OUT/<number>.safetensors`` of what the model makes of each file's embedding, running free of its music.

    A shard is guided alike, by one of the guidances above 0 at random. Errors as :func:`write_examples`.
    """
    guidance = np.random.default_rng([seed, 2]).choice(GUIDANCE[1:], -(-len(files) // PER_SHARD))

    def draws(some: range) -> dict[str, np.ndarray]:
        sounds = [read_audio(files[i], model.sample_rate, duration=seconds) for i in some]
        condition = model.conditioner(embed_sounds(sounds, model.conditioner)).to(model.device)
        number = some.start // PER_SHARD
        free = model.tokens([condition], seconds, seeded(seed, number, model.device), float(guidance[number]))
        return {"free": free.cpu().numpy().astype(np.int16)}

    return _shards(model, files, out, seconds, seed, draws, progress)


def _shards(
    model: MusicLM,
    files: Sequence[Path],
    out: Path,
    seconds: float,
    seed: int,
    make: Callable[[range], dict[str, np.ndarray]],
    progress: Advance | None,
) -> list[Path]:
    """What ``make`` gives for files of these numbers, a shard for every so many."""
    drawn_by, shards = _digest(model.stages["acoustic"]), []
    for first in range(0, len(files), PER_SHARD):
        shard = out / f"{first // PER_SHARD:04d}.safetensors"
        shards.append(shard)
        some = range(first, min(first + PER_SHARD, len(files)))
        about = {"files": [files[i].name for i in some], "drawn_by": drawn_by, "seconds": seconds, "seed": seed}
        if shard.is_file():
            _check(shard, about)
        else:
            write_arrays(shard, make(some), about)
        if progress is not None:
            progress(some.stop, len(files))
    return shards


def _digest(stage: Stage) -> str:
    """Of the weights, as they are: what mends the draws does not count."""
    return digest_text("".join(digest_array(each.detach().cpu().numpy()) for each in stage.parameters()))


def _check(shard: Path, about: dict[str, Any]) -> None:
    different = [key for key, value in read_arrays(shard)[1].items() if value != about.get(key)]
    if different:
        raise InputError(
            f"these examples were drawn otherwise ({', '.join(different)})",
            shard,
            "remove the folder or give another",
        )


def _example(
    model: MusicLM, codec: MelTokenCodec, file: Path, seconds: float, guidance: float, generator: torch.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A piece's spectrogram, codes and drawn codes, of whole tokens."""
    sound = read_audio(file, model.sample_rate, duration=seconds)
    codes = model.codes_of(sound[0])
    codes = codes[:, : int(seconds * model.sample_rate) // codec.hop_length]
    mel = hifigan_log_mel(sound[0]).T.numpy()[: codes.shape[1] * codec.model.config.frames_per_token]
    condition = model.conditioner(embed_sounds([sound], model.conditioner)).to(model.device)
    stage = model.stages["acoustic"]
    sampling = replace(model.sampling["acoustic"], guidance=guidance)
    drawn = draw_beside(stage, condition, codes[None].to(model.device), sampling, generator)[0]
    return mel, codes.numpy().astype(np.int16), drawn.cpu().numpy().astype(np.int16)


@torch.inference_mode()
def draw_beside(
    stage: Stage,
    condition: Condition,
    codes: Int[Tensor, "1 levels frames"],
    sampling: Sampling,
    generator: torch.Generator,
) -> Int[Tensor, "1 levels frames"]:
    """Codes drawn where true ones stand, from what is likely after the true past: what is made keeps in step.

    Level after level (of the finer ones several at once), for a code makes up for what those above it leave.
    """
    crop, seen = stage.config.frames, round(_SEEN_S * stage.config.frame_rate)
    out = codes.clone()
    for window in windows(codes.shape[2], crop, crop - seen):
        heard = codes[:, :, window.start : window.stop].clone()
        for levels in _groups(stage.config.levels):
            heard[:, levels] = _likely(stage, condition, heard, levels, sampling, generator)
        out[:, :, window.first : window.stop] = heard[:, :, window.first - window.start :]
    return out


def _likely(
    stage: Stage,
    condition: Condition,
    heard: Int[Tensor, "1 levels frames"],
    levels: slice,
    sampling: Sampling,
    generator: torch.Generator,
) -> Int[Tensor, "1 some frames"]:
    """Codes of some levels, drawn for all frames at once."""
    logits = stage.logits(condition.beside_null(), None, heard.repeat(2, 1, 1))[:, levels]
    return choose(guided(logits, sampling.guidance), sampling, generator)


def _groups(levels: int) -> list[slice]:
    """One level, one, two, four, ..."""
    bounds = [0, *(2**i for i in range(levels.bit_length() + 1))]
    return [slice(a, min(b, levels)) for a, b in pairwise(bounds) if a < levels]
