"""Training data of mel post-nets: spectrograms of music, its tokens, and sampled tokens, teacher-forced or
free-running.

A shard is one safetensors file: ``mel`` (pieces, frames, 80) in half precision, ``codes`` and ``sampled`` (pieces,
n_quantizers, frames) as int16, ground truth and sampled; or ``free`` alone, free-running samples. Its metadata names
the files and the model that they were sampled from. Shards are written atomically; existing shards are kept.
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
from ..generator_parts.prompts import embed_sounds, seeded_generator
from ..generator_parts.windows import windows
from ..mel_tokens.hifigan import hifigan_log_mel
from ..mel_tokens.model import MelTokenCodec
from .condition import Condition
from .model import MusicLM
from .sampling import Sampling, apply_guidance, sample_codes
from .stage import MusicLMStage
from .training_music import mel_token_codec

PER_SHARD = 20
GUIDANCE = (0.0, 1.0, 1.5, 2.0)
"""Guidances of the samples, at random for each piece: later guidance is not known. Higher ones lead out of music."""
_SEEN_S = 0.5  # of the ground-truth past, at least


@torch.inference_mode()
def write_examples(
    model: MusicLM, files: Sequence[Path], out: Path, seconds: float, seed: int, progress: Advance | None = None
) -> list[Path]:
    """Write shards ``OUT/<number>.safetensors`` of the first ``seconds`` of each file; existing shards are kept.

    Raises
    ------
    InputError : a shard is there that another model, other music or another seed made.
    """
    codec, guidance = mel_token_codec(model), np.random.default_rng([seed, 1]).choice(GUIDANCE, len(files))

    def examples(numbers: range) -> dict[str, np.ndarray]:
        rows = [
            _example(model, codec, files[i], seconds, float(guidance[i]), seeded_generator(seed, i, model.device))
            for i in numbers
        ]
        mel, codes, sampled = (np.stack(column) for column in zip(*rows, strict=True))
        return {"mel": mel.astype(np.float16), "codes": codes, "drawn": sampled}

    return _shards(model, files, out, seconds, seed, examples, progress)


@torch.inference_mode()
def write_free_running(
    model: MusicLM, files: Sequence[Path], out: Path, seconds: float, seed: int, progress: Advance | None = None
) -> list[Path]:
    """Write ``OUT/<number>.safetensors`` of what the model makes of each file's embedding, running free of its music.

    All pieces of a shard have the same guidance, one of those above 0 at random. Errors are those of
    :func:`write_examples`.
    """
    guidance = np.random.default_rng([seed, 2]).choice(GUIDANCE[1:], -(-len(files) // PER_SHARD))

    def samples(numbers: range) -> dict[str, np.ndarray]:
        sounds = [read_audio(files[i], model.sample_rate, duration=seconds) for i in numbers]
        condition = model.conditioner(embed_sounds(sounds, model.conditioner)).to(model.device)
        number = numbers.start // PER_SHARD
        free = model.tokens([condition], seconds, seeded_generator(seed, number, model.device), float(guidance[number]))
        return {"free": free.cpu().numpy().astype(np.int16)}

    return _shards(model, files, out, seconds, seed, samples, progress)


def _shards(
    model: MusicLM,
    files: Sequence[Path],
    out: Path,
    seconds: float,
    seed: int,
    make: Callable[[range], dict[str, np.ndarray]],
    progress: Advance | None,
) -> list[Path]:
    """Write the output of ``make`` for ranges of file numbers as shards."""
    drawn_by, shards = _stage_digest(model.stages["acoustic"]), []
    for first in range(0, len(files), PER_SHARD):
        shard = out / f"{first // PER_SHARD:04d}.safetensors"
        shards.append(shard)
        numbers = range(first, min(first + PER_SHARD, len(files)))
        metadata = {"files": [files[i].name for i in numbers], "drawn_by": drawn_by, "seconds": seconds, "seed": seed}
        if shard.is_file():
            _check_shard(shard, metadata)
        else:
            write_arrays(shard, make(numbers), metadata)
        if progress is not None:
            progress(numbers.stop, len(files))
    return shards


def _stage_digest(stage: MusicLMStage) -> str:
    """Digest of a stage's weights."""
    return digest_text("".join(digest_array(each.detach().cpu().numpy()) for each in stage.parameters()))


def _check_shard(shard: Path, metadata: dict[str, Any]) -> None:
    different = [key for key, value in read_arrays(shard)[1].items() if value != metadata.get(key)]
    if different:
        raise InputError(
            f"these examples were sampled otherwise ({', '.join(different)})",
            shard,
            "remove the folder or give another",
        )


def _example(
    model: MusicLM, codec: MelTokenCodec, file: Path, seconds: float, guidance: float, generator: torch.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Spectrogram, ground-truth codes and sampled codes of a piece, of whole tokens."""
    sound = read_audio(file, model.sample_rate, duration=seconds)
    codes = model.encode_audio(sound[0])
    codes = codes[:, : int(seconds * model.sample_rate) // codec.hop_length]
    mel = hifigan_log_mel(sound[0]).T.numpy()[: codes.shape[1] * codec.model.config.frames_per_token]
    condition = model.conditioner(embed_sounds([sound], model.conditioner)).to(model.device)
    stage = model.stages["acoustic"]
    sampling = replace(model.sampling["acoustic"], guidance=guidance)
    sampled = sample_teacher_forced(stage, condition, codes[None].to(model.device), sampling, generator)[0]
    return mel, codes.numpy().astype(np.int16), sampled.cpu().numpy().astype(np.int16)


@torch.inference_mode()
def sample_teacher_forced(
    stage: MusicLMStage,
    condition: Condition,
    codes: Int[Tensor, "1 levels frames"],
    sampling: Sampling,
    generator: torch.Generator,
) -> Int[Tensor, "1 levels frames"]:
    """Sample codes teacher-forced, given the ground-truth past, so that they stay aligned with the music.

    One quantizer after another (several of the finer ones at once), as each corrects the residual of those before.
    """
    crop, seen = stage.config.frames, round(_SEEN_S * stage.config.frame_rate)
    out = codes.clone()
    for window in windows(codes.shape[2], crop, crop - seen):
        tokens = codes[:, :, window.start : window.stop].clone()
        for quantizers in _quantizer_groups(stage.config.n_quantizers):
            tokens[:, quantizers] = _sample_quantizers(stage, condition, tokens, quantizers, sampling, generator)
        out[:, :, window.first : window.stop] = tokens[:, :, window.first - window.start :]
    return out


def _sample_quantizers(
    stage: MusicLMStage,
    condition: Condition,
    tokens: Int[Tensor, "1 levels frames"],
    quantizers: slice,
    sampling: Sampling,
    generator: torch.Generator,
) -> Int[Tensor, "1 some frames"]:
    """Sample the codes of several quantizers for all frames at once."""
    logits = stage.logits(condition.with_null(), None, tokens.repeat(2, 1, 1))[:, quantizers]
    return sample_codes(apply_guidance(logits, sampling.guidance), sampling, generator)


def _quantizer_groups(n_quantizers: int) -> list[slice]:
    """Slices of one quantizer, one, two, four, ..."""
    bounds = [0, *(2**i for i in range(n_quantizers.bit_length() + 1))]
    return [slice(a, min(b, n_quantizers)) for a, b in pairwise(bounds) if a < n_quantizers]
