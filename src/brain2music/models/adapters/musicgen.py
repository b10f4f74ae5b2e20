"""MusicGen through transformers: the text baseline, with a melody or the beginning of a piece as prompts of sound.

transformers takes no generator of random numbers, so that one piece is made at a time with the global seed set for it
and put back. Versions of transformers have ignored a condition without a word: two are compared when it is loaded.
"""

import math
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from ..._utils.errors import InputError
from ...embeddings.windows import mono_at
from .adapted import Conditioning, Draw
from .adapted_editor import AdaptedEditor, Gaps, Made
from .hub_generators import HUB_ABILITIES, MUSICGEN, MUSICGEN_MELODY
from .hub_weights import HubWeights, load_pretrained, require_transformers

GUIDANCE = 3.0
"""Of the paper."""
FRAME_RATE, _DELAYED, _LEAST_TOKENS = 50, 3, 7
"""Frames per second; tokens that the delay between codebooks takes; below so many there is no delay."""
CHROMA_FFT, CHROMA_HOP, CHROMA = 16384, 4096, 12
_CHROMA_FRAMES = 235


class MusicGen(AdaptedEditor):
    """MusicGen: music from a text, mono at 32 kHz, and recordings continued.

    Parameters
    ----------
    name : {"musicgen", "musicgen-melody"}
        Name in the registry.
    weights : HubWeights
        Where it is.
    device : str, default "cpu"
        Device on which it computes.

    Raises
    ------
    InputError
        transformers is missing, or ignores conditions; files are missing or damaged.

    References
    ----------
    Copet et al., "Simple and controllable music generation" (2023, arXiv 2306.05284).
    """

    def __init__(self, name: str, weights: HubWeights, device: str = "cpu") -> None:
        require_transformers(name)
        super().__init__(name, HUB_ABILITIES[name], None, device)
        import transformers

        self.melody = name == "musicgen-melody"
        kind = "MusicgenMelodyForConditionalGeneration" if self.melody else "MusicgenForConditionalGeneration"
        folder = weights.folder()
        self.model: Any = load_pretrained(getattr(transformers, kind), folder).to(device)
        self.tokenizer: Any = load_pretrained(transformers.AutoTokenizer, folder)
        self.checkpoint, self._weights, self.window_s = weights.repo, weights, self.abilities.longest_s
        self._refuse_deaf_versions(transformers.__version__)

    @cached_property
    def sha256(self) -> str:
        """Digest of the weights."""
        return self._weights.digest()

    def make(
        self, condition: Conditioning, seconds: float, draw: Draw, guidance: float | None
    ) -> tuple[Float32[np.ndarray, "channels samples"], dict[str, Any]]:
        """Make a piece; see :meth:`.adapted.AdaptedGenerator.make`."""
        given = self._given(condition)
        strength = GUIDANCE if guidance is None else float(guidance)
        return self._sample(given, seconds, draw, strength), {"guidance": strength, "sampler": "multinomial"}

    def remake(
        self,
        sound: Float32[np.ndarray, "channels samples"],
        gaps: Gaps,
        condition: Conditioning,
        draw: Draw,
        guidance: float | None,
    ) -> tuple[Made, dict[str, Any]]:
        """Continue a sound; see :meth:`.adapted_editor.AdaptedEditor.remake`."""
        hop = self.sample_rate // FRAME_RATE
        known = gaps[0][0] // hop * hop
        prompt = torch.from_numpy(np.ascontiguousarray(sound[:, gaps[0][0] - known : gaps[0][0]]))[None]
        given = {**self._given(condition), "input_values": prompt.to(self.device)}
        given["padding_mask"] = torch.ones_like(given["input_values"], dtype=torch.long)[:, 0]
        strength = GUIDANCE if guidance is None else float(guidance)
        seconds = (sound.shape[1] - gaps[0][0]) / self.sample_rate
        made = self._sample(given, seconds, draw, strength, known // hop)
        whole = np.concatenate([np.zeros((1, gaps[0][0] - known), np.float32), made], axis=1)
        return whole[:, : sound.shape[1]], {"guidance": strength, "sampler": "multinomial"}

    @torch.inference_mode()
    def _sample(
        self, given: dict[str, Any], seconds: float, draw: Draw, guidance: float, known: int = 0
    ) -> Float32[np.ndarray, "channels samples"]:
        """Sound of at least so many seconds after the known frames."""
        count = max(_LEAST_TOKENS, math.ceil(seconds * FRAME_RATE) + _DELAYED + 1)
        length = {"max_new_tokens": count, "min_new_tokens": count}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(draw.number)
            made = self.model.generate(**given, do_sample=True, guidance_scale=max(guidance, 1.0), **length)
        return made[0].float().cpu().numpy().reshape(1, -1)

    def _given(self, condition: Conditioning) -> dict[str, Tensor]:
        """Inputs of the model: tokens of a text, and the chroma of a melody."""
        tokens = self.tokenizer([condition.text or ""], return_tensors="pt", padding=True)
        given = {name: tokens[name].to(self.device) for name in ("input_ids", "attention_mask")}
        if condition.sound is not None:
            mono = torch.from_numpy(mono_at(*condition.sound, self.sample_rate))
            given["input_features"] = one_hot_chroma(mono, self.sample_rate)[None].to(self.device)
        return given

    @torch.inference_mode()
    def _refuse_deaf_versions(self, version: str) -> None:
        """Refuse a transformers with which two conditions give the same logits."""
        conditions = [Conditioning("text", text=text) for text in ("slow quiet piano", "fast loud drums")]
        if self.melody:
            time = np.arange(self.sample_rate * 2) / self.sample_rate
            sounds = [np.sin(2 * np.pi * pitch * time).astype(np.float32) for pitch in (311.1, 466.2)]
            conditions = [Conditioning("melody", sound=(sound, self.sample_rate)) for sound in sounds]
        logits = []
        for condition in conditions:
            found = self.model.generate(
                **self._given(condition), do_sample=False, guidance_scale=1.0, max_new_tokens=1,
                output_logits=True, return_dict_in_generate=True,
            )  # fmt: skip
            logits.append(found.logits[0])
        if torch.equal(*logits):
            what = f"{self.name} ignores its condition under transformers {version}"
            raise InputError(what, hint="take another version: pip install -U 'brain2music[hub]'")


def one_hot_chroma(mono: Float[Tensor, " samples"], sample_rate: int) -> Float[Tensor, "frames chroma"]:
    """The strongest of twelve pitch classes in every frame, as MusicGen's melody is given.

    Parameters
    ----------
    mono : (samples,)
        A sound.
    sample_rate : int
        In Hz.

    Returns
    -------
    (frames, 12)
        One-hot, repeated or cut to 235 frames.
    """
    from transformers.audio_utils import chroma_filter_bank

    bank = chroma_filter_bank(num_frequency_bins=CHROMA_FFT, num_chroma=CHROMA, sampling_rate=sample_rate, tuning=0)
    filters = torch.from_numpy(np.asarray(bank)).float()
    padded = torch.nn.functional.pad(mono.float(), (0, max(0, CHROMA_FFT - len(mono))))
    spectrum = torch.stft(padded, CHROMA_FFT, CHROMA_HOP, window=torch.hann_window(CHROMA_FFT), return_complex=True)
    chroma = (filters @ spectrum.abs().square()).T
    found = torch.nn.functional.one_hot(chroma.argmax(dim=1), CHROMA).float()
    repeats = math.ceil(_CHROMA_FRAMES / len(found))
    return found.repeat(repeats, 1)[:_CHROMA_FRAMES]


def musicgen(device: str = "cpu") -> MusicGen:
    """Load MusicGen; :class:`InputError` says what is not here."""
    return MusicGen("musicgen", MUSICGEN, device)


def musicgen_melody(device: str = "cpu") -> MusicGen:
    """Load MusicGen with melodies; :class:`InputError` says what is not here."""
    return MusicGen("musicgen-melody", MUSICGEN_MELODY, device)
