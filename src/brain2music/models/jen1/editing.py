"""Editing of recordings with the diffusion model: gaps filled (inpainting), and ends continued."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor

from ..._utils.errors import InputError
from ..._utils.progress import Advance, StepCounter, part_of
from ...audio.beats import track_beats
from ...audio.channels import mix
from ...audio.filling import NEAR_S, fill_gap, gains_around, meet_levels
from ...audio.io import resample
from ...audio.joining import join
from ...audio.limiter import limit
from ...audio.sound import Reconstruction
from ..generator_parts.edited import read_edited
from ..generator_parts.gaps import LEAST_KNOWN_S, check_gaps
from ..generator_parts.inputs import AudioInput
from ..generator_parts.prompts import embed_sounds
from ..mel_tokens.griffin_lim import GriffinLim
from ..mel_tokens.hifigan import HOP_LENGTH
from .condition import DiffusionCondition
from .diffusion import KnownLatents
from .latents import EncodedSound, MelLatents
from .tasks import LONGEST_GAP

if TYPE_CHECKING:
    from .model import JEN1

_MARGIN_S = 0.003  # what resampling smears around a gap


class Editing(NamedTuple):
    """How a recording is edited: a text, or a condition, or neither; and the arguments of sampling."""

    text: str | None
    condition: DiffusionCondition | None
    seed: int
    sample: int
    guidance: float | None
    steps: int | None
    progress: Advance | None


def fill_regions(
    model: "JEN1", recording: AudioInput, regions: Sequence[tuple[float, float]], asked: Editing
) -> Reconstruction:
    """Fill gaps from the first to the last, none of which is read; see :meth:`.model.JEN1.fill`."""
    read = read_edited(recording, "inpaints")
    whole, sample_rate = read.channels.copy(), read.sample_rate
    gaps = check_gaps(regions, whole.shape[1], sample_rate, read.file)
    for number, (first, last) in enumerate(gaps):
        until = gaps[number + 1][0] if number + 1 < len(gaps) else whole.shape[1]
        progress = part_of(asked.progress, number, len(gaps))
        whole[:, :until] = _fill_gap(model, whole[:, :until], slice(first, last), sample_rate, asked, progress)
    gaps_s = [[first / sample_rate, last / sample_rate] for first, last in gaps]
    origin = {**read.origin, "item": 0, "draw": asked.sample, "text": asked.text, "gap_s": gaps_s}
    return read.written(model.piece(whole, "inpaint", asked.seed, asked.guidance, asked.steps, origin))


def _fill_gap(
    model: "JEN1",
    channels: Float32[np.ndarray, "channels samples"],
    gap: slice,
    sample_rate: int,
    asked: Editing,
    progress: Advance | None,
) -> Float32[np.ndarray, "channels samples"]:
    """A recording with one gap filled from what is before and after it."""
    near = slice(*_region(gap.start, gap.stop, channels.shape[1], round(model.diffusion.window_s * sample_rate)))
    part, gap = channels[:, near].copy(), slice(gap.start - near.start, gap.stop - near.start)
    part[:, gap] = 0.0
    known = np.ones(part.shape[1], dtype=bool)
    known[gap] = False
    sound, known_samples = _at_model(model, part, known, sample_rate)
    encoded = model.latents.encode(sound, known_samples)
    condition = _condition(model, asked, _remaining(sound, known_samples))
    condition = with_beats(model, condition, sound, encoded.latents.shape[1])
    counted = StepCounter(progress, _n_windows(model, encoded))
    latents = _fill_latents(model, encoded, condition, asked, counted)
    filling = _filling(model, latents, encoded.level, part, known, gap, sample_rate)
    filling = meet_levels(part, filling, gap.start, gap.stop, sample_rate)
    whole = channels.copy()
    whole[:, near] = fill_gap(part, limit(filling, sample_rate), gap.start, gap.stop, sample_rate)
    return whole


def continue_sound(model: "JEN1", recording: AudioInput, seconds: float, asked: Editing) -> Reconstruction:
    """Continue a recording; see :meth:`.model.JEN1.extend`."""
    read = read_edited(recording, "continues")
    read.require_continuable()
    channels, sample_rate = read.channels, read.sample_rate
    context_s = model.diffusion.window_s - model.diffusion.stride_s
    tail = channels[:, -math.ceil((context_s + 1) * sample_rate) :]
    sound, _ = _at_model(model, tail, np.ones(tail.shape[1], dtype=bool), sample_rate)
    sound = sound[:, -round(context_s * model.sample_rate) :]
    sound = sound[:, sound.shape[1] % model.latents.hop_length :]
    encoded = model.latents.encode(sound)
    condition = _condition(model, asked, sound)
    frames = encoded.latents.shape[1] + math.ceil(seconds * model.frame_rate)
    condition = with_beats(model, condition, sound, frames)
    counted = StepCounter(
        asked.progress, len(model.sampler.windows(frames, model.frame_rate, encoded.latents.shape[1]))
    )
    made = model.sampler.extend(
        condition,
        frames,
        [model.generator(asked.seed, 0, asked.sample)],
        model.frame_rate,
        encoded.latents[None],
        asked.guidance,
        asked.steps,
        counted,
    )[0]
    wave = model.latents.decode(made, encoded.level)
    start = sound.shape[1]
    if len(wave) == len(channels):
        joined = [
            join(own[None], sample_rate, new, model.sample_rate, start, seconds)
            for own, new in zip(channels, wave, strict=True)
        ]
        whole, gains = np.concatenate([each.waveform for each in joined]), [each.gains[0] for each in joined]
    else:
        whole, gains = join(channels, sample_rate, wave.mean(axis=0), model.sample_rate, start, seconds)
    own = {"item": 0, "draw": asked.sample, "text": asked.text, "own_s": read.seconds, "new_gains": gains}
    origin = {**read.origin, **own}
    return read.written(model.piece(whole, "continue", asked.seed, asked.guidance, asked.steps, origin))


def _region(first: int, last: int, samples: int, window: int) -> tuple[int, int]:
    """The part of a recording that is read to fill a gap: the gap and a window on either side."""
    return max(0, first - window), min(samples, last + window)


def _at_model(
    model: "JEN1", part: Float32[np.ndarray, "channels samples"], known: Bool[np.ndarray, " samples"], sample_rate: int
) -> tuple[Float32[np.ndarray, "codec_channels resampled"], Bool[np.ndarray, " resampled"]]:
    """A recording with the channels and at the rate of the model, and which of these samples are known."""
    mixed = mix(part)[None] if model.channels == 1 or len(part) == 1 else part[: model.channels]
    sound = np.repeat(mixed, model.channels, axis=0) if len(mixed) < model.channels else mixed
    sound = resample(np.ascontiguousarray(sound), sample_rate, model.sample_rate)
    places = np.flatnonzero(~known)
    at_model = np.ones(sound.shape[1], dtype=bool)
    if len(places):
        scale, margin = model.sample_rate / sample_rate, _MARGIN_S * model.sample_rate
        at_model[max(0, int(places[0] * scale - margin)) : int((places[-1] + 1) * scale + margin) + 1] = False
    return sound, at_model


def _remaining(
    sound: Float32[np.ndarray, "channels samples"], known: Bool[np.ndarray, " samples"]
) -> Float32[np.ndarray, "channels kept"]:
    return np.ascontiguousarray(sound[:, known])


def _condition(model: "JEN1", asked: Editing, sound: Float32[np.ndarray, "channels samples"]) -> DiffusionCondition:
    """The condition that is asked for, or that of the embedding of a sound."""
    if asked.condition is not None:
        return asked.condition
    if asked.text is not None:
        return model.conditioner.of_texts([asked.text])
    mono = sound.mean(axis=0)
    return model.conditioner.of_embeddings(embed_sounds([(mono, model.sample_rate)], model.conditioner))


def with_beats(
    model: "JEN1", condition: DiffusionCondition, sound: Float32[np.ndarray, "channels samples"], frames: int
) -> DiffusionCondition:
    """The same condition with the beats of a sound, which go on through what is missing."""
    if model.metronome.frame_rate is None:
        return condition
    beats = track_beats(sound.mean(axis=0), model.sample_rate)
    return replace(condition, clock=model.metronome.follow(beats, frames, len(condition)))


def _longest(model: "JEN1") -> tuple[int, int]:
    """Frames of a window, and of the longest gap that it can hold."""
    window = round(model.diffusion.window_s * model.frame_rate)
    return window, int(LONGEST_GAP * window)


def _n_windows(model: "JEN1", encoded: EncodedSound) -> int:
    """How often the network samples to fill the gap."""
    gap = int((~encoded.known).sum())
    window, longest = _longest(model)
    if gap <= longest:
        return 1
    first = int((~encoded.known).float().argmax())
    before = min(first, window)
    return 1 + len(model.sampler.windows(before + gap - longest // 2, model.frame_rate, before))


def _fill_latents(
    model: "JEN1",
    encoded: EncodedSound,
    condition: DiffusionCondition,
    asked: Editing,
    advance: StepCounter,
) -> Float[Tensor, "dim frames"]:
    """Latents with the gap filled: at once, or where it is long its beginning as a continuation first."""
    latents, missing = encoded.latents.clone(), torch.nonzero(~encoded.known)[:, 0]
    first, last = int(missing[0]), int(missing[-1]) + 1
    window, longest = _longest(model)
    generators = [model.generator(asked.seed, 0, asked.sample)]
    guidance, steps = asked.guidance, asked.steps
    if last - first > longest:
        if first < model.frame_rate * LEAST_KNOWN_S:
            most = longest / model.frame_rate
            raise InputError(f"a gap longer than {most:.3g} s needs music before it", hint="fill a shorter one")
        before = min(first, window)
        frames = before + last - first - longest // 2
        known = latents[None, :, first - before : first]
        during = condition.during(first - before, first - before + frames)
        made = model.sampler.extend(during, frames, generators, model.frame_rate, known, guidance, steps, advance)[0]
        latents[:, first : first + frames - before] = made[:, before:]
        first += frames - before
    start = min(max(0, (first + last) // 2 - window // 2), max(0, latents.shape[1] - window))
    stop = min(start + window, latents.shape[1])
    mask = torch.ones(1, 1, stop - start)
    mask[:, :, max(0, first - start) : last - start] = 0
    around = KnownLatents(latents[None, :, start:stop], mask)
    made = model.sampler.sample(
        condition.during(start, stop), stop - start, generators, around, False, guidance, steps
    )[0]
    latents[:, start:stop] = made.cpu()
    advance()
    return latents


def _filling(
    model: "JEN1",
    latents: Float[Tensor, "dim frames"],
    level: float,
    part: Float32[np.ndarray, "channels samples"],
    known: Bool[np.ndarray, " samples"],
    gap: slice,
    sample_rate: int,
) -> Float32[np.ndarray, "channels samples"]:
    """Sound of the latents in the channels and at the rate of the recording; only the gap's surroundings matter."""
    if isinstance(model.latents, MelLatents) and isinstance(model.latents.codec.vocoder, GriffinLim):
        return _fill_by_phases(model.latents, model.latents.codec.vocoder, latents, part, gap, sample_rate)
    wave = resample(model.latents.decode(latents, level), model.sample_rate, sample_rate)
    wave = np.pad(wave, ((0, 0), (0, max(0, part.shape[1] - wave.shape[1]))))[:, : part.shape[1]]
    if len(wave) == len(part):
        gains = [gains_around(part[c : c + 1], wave[c], gap.start, gap.stop, sample_rate)[0] for c in range(len(part))]
        return (wave * np.array(gains)[:, None]).astype(np.float32)
    mono = wave.mean(axis=0)
    gains_of_channels = gains_around(part, mono, gap.start, gap.stop, sample_rate)
    return (gains_of_channels[:, None] * mono).astype(np.float32)


