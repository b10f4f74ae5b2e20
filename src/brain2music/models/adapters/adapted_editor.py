"""What adapters share that edit recordings: gaps are filled and ends continued, and what is kept is put back.

Models give back the whole piece anew, the kept part too. Here only what is new is taken of it, at the level of what is
around it, so that the rest of the recording keeps its samples, its channels and its sample rate.
"""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from ..._utils.errors import InputError
from ..._utils.progress import StepCounter
from ...audio.channels import mix
from ...audio.filling import fill_gap, gains_around
from ...audio.io import resample
from ...audio.joining import join
from ...audio.limiter import limit
from ...audio.sound import Reconstruction, scale_peak
from ..base_editor import BaseEditor, EditRequest
from ..embedding_input import EmbeddingInput
from ..generator_parts.edited import EditedRecording, read_edited
from ..generator_parts.gaps import LEAST_KNOWN_S, check_gaps
from ..generator_parts.inputs import MAX_DURATION_S, AudioInput
from ..generator_parts.prompts import embed_sounds
from .adapted import AdaptedGenerator, Conditioning, Draw

Sound = Float32[np.ndarray, "channels samples"]
Made = Float[np.ndarray, "made_channels made_samples"]
Gaps = list[tuple[int, int]]
"""First sample of each gap, and first after it."""


