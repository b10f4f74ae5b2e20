"""DiffRhythm 1.2 as a generator: music from a MuQ-MuLan vector, without words, and recordings filled and continued.

The flow is followed in 31 Euler steps from noise of our own, so that a seed gives the same piece whatever else is made.
The guided velocity is ``v + g (v - v_null)``, whose ``v_null`` has no known latents and a style to keep away from: the
published one is of a voice (``vocal.npy``), and where that file is not here, none.
"""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor
from torch.nn import functional

from ..._utils.errors import InputError
from ..._utils.files import digest_file, digest_text, read_object
from ...embeddings.embeddings import EmbeddingSpace
from ..abilities import Abilities
from ..adapters.adapted import Conditioning, Draw
from ..adapters.adapted_editor import AdaptedEditor, Gaps, Made
from ..adapters.file_kinds import read_checkpoint
from ..adapters.muq import load_tensors
from ..embedding_input import EmbeddingInput
from ..generator_parts.prompts import embed_texts
from .decoder import CONTEXT, LatentDecoder, decode_in_chunks
from .transformer import CONDITION, DiffusionTransformer, TransformerSizes
from .weights import HOP, NEGATIVE, SAMPLE_RATE

GUIDANCE, STEPS = 4.0, 31
"""Of the published script."""
_LEVEL = 10 ** (-6 / 20)
"""Peak of recordings that are edited, as in the published script."""
_VERSION = "1"


