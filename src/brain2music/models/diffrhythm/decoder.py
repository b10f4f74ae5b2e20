"""The autoencoder of DiffRhythm: latents to stereo sound at 44.1 kHz and back.

It is published as TorchScript, which is code: it is run only where the user names its digest. A folder of diffusers'
``AutoencoderOobleck`` (Evans et al. 2024, arXiv 2407.14358), the network that it was fine-tuned from, takes its place
without that.
"""

import os
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from ..._utils.errors import InputError
from ..._utils.files import digest_file, digest_text
from ..adapters.file_kinds import file_kind
from .weights import HOP

TRUST_VARIABLE = "BRAIN2MUSIC_TRUST_TORCHSCRIPT"
CHUNK, CONTEXT = 96, 16
"""Frames that are decoded at once, and frames on either side of them that are thrown away."""


@runtime_checkable
class LatentDecoder(Protocol):
    """Latents to sound and back; ``sha256`` is the digest of its weights."""

    sha256: str

    def decode(self, latents: Float[Tensor, "latent frames"]) -> Float[Tensor, "two samples"]:
        """Sound of latents, of 2048 samples per frame."""
        ...

    def encode(
        self, sound: Float[Tensor, "two samples"]
    ) -> tuple[Float[Tensor, "latent frames"], Float[Tensor, "latent frames"]]:
        """Mean and standard deviation of the latents of a sound, whose length is a multiple of 2048."""
        ...


class ScriptedDecoder:
    """The published autoencoder, as TorchScript.

    Parameters
    ----------
    file : Path
        ``vae_model.pt``.
    device : str, default "cpu"
        Device on which it computes.
    """

    def __init__(self, file: Path, device: str = "cpu") -> None:
        if (kind := file_kind(file)) != "torchscript":
            raise InputError(f"this is {kind}, not TorchScript", file, "download it again")
        self.sha256 = digest_file(file)
        if self.sha256 not in os.environ.get(TRUST_VARIABLE, "").replace(",", " ").split():
            raise InputError(
                "this is TorchScript, which is code that runs here",
                file,
                f"if you trust where it is from, run `export {TRUST_VARIABLE}={self.sha256}`; or put a folder of "
                "diffusers' AutoencoderOobleck in its place",
            )
        try:
            self._model: Any = torch.jit.load(str(file), map_location=device).eval()
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise InputError(f"this TorchScript cannot be loaded ({reason})", file, "download it again") from None

    def decode(self, latents: Float[Tensor, "latent frames"]) -> Float[Tensor, "two samples"]:
        """Sound of latents."""
        return self._model.decode_export(latents[None])[0]

    def encode(
        self, sound: Float[Tensor, "two samples"]
    ) -> tuple[Float[Tensor, "latent frames"], Float[Tensor, "latent frames"]]:
        """Mean and standard deviation of the latents of a sound."""
        mean, scale = self._model.encode_export(sound[None])[0].chunk(2, dim=0)
        return mean, torch.nn.functional.softplus(scale) + 1e-4


class OobleckDecoder:
    """The same by diffusers, from safetensors.

    Parameters
    ----------
    folder : Path
        As ``AutoencoderOobleck.save_pretrained`` writes it.
    device : str, default "cpu"
        Device on which it computes.
    """

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        from ..adapters.diffusers_folder import load_part

        self._model = load_part("AutoencoderOobleck", folder, device)
        if self._model.hop_length != HOP:
            what = f"this autoencoder has {self._model.hop_length} samples per frame, not {HOP}"
            raise InputError(what, folder, "take that of DiffRhythm or of Stable Audio Open")
        self.sha256 = digest_text("".join(map(digest_file, sorted(folder.glob("*.safetensors")))))

    def decode(self, latents: Float[Tensor, "latent frames"]) -> Float[Tensor, "two samples"]:
        """Sound of latents."""
        return self._model.decode(latents[None]).sample[0]

    def encode(
        self, sound: Float[Tensor, "two samples"]
    ) -> tuple[Float[Tensor, "latent frames"], Float[Tensor, "latent frames"]]:
        """Mean and standard deviation of the latents of a sound."""
        found = self._model.encode(sound[None]).latent_dist
        return found.mean[0], found.std[0]


def decode_in_chunks(decoder: LatentDecoder, latents: Float[Tensor, "latent frames"]) -> Float[Tensor, "two samples"]:
    """Decode long latents in chunks with context on either side, which bounds the memory.

    Parameters
    ----------
    decoder : LatentDecoder
        The decoder.
    latents : (latent, frames)
        Latents.

    Returns
    -------
    (2, 2048 * frames)
        Sound.
    """
    frames, parts = latents.shape[1], []
    for start in range(0, frames, CHUNK):
        first, last = max(0, start - CONTEXT), min(frames, start + CHUNK + CONTEXT)
        sound = decoder.decode(latents[:, first:last])
        parts.append(sound[:, (start - first) * HOP : (min(start + CHUNK, frames) - first) * HOP])
    return torch.cat(parts, dim=1)
