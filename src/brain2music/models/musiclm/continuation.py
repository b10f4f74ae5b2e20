"""Continuation of a recording: condition, prompt, and the joining of recording and new music."""

from typing import TYPE_CHECKING

from ...audio.beats import track_beats
from ...audio.channels import mix
from ...audio.joining import join
from ...audio.sound import Reconstruction
from ...embeddings.windows import mono_at
from ..base_editor import EditRequest
from ..generator_parts.edited import read_edited
from ..generator_parts.inputs import AudioInput
from ..generator_parts.prompts import check_duration, embed_sounds, embed_texts, vector_of_edit
from ..generator_parts.windows import SECTION_S

if TYPE_CHECKING:
    from .model import MusicLM


def continue_recording(model: "MusicLM", recording: AudioInput, seconds: float, request: EditRequest) -> Reconstruction:
    """Continue a recording; see :meth:`.model.MusicLM.extend`."""
    check_duration(seconds)
    read = read_edited(recording, "continues")
    read.require_continuable()
    channels, sample_rate = read.channels, read.sample_rate
    mono = mono_at(mix(channels), sample_rate, model.sample_rate)
    end = mono[-round(SECTION_S * model.sample_rate) :]
    unit = 2 * model.codec.hop_length  # a semantic token spans two frames of the codec
    end = end[len(end) % unit :]
    if request.text is not None:
        vectors = embed_texts([request.text], model.conditioner)
    elif request.embedding is not None:
        vectors = vector_of_edit(request.embedding, model.conditioner)
    else:
        vectors = embed_sounds([(end, model.sample_rate)], model.conditioner)
    length = len(end) / model.sample_rate + seconds
    beats = track_beats(end, model.sample_rate)  # None: it goes on without a pulse, as it came
    asked = request.seed, 1, request.guidance, 0, request.progress
    made = model.waves([vectors], length, *asked, model.prompt(end), beats=beats)
    generated = next(made)
    whole = join(channels, sample_rate, generated, model.sample_rate, len(end), seconds)
    origin = {**read.origin, "item": 0, "draw": 0, "text": request.text}
    origin |= {"own_s": read.seconds, "new_gains": whole.gains}
    origin |= {"new_channels": "the same mono in each, at its level"} if len(channels) > 1 else {}
    return read.written(model.piece(whole.waveform, "continue", request.seed, request.guidance, origin))