class DiffRhythm(AdaptedEditor):
    """DiffRhythm 1.2: flow matching from a MuQ-MuLan vector to songs in stereo at 44.1 kHz, here without lyrics.

    Parameters
    ----------
    name : str
        Name in the registry.
    abilities : Abilities
        Of the registry; durations are those of the checkpoint.
    checkpoint : Path
        ``cfm_model.pt``; beside it ``vocal.npy`` is the style to keep away from, and ``config.json`` may have
        ``max_frames``, the longest piece in frames of latents, and ``steps`` of the flow.
    decoder : LatentDecoder
        Latents to sound.
    space : EmbeddingSpace
        Space of MuQ-MuLan.
    device : str, default "cpu"
        Device on which it computes.

    Raises
    ------
    InputError
        A file is missing, damaged, or of another model.

    References
    ----------
    Ning et al., "DiffRhythm: blazingly fast and embarrassingly simple end-to-end full-length song generation with
    latent diffusion" (2025, arXiv 2503.01183).

    Examples
    --------
    >>> from brain2music.models.diffrhythm import DiffRhythm
    >>> from brain2music.models import Editor
    >>> issubclass(DiffRhythm, Editor)  # it generates, fills and continues
    True
    """

    def __init__(
        self,
        name: str,
        abilities: Abilities,
        checkpoint: Path,
        decoder: LatentDecoder,
        space: EmbeddingSpace,
        device: str = "cpu",
    ) -> None:
        if space.dims != CONDITION:
            raise InputError(f"the style of {name} has {CONDITION} dimensions, and {space.name} {space.dims}")
        super().__init__(name, abilities, space, device)
        self.network = _read_network(checkpoint).to(device)
        self.decoder, self.checkpoint = decoder, checkpoint.parent.name
        beside = checkpoint.with_name("config.json")
        config = read_object(beside) if beside.is_file() else {}
        self.max_frames = int(config.get("max_frames", 6144 if self.network.sizes.timed else 2048))
        self.steps = int(config.get("steps", STEPS))
        self.window_s = self.max_frames * HOP / SAMPLE_RATE
        negative = checkpoint.with_name(NEGATIVE)
        self.negative = _read_style(negative) if negative.is_file() else None
        digests = [
            digest_file(checkpoint),
            decoder.sha256,
            space.sha256,
            str(self.max_frames),
            str(self.steps),
            _VERSION,
        ]
        self._sha256 = digest_text(" ".join([*digests, digest_file(negative) if negative.is_file() else "none"]))

    @property
    def sha256(self) -> str:
        """Digest of the network, the decoder, the embedding and the style to keep away from."""
        return self._sha256

    def make(
        self, condition: Conditioning, seconds: float, draw: Draw, guidance: float | None
    ) -> tuple[Float32[np.ndarray, "channels samples"], dict[str, Any]]:
        """Make a piece; see :meth:`.adapted.AdaptedGenerator.make`."""
        frames = self._frames(seconds)
        known = torch.zeros(self.network.sizes.latent, frames, device=self.device)
        latents = self.latents(condition, known, torch.zeros(frames, dtype=torch.bool), draw, guidance)
        wanted = min(frames, math.ceil(seconds * SAMPLE_RATE / HOP) + CONTEXT)
        with torch.inference_mode():
            sound = decode_in_chunks(self.decoder, latents[:, :wanted]).cpu().numpy()
        peak = max(float(np.abs(sound[:, : round(seconds * SAMPLE_RATE)]).max(initial=0.0)), 1e-9)
        return sound / np.float32(peak), {**self._settings(guidance), "made_s": frames * HOP / SAMPLE_RATE}

    def remake(
        self,
        sound: Float32[np.ndarray, "channels samples"],
        gaps: Gaps,
        condition: Conditioning,
        draw: Draw,
        guidance: float | None,
    ) -> tuple[Made, dict[str, Any]]:
        """Make gaps anew in latents; see :meth:`.adapted_editor.AdaptedEditor.remake`."""
        count = min(self.max_frames, math.ceil(sound.shape[1] / HOP))
        frames = self._frames(sound.shape[1] / SAMPLE_RATE)
        peak = max(float(np.abs(sound).max(initial=0.0)), 1e-9)
        whole = np.pad(sound, ((0, 0), (0, max(0, count * HOP - sound.shape[1]))))[:, : count * HOP]
        padded = np.ascontiguousarray(whole * np.float32(_LEVEL / peak), np.float32)
        generator = draw.torch()
        with torch.inference_mode():
            mean, deviation = self.decoder.encode(torch.from_numpy(padded).to(self.device))
        noise = torch.randn(mean.shape, generator=generator).to(self.device)
        known = torch.zeros(frames, dtype=torch.bool)
        known[:count] = True
        for first, last in gaps:
            known[first // HOP : math.ceil(last / HOP)] = False
        given = functional.pad(mean + deviation * noise, (0, frames - count))
        latents = self.latents(condition, given, known, draw, guidance)
        with torch.inference_mode():
            made = decode_in_chunks(self.decoder, latents[:, : min(frames, count + CONTEXT)]).cpu().numpy()
        return made[:, : sound.shape[1]] * np.float32(peak / _LEVEL), self._settings(guidance)

    @torch.inference_mode()
    def latents(
        self,
        condition: Conditioning,
        given: Float[Tensor, "latent frames"],
        known: Bool[Tensor, " frames"],
        draw: Draw,
        guidance: float | None = None,
    ) -> Float[Tensor, "latent frames"]:
        """Latents of a piece.

        Parameters
        ----------
        condition : Conditioning
            An embedding, a text or an embedded sound.
        given : (latent, frames)
            Latents of a recording.
        known : (frames,) of bool
            Which of them are kept.
        draw : Draw
            Source of the noise.
        guidance : float, optional
            0 follows the style without guidance; default 4.

        Returns
        -------
        (latent, frames)
            Latents, as given where they are known.
        """
        guidance = GUIDANCE if guidance is None else guidance
        frames, channels = given.shape[1], given.shape[0]
        kept = known.to(self.device)[:, None]
        context = torch.where(kept, given.T, 0.0)
        negative = torch.zeros(CONDITION) if self.negative is None else self.negative
        rows = [(context, self._style(condition)), (torch.zeros_like(context), negative)][: 2 if guidance > 0 else 1]
        contexts = torch.stack([each for each, _ in rows])
        styles = torch.stack([each for _, each in rows]).to(self.device)
        lyrics = torch.zeros(len(rows), frames, dtype=torch.long, device=self.device)
        duration = torch.full((len(rows),), frames / self.max_frames, device=self.device)
        x = torch.randn(frames, channels, generator=draw.torch()).to(self.device)
        times = torch.linspace(0, 1, self.steps + 1, device=self.device)
        for time, following in pairwise(times):
            moment = time.expand(len(rows))
            found = self.network(x.expand(len(rows), -1, -1), contexts, lyrics, styles, moment, duration)
            velocity = found[0] if len(rows) == 1 else found[0] + guidance * (found[0] - found[1])
            x = x + (following - time) * velocity
        return torch.where(kept, given.T, x).T

    def _style(self, condition: Conditioning) -> Float[Tensor, " style"]:
        """The style of length 1."""
        assert self.space is not None
        if condition.text is not None:
            return functional.normalize(embed_texts([condition.text], EmbeddingInput(self.space))[0], dim=0)
        return functional.normalize(torch.as_tensor(condition.vector, dtype=torch.float32), dim=0)

    def _frames(self, seconds: float) -> int:
        """Frames that are computed: all of a model of one length, else what is asked for and at least a third."""
        if not self.network.sizes.timed:
            return self.max_frames
        return min(self.max_frames, max(math.ceil(seconds * SAMPLE_RATE / HOP), self.max_frames // 3 + 1))

    def _settings(self, guidance: float | None) -> dict[str, Any]:
        away = "of a voice" if self.negative is not None else f"none ({NEGATIVE} is not here)"
        strength = GUIDANCE if guidance is None else float(guidance)
        return {"sampler": "euler", "steps": self.steps, "guidance": strength, "negative_style": away, "lyrics": ""}


def _read_network(checkpoint: Path) -> DiffusionTransformer:
    """The network of a checkpoint, whose tensors have to be all of it."""
    again = "download it again: `brain2music models pull diffrhythm`"
    state = read_checkpoint(checkpoint, again)
    prefix = "model_state_dict.transformer."
    within = prefix if any(name.startswith(prefix) for name in state) else "transformer."
    plain = {name.removeprefix(within): value for name, value in state.items() if name.startswith(within)}
    try:
        network = DiffusionTransformer(TransformerSizes.of(plain))
    except (KeyError, ValueError) as error:
        raise InputError(f"this is no checkpoint of DiffRhythm ({error})", checkpoint, again) from None
    load_tensors(network, plain, checkpoint)
    return network.eval()


def _read_style(file: Path) -> Float[Tensor, " style"]:
    try:
        vector = np.load(file, allow_pickle=False).astype(np.float32).ravel()
    except (OSError, ValueError) as error:
        raise InputError(f"this is no array ({error})", file, "download it again, or delete it") from None
    if vector.shape != (CONDITION,) or not np.isfinite(vector).all():
        raise InputError(f"this is no style of {CONDITION} numbers", file, "download it again, or delete it")
    return torch.from_numpy(vector)
