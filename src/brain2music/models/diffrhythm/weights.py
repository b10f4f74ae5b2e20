"""DiffRhythm as published: where its parts are, and what it makes."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...weights import local_folder
from ..abilities import Abilities
from ..adapters.hub_weights import HubWeights
from ..adapters.named_files import NamedFiles
from ..catalogue import EMBEDDINGS
from ..sources import CompositeWeights

if TYPE_CHECKING:
    from .decoder import LatentDecoder

HOP = 2048
"""Samples per frame of latents."""
SAMPLE_RATE = 44_100
CHECKPOINT, NEGATIVE = "cfm_model.pt", "vocal.npy"


@dataclass(frozen=True)
class DecoderFiles(NamedFiles):
    """The published TorchScript, or a folder of diffusers' autoencoder in its place."""

    def oobleck(self) -> Path | None:
        """The folder of diffusers' autoencoder, where there is one."""
        folder = local_folder(self.name)
        return folder if folder is not None and (folder / "config.json").is_file() else None

    def available(self) -> bool:
        """Whether either is on this machine."""
        return self.oobleck() is not None or super().available()

    def load(self, device: str) -> "LatentDecoder":
        """Load it.

        Raises
        ------
        InputError
            It is not here, not what its name says, or TorchScript whose digest is not trusted.
        """
        from .decoder import OobleckDecoder, ScriptedDecoder

        if (folder := self.oobleck()) is not None:
            return OobleckDecoder(folder, device)
        return ScriptedDecoder(self.path(self.files[0]), device)


NETWORKS = {
    name: NamedFiles(
        name, repo, (CHECKPOINT,), optional=(NEGATIVE, "config.json"), megabytes=2220.0, licence="Apache-2.0"
    )
    for name, repo in (
        ("diffrhythm", "ASLP-lab/DiffRhythm-1_2"),
        ("diffrhythm-full", "ASLP-lab/DiffRhythm-1_2-full"),
    )
}
DECODER = DecoderFiles(
    "diffrhythm-vae", "ASLP-lab/DiffRhythm-vae", ("vae_model.pt",), licence="Stability AI Community License"
)
_EMBEDDER = EMBEDDINGS["muq-mulan"].weights
assert isinstance(_EMBEDDER, HubWeights)
EMBEDDER: HubWeights = _EMBEDDER
WEIGHTS: dict[str, CompositeWeights] = {
    name: CompositeWeights((network, DECODER, EMBEDDER)) for name, network in NETWORKS.items()
}
"""Network, decoder and embedder, by name."""
_BASE = Abilities(
    ("embedding", "text", "sound"),
    SAMPLE_RATE,
    2,
    edits=("fill", "continue"),
    fixed_s=2048 * HOP / SAMPLE_RATE,
    step_s=HOP / SAMPLE_RATE,
    licence="CC-BY-NC-4.0 (MuQ-MuLan); Stability AI Community License (decoder); Apache-2.0 (network)",
    commercial=False,
    attribution="DiffRhythm (ASLP-lab), MuQ-MuLan (OpenMuQ)",
    download_mb=5020.0,
    memory_mb=9000.0,
    gpu="helps",
)
ABILITIES: dict[str, Abilities] = {
    "diffrhythm": _BASE,
    "diffrhythm-full": replace(_BASE, fixed_s=None, longest_s=6144 * HOP / SAMPLE_RATE),
}
"""What they make. The full model computes 96 s or more, from which shorter pieces are cut."""
