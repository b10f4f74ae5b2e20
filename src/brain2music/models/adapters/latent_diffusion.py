"""MusicLDM and AudioLDM through diffusers, driven by a CLAP vector in place of a text.

Both take ``prompt_embeds`` of length 1 from the CLAP that they were trained with, and the vector of the empty text to
keep away from. Noise is drawn for one piece at a time, so that a seed gives it whatever else is made.
"""

import warnings
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from ..._utils.errors import InputError
from ..._utils.files import read_object
from ...embeddings.embeddings import EmbeddingSpace
from ..abilities import Abilities
from .adapted import AdaptedGenerator, Conditioning, Draw
from .clap import ClapEmbedder, clap_space, pooled_output
from .diffusers_folder import PipelineFolder, load_pipeline
from .hub_generators import AUDIOLDM, CLAP_UNFUSED, HUB_ABILITIES, MUSICLDM
from .hub_weights import HubWeights

STEPS = 200
"""Of both papers."""
GUIDANCE = {"MusicLDMPipeline": 2.0, "AudioLDMPipeline": 2.5}
_SPARE_S = 0.1
_LONGEST_TEXT = 77


class LatentDiffusion(AdaptedGenerator):
    """MusicLDM or AudioLDM: latent diffusion of mel spectrograms from a CLAP vector, mono at 16 kHz.

    Parameters
    ----------
    name : str
        Name in the registry.
    abilities : Abilities
        What it takes and makes.
    kind : {"MusicLDMPipeline", "AudioLDMPipeline"}
        Its class in diffusers.
    weights : PipelineFolder
        Where it is; ``config.json`` there may have ``steps``, those of the sampler.
    space : EmbeddingSpace
        Space of its CLAP.
    device : str, default "cpu"
        Device on which it computes.

    Raises
    ------
    InputError
        Packages or files are missing or damaged, or of another model.

    References
    ----------
    Chen et al., "MusicLDM: enhancing novelty in text-to-music generation using beat-synchronous mixup strategies"
    (2023, arXiv 2308.01546). Liu et al., "AudioLDM: text-to-audio generation with latent diffusion models" (2023,
    arXiv 2301.12503).
    """

    def __init__(
        self,
        name: str,
        abilities: Abilities,
        kind: str,
        weights: PipelineFolder,
        space: EmbeddingSpace,
        device: str = "cpu",
    ) -> None:
        super().__init__(name, abilities, space, device)
        folder = weights.folder()
        self.pipeline = load_pipeline(kind, folder, device)
        self.steps, self.kind = steps_of(folder, STEPS), kind
        self.checkpoint, self._weights = weights.repo, weights

    @cached_property
    def sha256(self) -> str:
        """Digest of all files of the pipeline."""
        return self._weights.digest()

    def make(
        self, condition: Conditioning, seconds: float, draw: Draw, guidance: float | None
    ) -> tuple[Float32[np.ndarray, "channels samples"], dict[str, Any]]:
        """Make a piece; see :meth:`.adapted.AdaptedGenerator.make`."""
        strength = GUIDANCE[self.kind] if guidance is None else float(guidance)
        vector = self.embed_text(condition.text) if condition.text is not None else torch.as_tensor(condition.vector)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = self.pipeline(
                prompt_embeds=_unit(vector)[None].to(self.device),
                negative_prompt_embeds=self._null[None].to(self.device),
                audio_length_in_s=seconds + _SPARE_S,
                num_inference_steps=self.steps,
                guidance_scale=strength,
                generator=draw.torch(),
                output_type="np",
            )
        wave = np.asarray(made.audios, np.float32).reshape(1, -1)
        return wave, {"steps": self.steps, "guidance": strength, "sampler": type(self.pipeline.scheduler).__name__}

    @torch.inference_mode()
    def embed_text(self, text: str) -> Tensor:
        """Embed a text by the model's own CLAP: (dims,) of length 1."""
        tokens = self.pipeline.tokenizer(
            text, truncation=True, max_length=_LONGEST_TEXT, padding="max_length", return_tensors="pt"
        ).to(self.device)
        given = {name: tokens[name] for name in ("input_ids", "attention_mask")}
        encoder = self.pipeline.text_encoder
        if hasattr(encoder, "get_text_features"):
            return _unit(pooled_output(encoder.get_text_features(**given))[0].float().cpu())
        return _unit(encoder(**given).text_embeds[0].float().cpu())

    @cached_property
    def _null(self) -> Tensor:
        """What is kept away from: the empty text."""
        return self.embed_text("")


def musicldm(device: str = "cpu") -> LatentDiffusion:
    """Load MusicLDM; :class:`InputError` says what is not here."""
    MUSICLDM.folder()
    clap = HubWeights(MUSICLDM.name, MUSICLDM.repo, part="text_encoder", beside=("tokenizer", "feature_extractor"))
    space = clap_space("clap-musicldm", clap, extractor="feature_extractor")
    return LatentDiffusion("musicldm", HUB_ABILITIES["musicldm"], "MusicLDMPipeline", MUSICLDM, space, device)


def audioldm(device: str = "cpu") -> LatentDiffusion:
    """Load AudioLDM, whose text side has to be that of the CLAP that embeds sound.

    Raises
    ------
    InputError
        Something is not here, or the two embed a text otherwise.
    """
    AUDIOLDM.folder()
    space = clap_space("clap-unfused", CLAP_UNFUSED)
    made = LatentDiffusion("audioldm", HUB_ABILITIES["audioldm"], "AudioLDMPipeline", AUDIOLDM, space, device)
    words = "slow piano music"
    own, other = made.embed_text(words).numpy(), ClapEmbedder("clap-unfused", CLAP_UNFUSED).embed_text(words)[0]
    if own.shape != other.shape or (likeness := float(own @ other)) < 0.999:
        told = "of other dimensions" if own.shape != other.shape else f"with a cosine of {likeness:.3f}"
        what = f"the text side of audioldm is not that of {CLAP_UNFUSED.repo}: a text is embedded {told}"
        raise InputError(what, AUDIOLDM.folder(), "take the AudioLDM that was trained with that CLAP")
    return made


def steps_of(folder: Path, default: int) -> int:
    """Steps of the sampler that ``config.json`` beside ``model_index.json`` asks for, if any."""
    file = folder / "config.json"
    return int(read_object(file).get("steps", default)) if file.is_file() else default


def _unit(vector: Tensor) -> Tensor:
    return torch.nn.functional.normalize(vector.float(), dim=-1)