def _fill_by_phases(
    latents_codec: MelLatents,
    vocoder: GriffinLim,
    latents: Float[Tensor, "dim frames"],
    part: Float32[np.ndarray, "channels samples"],
    gap: slice,
    sample_rate: int,
) -> Float32[np.ndarray, "channels samples"]:
    """Vocode each channel around the gap with phases that fit its own samples on both sides."""
    mel = latents_codec.spectrogram(latents)
    rate, scale = latents_codec.sample_rate, latents_codec.sample_rate / sample_rate
    start = max(0, int((gap.start - NEAR_S * sample_rate) * scale) // HOP_LENGTH)
    stop = min(len(mel), math.ceil((gap.stop + NEAR_S * sample_rate) * scale / HOP_LENGTH))
    gains = gains_around(part, mix(part), gap.start, gap.stop, sample_rate)
    filled, of_sound = np.zeros_like(part), {}
    for number, channel in enumerate(part):
        key = channel.tobytes()
        if key not in of_sound:
            own = resample(channel, sample_rate, rate)[start * HOP_LENGTH : stop * HOP_LENGTH]
            places = np.arange(len(own)) + start * HOP_LENGTH
            margin = _MARGIN_S * rate
            is_known = (places < gap.start * scale - margin) | (places >= gap.stop * scale + margin)
            louder = mel[start:stop] + np.float32(np.log(max(gains[number], 1e-4)))
            wave = resample(vocoder.fill(louder, own, is_known), rate, sample_rate)
            whole, first = np.zeros(part.shape[1], np.float32), round(start * HOP_LENGTH / scale)
            wave = wave[: len(whole) - first]
            whole[first : first + len(wave)] = wave
            of_sound[key] = whole
        filled[number] = of_sound[key]
    return filled
