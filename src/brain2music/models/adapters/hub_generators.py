"""Public generators that run by diffusers and transformers: where their weights are, and what they make."""

from dataclasses import replace

from ..abilities import Abilities
from ..sources import CompositeWeights, Weights
from .diffusers_folder import PipelineFolder
from .hub_weights import HubWeights

MUSICLDM = PipelineFolder("clap-musicldm", "ucsd-reach/musicldm", licence="CC-BY-NC-SA-4.0", model="musicldm")
"""In the folder of its CLAP, which is a part of it: one download serves the embedding and the generator."""
AUDIOLDM = PipelineFolder("audioldm", "cvssp/audioldm-s-full-v2", licence="CC-BY-NC-SA-4.0")
CLAP_UNFUSED = HubWeights("clap-unfused", "laion/clap-htsat-unfused")
"""The CLAP whose text side AudioLDM has; the audio side is in this repository alone."""
STABLE_AUDIO_3 = PipelineFolder("stable-audio-3", "", licence="Stability AI Community License; Gemma terms")
MUSICGEN = HubWeights("musicgen", "facebook/musicgen-small")
MUSICGEN_MELODY = HubWeights("musicgen-melody", "facebook/musicgen-melody")

HUB_WEIGHTS: dict[str, Weights] = {
    "musicldm": MUSICLDM,
    "audioldm": CompositeWeights((AUDIOLDM, CLAP_UNFUSED)),
    "stable-audio-3": STABLE_AUDIO_3,
    "musicgen": MUSICGEN,
    "musicgen-melody": MUSICGEN_MELODY,
}
_LDM = Abilities(
    ("embedding", "text", "sound"),
    16_000,
    longest_s=30.0,
    licence="CC-BY-NC-SA-4.0",
    commercial=False,
    attribution="MusicLDM (Chen et al. 2023)",
    gpu="helps",
)
_MUSICGEN = Abilities(
    ("text",),
    32_000,
    edits=("continue",),
    longest_s=30.0,
    step_s=0.02,
    licence="CC-BY-NC-4.0",
    commercial=False,
    attribution="MusicGen (Copet et al. 2023, Meta)",
    gpu="helps",
)
HUB_ABILITIES: dict[str, Abilities] = {
    "musicldm": _LDM,
    "audioldm": replace(_LDM, attribution="AudioLDM (Liu et al. 2023)"),
    "stable-audio-3": Abilities(
        ("text",),
        44_100,
        2,
        edits=("fill", "continue"),
        longest_s=380.0,
        step_s=4096 / 44_100,
        licence="Stability AI Community License; Gemma terms",
        commercial=False,
        attribution="Powered by Stability AI",
        memory_mb=2400.0,
        gpu="helps",
    ),
    "musicgen": _MUSICGEN,
    "musicgen-melody": replace(_MUSICGEN, conditions=("text", "melody"), edits=()),
}
