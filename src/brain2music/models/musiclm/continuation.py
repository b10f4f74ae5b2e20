"""Continuation of a recording: condition, prompt, and the joining of recording and new music."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ..._utils.errors import Brain2MusicWarning, InputError
from ..._utils.progress import Advance
from ...audio.beats import track_beats
from ...audio.channels import mix
from ...audio.info import audio_info
from ...audio.joining import join
from ...audio.sound import Reconstruction
from ...audio.waveforms import as_channels
from ...embeddings.windows import mono_at
from ..generator_parts.inputs import AudioInput
from ..generator_parts.prompts import (
    check_duration,
    check_guidance,
    check_seed,
    embed_sounds,
    embed_texts,
    read_recording,
)
from ..generator_parts.windows import SECTION_S

if TYPE_CHECKING:
    from .model import MusicLM


def continue_recording(
    model: "MusicLM",
    recording: AudioInput,
    seconds: float,
    seed: int,
    text: str | None,
    guidance: float | None,
    progress: Advance | None,
    vectors: Float[Tensor, "1 dims"] | None = None,
) -> Reconstruction:
    """Continue a recording; see :meth:`.model.MusicLM.continuation`."""
    check_duration(seconds)
    check_guidance(guidance)
    check_seed(seed)
    (waveform, sample_rate), origin = read_recording(recording, "continues", mono=False)
    file = _file(recording)
    channels = waveform if file else as_channels(waveform, sample_rate)[0]
    mono = mono_at(mix(channels), sample_rate, model.sample_rate)
    if len(mono) < model.sample_rate:
        what = f"a recording of {len(mono) / model.sample_rate:.2f} s cannot be continued"
        raise InputError(what, file, "give 1 s or more")
    end = mono[-round(SECTION_S * model.sample_rate) :]
    unit = 2 * model.codec.hop_length  # a semantic token spans two frames of the codec
    end = end[len(end) % unit :]
    if vectors is not None and text is not None:
        raise InputError("give a text or an embedding for the continuation, not both")
    if text is not None:
        vectors = embed_texts([text], model.conditioner)
    elif vectors is None:
        vectors = embed_sounds([(end, model.sample_rate)], model.conditioner)
    length = len(end) / model.sample_rate + seconds
    beats = track_beats(end, model.sample_rate)  # None: it goes on without a pulse, as it came
    made = model.waves([vectors], length, seed, 1, guidance, 0, progress, model.prompt(end), beats=beats)
    generated = next(made)
    whole = join(channels, sample_rate, generated, model.sample_rate, len(end), seconds)
    origin |= {"item": 0, "draw": 0, "text": text, "own_s": channels.shape[1] / sample_rate, "new_gains": whole.gains}
    if (peak := float(np.abs(channels).max())) > 1.0:
        where = f"{file}: " if file else ""
        what = f"{where}the recording reaches {peak:.3g}; it is turned down as a whole, with what follows it"
        warnings.warn(what, Brain2MusicWarning, 2)
    origin |= {"new_channels": "the same mono in each, at its level"} if len(channels) > 1 else {}
    bits = audio_info(file).bits if file else 16
    return replace(model.piece(whole.waveform, "continue", seed, guidance, origin), sample_rate=sample_rate, bits=bits)


def _file(recording: AudioInput) -> Path | None:
    return None if isinstance(recording, tuple | list) else Path(recording)