class AdaptedEditor(AdaptedGenerator, BaseEditor):
    """Generator with public weights that also edits recordings.

    The attribute ``window_s`` is the longest sound that it looks at, in seconds, what is new included, and
    ``context_s`` the longest that it reads of a recording that is continued.
    """

    window_s: float
    context_s: float = math.inf

    @abstractmethod
    def remake(
        self, sound: Sound, gaps: Gaps, condition: Conditioning, draw: Draw, guidance: float | None
    ) -> tuple[Made, dict[str, Any]]:
        """Make the gaps of a sound anew.

        Parameters
        ----------
        sound : (channels, samples)
            With the channels and at the rate of the model, at most ``window_s`` long, silent in the gaps.
        gaps : list of (int, int)
            First sample of each gap, and first after it.
        condition : Conditioning
            What they are to be like.
        draw, guidance
            As for :meth:`.adapted.AdaptedGenerator.make`.

        Returns
        -------
        (channels, samples)
            At least as long as ``sound``; only what is in the gaps and around them is used.
        dict
            Further lines of the origin.
        """

    def _fill(
        self, sound: AudioInput, regions: Sequence[tuple[float, float]], request: EditRequest
    ) -> list[Reconstruction]:
        read = read_edited(sound, "inpaints")
        recording, rate = read.channels, read.sample_rate
        gaps = check_gaps(regions, recording.shape[1], rate, read.file)
        self._require_frames(gaps, rate)
        emptied = recording.copy()
        for first, last in gaps:
            emptied[:, first:last] = 0.0
        condition = self._condition(emptied, gaps, rate, request)
        parts, made = self._parts(gaps, recording.shape[1], rate), []
        counted = StepCounter(request.progress, request.n_samples * len(parts))
        for sample in range(request.n_samples):
            draw, whole, more = Draw(request.seed, 0, sample), recording, dict[str, Any]()
            for near, own in parts:
                new, more = self._remade(emptied[:, near], own, rate, condition, draw, request.guidance)
                counted()
                filled = _filled(whole[:, near], new, own, rate)
                whole = np.concatenate([whole[:, : near.start], filled, whole[:, near.stop :]], axis=1)
            more = {**read.origin, **more, "gap_s": [[first / rate, last / rate] for first, last in gaps]}
            made.append(self._edited(whole, read, draw, "inpaint", request.guidance, condition, more))
        return made

    def _extend(self, sound: AudioInput, seconds: float, request: EditRequest) -> Reconstruction:
        read = read_edited(sound, "continues")
        recording, rate = read.channels, read.sample_rate
        longest = min(self.window_s - LEAST_KNOWN_S, MAX_DURATION_S)
        if not 0 < seconds <= longest:
            what = f"{self.name} cannot continue a recording by {seconds:g} s"
            raise InputError(what, hint=f"ask for at most {longest:g} seconds")
        read.require_continuable()
        known_s = min(self.window_s - seconds, self.context_s, recording.shape[1] / rate)
        tail = recording[:, -math.floor(known_s * rate + 1e-6) :]
        condition = self._condition(tail, [], rate, request)
        draw, known, length = Draw(request.seed, 0, 0), tail.shape[1], tail.shape[1] + round(seconds * rate)
        silent = np.pad(tail, ((0, 0), (0, length - known)))
        new, more = self._remade(silent, [(known, length)], rate, condition, draw, request.guidance)
        StepCounter(request.progress, 1)()
        sides = new if len(new) == len(recording) else np.repeat(new.mean(axis=0)[None], len(recording), axis=0)
        joined = [join(own[None], rate, side, rate, known, seconds) for own, side in zip(recording, sides, strict=True)]
        whole = np.concatenate([each.waveform for each in joined])
        more = {**read.origin, **more, "own_s": read.seconds, "new_gains": [each.gains[0] for each in joined]}
        return self._edited(whole, read, draw, "continue", request.guidance, condition, more)

    def _require_frames(self, gaps: Gaps, rate: int) -> None:
        """Refuse a gap inside one frame of latents, which would change nothing."""
        for first, last in gaps:
            if self.abilities.step_s is not None and (last - first) / rate < self.abilities.step_s:
                what = f"a gap of {(last - first) / rate:.3f} s lies inside a frame of {self.name}"
                raise InputError(what, hint=f"fill {self.abilities.step_s:.3f} s or more")

    def _parts(self, gaps: Gaps, samples: int, rate: int) -> list[tuple[slice, Gaps]]:
        """The parts of a recording that are made anew, with their gaps: all at once, or each gap of a long one."""
        window = math.floor(self.window_s * rate)
        if samples <= window:
            return [(slice(0, samples), gaps)]
        parts = []
        for first, last in gaps:
            if last - first > window - LEAST_KNOWN_S * rate:
                most = self.window_s - LEAST_KNOWN_S
                raise InputError(
                    f"{self.name} cannot fill {(last - first) / rate:g} s", hint=f"fill at most {most:g} s"
                )
            start = min(max(0, (first + last - window) // 2), samples - window)
            inside = [(max(a, start) - start, min(b, start + window) - start) for a, b in gaps]
            parts.append((slice(start, start + window), [(a, b) for a, b in inside if b > a]))
        return parts

    def _remade(
        self, part: Sound, gaps: Gaps, rate: int, condition: Conditioning, draw: Draw, guidance: float | None
    ) -> tuple[Made, dict[str, Any]]:
        """A part of a recording as the model makes it anew, at the recording's rate."""
        sound = mix(part)[None] if self.channels == 1 or len(part) == 1 else part[: self.channels]
        sound = np.repeat(sound, self.channels, axis=0) if len(sound) < self.channels else sound
        sound = resample(np.ascontiguousarray(sound), rate, self.sample_rate)
        scale = self.sample_rate / rate
        own = [(math.floor(first * scale), min(math.ceil(last * scale), sound.shape[1])) for first, last in gaps]
        for first, last in own:
            sound[:, first:last] = 0.0
        new, more = self.remake(sound, own, condition, draw, guidance)
        new = resample(np.ascontiguousarray(new, np.float32), self.sample_rate, rate)
        return np.pad(new, ((0, 0), (0, max(0, part.shape[1] - new.shape[1]))))[:, : part.shape[1]], more

    def _condition(self, rest: Sound, gaps: Gaps, rate: int, request: EditRequest) -> Conditioning:
        """What is asked for; default the embedding of what is kept, or no words where the model takes no embedding."""
        if request.embedding is not None or request.text is not None:
            kind = self.abilities.check_condition(self.name, request.embedding, request.text)
            found = self.conditions(kind, request.embedding, request.text)
            if len(found) != 1:
                raise InputError(f"{len(found)} prompts for one recording", hint="give one")
            return found[0]
        if self.space is None:
            return Conditioning("text", text="", origin={})
        kept = np.ones(rest.shape[1], dtype=bool)
        for first, last in gaps:
            kept[first:last] = False
        vectors = embed_sounds([(np.ascontiguousarray(mix(rest)[kept]), rate)], EmbeddingInput(self.space))
        return Conditioning("sound", vector=vectors.numpy()[0], origin={"like": "what is kept"})

    def _edited(
        self,
        whole: Sound,
        read: EditedRecording,
        draw: Draw,
        command: str,
        guidance: float | None,
        condition: Conditioning,
        more: dict[str, Any],
    ) -> Reconstruction:
        """The edited recording with its origin, scaled as a whole only where the recording itself passes 1."""
        waveform, gain = scale_peak(whole)
        moment = np.zeros((self.channels, 1), np.float32)
        piece = self.piece(moment, 1 / self.sample_rate, draw, command, guidance, condition, more)
        return read.written(replace(piece, waveform=waveform, source={**piece.source, "gain": gain}))


def _filled(recording: Sound, new: Made, gaps: Gaps, rate: int) -> Sound:
    """The recording with what is new in its gaps, at the level of each channel around them."""
    whole = recording
    sides = new if len(new) == len(recording) else np.repeat(new.mean(axis=0)[None], len(recording), axis=0)
    for first, last in gaps:
        gains = [
            gains_around(whole[channel : channel + 1], sides[channel], first, last, rate)[0]
            for channel in range(len(whole))
        ]
        louder = np.asarray(gains, np.float32)[:, None] * sides
        whole = fill_gap(whole, limit(louder, rate), first, last, rate)
    return whole
