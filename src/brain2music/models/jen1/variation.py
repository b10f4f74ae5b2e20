"""Variations of a sound: its latents with noise, from which the diffusion goes on."""

import numpy as np
import torch
from jaxtyping import Float

from ..._utils.errors import InputError
from ...audio.sound import Reconstruction
from ...embeddings.windows import mono_at
from ..generator_parts.inputs import Waveform
from .diffusion import StartingLatents
from .editing import with_beats
from .model import JEN1


def vary_sound(
    model: JEN1,
    sound: Waveform,
    vector: Float[torch.Tensor, " dims"],
    strength: float,
    seed: int = 0,
    item: int = 0,
    sample: int = 0,
    guidance: float | None = None,
    steps: int | None = None,
) -> Reconstruction:
    """Make a variation of a sound: noise is added to its latents, and taken away again towards an embedding.

    Parameters
    ----------
    model : JEN1
        The model.
    sound : tuple
        Waveform and sample rate; as long as a window of the model at most.
    vector : (dims,)
        Embedding in the model's space.
    strength : float
        Share of the diffusion: near 0 the sound itself through the codec, 1 new music.
    seed, item, sample : int
        What the noise depends on.
    guidance, steps : optional
        As for :meth:`JEN1.generate`.

    Returns
    -------
    Reconstruction
        Of the same duration.

    Raises
    ------
    InputError
        The sound is longer than a window.
    """
    wave = mono_at(*sound, model.sample_rate)
    seconds = len(wave) / model.sample_rate
    if seconds > model.diffusion.window_s + 1.0 / model.frame_rate:
        what = f"a variation of {seconds:.3g} s is longer than a window of {model.diffusion.window_s:g} s"
        raise InputError(what, hint="vary a part of it")
    whole = np.repeat(wave[None], model.channels, axis=0)
    encoded = model.latents.encode(whole)
    frames = encoded.latents.shape[1]
    latents = model.sampler.sample(
        with_beats(model, model.conditioner.of_embeddings(vector[None]), whole, frames),
        frames,
        [model.generator(seed, item, sample)],
        guidance=guidance,
        steps=steps,
        start=StartingLatents(encoded.latents[None], strength),
    )[0]
    return model.piece(model.sound(latents, seconds, encoded.level), "vary", seed, guidance, steps, {})
