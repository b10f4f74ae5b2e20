"""Catalogue of public generators: description, weights, abilities, and where their code is.

Each has one row. The module of a generator is imported when it is made, so a listing loads none of them; a row is
``name: PublicGenerator(description, weights, abilities, "module.under.models:function")``, whose function is called
with the device and returns a :class:`.generators.Generator`.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from .abilities import Abilities
from .adapters.hub_generators import HUB_ABILITIES, HUB_WEIGHTS
from .adapters.magenta_files import MAGENTA_RT2, MUSICCOCA
from .diffrhythm import weights as diffrhythm
from .magenta_rt2.abilities import ABILITIES as MAGENTA_ABILITIES
from .sources import CompositeWeights, Weights

if TYPE_CHECKING:
    from .generator_protocols import Generator


@dataclass(frozen=True)
class PublicGenerator:
    """Row of the catalogue of public generators.

    Attributes
    ----------
    description : str
        A few words.
    weights : Weights
        Source of the weights.
    abilities : Abilities
        What it takes and makes, known without loading it.
    maker : str
        "module:function": a module below ``brain2music.models``, and its function of the device.
    """

    description: str
    weights: Weights
    abilities: Abilities
    maker: str

    def available(self) -> bool:
        """Whether the weights are on this machine."""
        return self.weights.available()

    def make(self, device: str) -> "Generator":
        """Load the generator; :class:`InputError` says which weights or packages are not here."""
        module, _, function = self.maker.partition(":")
        made: Generator = getattr(import_module(f"brain2music.models.{module}"), function)(device)
        return made


PUBLIC_GENERATORS: dict[str, PublicGenerator] = {
    "magenta-rt2": PublicGenerator(
        "Magenta RealTime 2 (small), endless stereo music from MusicCoCa; continues recordings with an encoder",
        CompositeWeights((MUSICCOCA, MAGENTA_RT2)),
        MAGENTA_ABILITIES,
        "magenta_rt2.model:open_magenta_rt2",
    ),
}
"""Name -> row, in the order of the listing."""

PUBLIC_GENERATORS |= {
    name: PublicGenerator(words, diffrhythm.WEIGHTS[name], diffrhythm.ABILITIES[name], f"diffrhythm.published:{maker}")
    for name, words, maker in (
        ("diffrhythm", "DiffRhythm 1.2: songs of 95 s from MuQ-MuLan, without words", "base"),
        ("diffrhythm-full", "DiffRhythm 1.2: songs of 96 to 285 s from MuQ-MuLan, without words", "full"),
    )
}
PUBLIC_GENERATORS |= {
    name: PublicGenerator(words, HUB_WEIGHTS[name], HUB_ABILITIES[name], f"adapters.{maker}")
    for name, words, maker in (
        ("musicldm", "MusicLDM: music of about 10 s from its CLAP", "latent_diffusion:musicldm"),
        ("audioldm", "AudioLDM: sound of about 10 s from CLAP", "latent_diffusion:audioldm"),
        (
            "stable-audio-3",
            "Stable Audio 3: fills and continues recordings, and texts",
            "stable_audio_3:stable_audio_3",
        ),
        ("musicgen", "MusicGen: texts, and recordings continued", "musicgen:musicgen"),
        ("musicgen-melody", "MusicGen: texts or melodies", "musicgen:musicgen_melody"),
    )
}
