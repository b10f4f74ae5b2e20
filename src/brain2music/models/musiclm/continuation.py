"""Continuation of a recording: condition, prompt, and the joining of recording and new music."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..._utils.errors import Brain2MusicWarning, InputError
from ...audio.beats import track_beats
from ...audio.channels import mix
from ...audio.info import audio_info
from ...audio.joining import join
from ...audio.sound import Reconstruction
from ...audio.waveforms import as_channels
from ...embeddings.windows import mono_at
from ..base_editor import EditRequest
from ..generator_parts.inputs import AudioInput
from ..generator_parts.prompts import (
    check_duration,
    embed_sounds,
    embed_texts,
    prompts_from_embeddings,
    read_recording,
)
from ..generator_parts.windows import SECTION_S

if TYPE_CHECKING:
    from .model import MusicLM


def continue_recording(
    model: "MusicLM",
    recording: AudioInput,
    seconds: float,
    request: EditRequest,
) -> Reconstruction:
    """Continue a recording; see :meth:`.model.MusicLM.extend`."""
    check_duration(seconds)
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
    if request.text is not None:
        vectors = embed_texts([request.text], model.conditioner)
    elif request.embedding is not None:
        vectors = prompts_from_embeddings(request.embedding, model.conditioner).vectors[:1]
    else:
        vectors = embed_sounds([(end, model.sample_rate)], model.conditioner)
    length = len(end) / model.sample_rate + seconds
    beats = track_beats(end, model.sample_rate)  # None: it goes on without a pulse, as it came
    asked = request.seed, 1, request.guidance, 0, request.progress
    made = model.waves([vectors], length, *asked, model.prompt(end), beats=beats)
    generated = next(made)
    whole = join(channels, sample_rate, generated, model.sample_rate, len(end), seconds)
    origin |= {
        "item": 0,
        "draw": 0,
        "text": request.text,
        "own_s": channels.shape[1] / sample_rate,
        "new_gains": whole.gains,
    }
    if (peak := float(np.abs(channels).max())) > 1.0:
        where = f"{file}: " if file else ""
        what = f"{where}the recording reaches {peak:.3g}; it is turned down as a whole, with what follows it"
        warnings.warn(what, Brain2MusicWarning, 2)
    origin |= {"new_channels": "the same mono in each, at its level"} if len(channels) > 1 else {}
    bits = audio_info(file).bits if file else 16
    piece = model.piece(whole.waveform, "continue", request.seed, request.guidance, origin)
    return replace(piece, sample_rate=sample_rate, bits=bits)


def _file(recording: AudioInput) -> Path | None:
    return None if isinstance(recording, tuple | list) else Path(recording)
