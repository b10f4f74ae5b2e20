"""Stable Audio 3 through diffusers: music from texts, and above all recordings filled and continued.

Its inpainting makes the kept part anew, too; what is kept is put back by :mod:`.adapted_editor`. That diffusers' codec
is the one that a folder's weights were trained with is measured when it is loaded: a sound has to come back through it.
"""

import math
import warnings
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32

from ..._utils.errors import Brain2MusicWarning
from .adapted import Conditioning, Draw
from .adapted_editor import AdaptedEditor, Gaps, Made
from .diffusers_folder import PipelineFolder, load_pipeline
from .hub_generators import HUB_ABILITIES, STABLE_AUDIO_3
from .latent_diffusion import steps_of

LEAST_ROUND_TRIP = 0.7
"""Correlation of a sound with itself through the codec, below which the folder is doubted."""
_GUIDANCE = 1.0


class StableAudio3(AdaptedEditor):
    """Stable Audio 3: music from a text, and edits of recordings, in stereo at 44.1 kHz.

    Parameters
    ----------
    weights : PipelineFolder
        A folder of diffusers' ``StableAudio3Pipeline``; ``config.json`` there may have ``steps``.
    device : str, default "cpu"
        Device on which it computes.

    Raises
    ------
    InputError
        diffusers has no such pipeline, or the folder is missing or of another one.
    """

    def __init__(self, weights: PipelineFolder, device: str = "cpu") -> None:
        super().__init__("stable-audio-3", HUB_ABILITIES["stable-audio-3"], None, device)
        folder = weights.folder()
        self.pipeline = load_pipeline("StableAudio3Pipeline", folder, device)
        self.inpainting = load_pipeline("StableAudio3InpaintPipeline", folder, device, **self.pipeline.components)
        self.steps = steps_of(folder, 0) or None
        config = self.pipeline.vae.config
        frame_s = config.patch_size * math.prod(config.encoder_strides) / self.sample_rate
        self.abilities = replace(self.abilities, step_s=frame_s)
        self.window_s, self._weights = min(self.abilities.longest_s, 120.0), weights
        self.round_trip = self._measure_codec()
        if self.round_trip < LEAST_ROUND_TRIP:
            what = f"a sound comes back from the codec of {folder} with a correlation of {self.round_trip:.2f} only"
            warnings.warn(f"{what}: its weights may not be those of diffusers' network", Brain2MusicWarning, 2)

    @cached_property
    def sha256(self) -> str:
        """Digest of all files of the pipeline."""
        return self._weights.digest()

    def make(
        self, condition: Conditioning, seconds: float, draw: Draw, guidance: float | None
    ) -> tuple[Float32[np.ndarray, "channels samples"], dict[str, Any]]:
        """Make a piece; see :meth:`.adapted.AdaptedGenerator.make`."""
        strength = _GUIDANCE if guidance is None else float(guidance)
        made = self.pipeline(
            prompt=condition.text,
            duration=seconds + self._frame_s,
            num_inference_steps=self.steps,
            guidance_scale=strength,
            generator=[draw.torch()],
            output_type="pt",
        )
        return _channels(made.audios), {**self._settings, "guidance": strength}

    def remake(
        self,
        sound: Float32[np.ndarray, "channels samples"],
        gaps: Gaps,
        condition: Conditioning,
        draw: Draw,
        guidance: float | None,
    ) -> tuple[Made, dict[str, Any]]:
        """Make gaps anew; see :meth:`.adapted_editor.AdaptedEditor.remake`. There is no guidance here."""
        frame = round(self._frame_s * self.sample_rate)
        wide = [(first // frame * frame, math.ceil(last / frame) * frame) for first, last in gaps]
        made = self.inpainting(
            prompt=condition.text,
            duration=(math.ceil(sound.shape[1] / frame) + 1) * frame / self.sample_rate,
            audio=torch.from_numpy(np.ascontiguousarray(sound))[None].to(self.device),
            mask_start_seconds=[first / self.sample_rate for first, _ in wide],
            mask_end_seconds=[last / self.sample_rate for _, last in wide],
            num_inference_steps=self.steps,
            generator=[draw.torch()],
            output_type="pt",
        )
        return _channels(made.audios), self._settings

    @property
    def _frame_s(self) -> float:
        return float(self.abilities.step_s or 0.0)

    @property
    def _settings(self) -> dict[str, Any]:
        sampler = type(self.pipeline.scheduler).__name__
        return {"steps": self.steps, "sampler": sampler, "codec_round_trip": round(self.round_trip, 3)}

    @torch.inference_mode()
    def _measure_codec(self) -> float:
        """Correlation of a chord of 0.5 s with what the codec makes of it."""
        time = torch.arange(round(0.5 * self.sample_rate)) / self.sample_rate
        tone = sum(torch.sin(2 * torch.pi * pitch * time) for pitch in (220.0, 277.2, 329.6))
        sound = (0.2 * torch.as_tensor(tone)).expand(1, 2, -1).contiguous().to(self.device)
        vae = self.pipeline.vae
        found = vae.encode(sound)
        latents = found.latent_dist.mode() if hasattr(found, "latent_dist") else found.latents
        back = vae.decode(latents).sample[..., : sound.shape[-1]]
        pair = torch.stack([back.flatten()[: sound.numel()], sound[..., : back.shape[-1]].flatten()])
        return float(torch.nan_to_num(torch.corrcoef(pair.cpu().float()))[0, 1])


def stable_audio_3(device: str = "cpu") -> StableAudio3:
    """Load Stable Audio 3; :class:`InputError` says what is not here."""
    return StableAudio3(STABLE_AUDIO_3, device)


def _channels(audios: Any) -> Float32[np.ndarray, "channels samples"]:
    return np.asarray(torch.as_tensor(audios).float().cpu().numpy()[0], np.float32)
