"""A recording, and music that goes on from it: what it is conditioned on, what it is given, how the two are joined."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..._utils.errors import Brain2MusicWarning, InputError
from ..._utils.progress import Advance
from ...audio.arrays import as_channels
from ...audio.channels import mix
from ...audio.headers import shape_of
from ...audio.joining import join
from ...audio.sound import Reconstruction
from ...embeddings.windows import mono_at
from .prompts import (
    Recording,
    check_guidance,
    check_length,
    check_seed,
    embed_sounds,
    embed_texts,
    read_recording,
)
from .windows import SECTION_S

if TYPE_CHECKING:
    from .model import MusicLM


def continued(
    model: "MusicLM",
    recording: Recording,
    seconds: float,
    seed: int,
    text: str | None,
    guidance: float | None,
    progress: Advance | None,
) -> Reconstruction:
    """See :meth:`.model.MusicLM.continuation`."""
    check_length(seconds)
    check_guidance(guidance)
    check_seed(seed)
    (waveform, sample_rate), origin = read_recording(recording, "continues", mono=False)
    file = _file(recording)
    own = waveform if file else as_channels(waveform, sample_rate)[0]
    heard = mono_at(mix(own), sample_rate, model.sample_rate)
    if len(heard) < model.sample_rate:
        what = f"a recording of {len(heard) / model.sample_rate:.2f} s cannot be continued"
        raise InputError(what, file, "give 1 s or more")
    end = heard[-round(SECTION_S * model.sample_rate) :]
    unit = 2 * model.codec.hop_length  # a semantic token spans two frames of the codec
    end = end[len(end) % unit :]
    if text is not None:
        vectors = embed_texts([text], model.conditioner)
    else:
        vectors = embed_sounds([(end, model.sample_rate)], model.conditioner)
    length = len(end) / model.sample_rate + seconds
    made = next(model.waves([vectors], length, seed, 1, guidance, 0, progress, model.prompt(end)))
    whole = join(own, sample_rate, made, model.sample_rate, len(end), seconds)
    origin |= {"item": 0, "draw": 0, "text": text, "own_s": own.shape[1] / sample_rate, "new_gains": whole.gains}
    if (peak := float(np.abs(own).max())) > 1.0:
        where = f"{file}: " if file else ""
        what = f"{where}the recording reaches {peak:.3g}; it is turned down as a whole, with what follows it"
        warnings.warn(what, Brain2MusicWarning, 2)
    origin |= {"new_channels": "the same mono in each, at its level"} if len(own) > 1 else {}
    bits = shape_of(file).bits if file else 16
    return replace(model.piece(whole.waveform, "continue", seed, guidance, origin), sample_rate=sample_rate, bits=bits)


def _file(recording: Recording) -> Path | None:
    return None if isinstance(recording, tuple | list) else Path(recording)
