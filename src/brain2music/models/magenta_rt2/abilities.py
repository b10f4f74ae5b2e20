"""What Magenta RealTime 2 takes and makes, known without loading it."""

from ..abilities import Abilities

ABILITIES = Abilities(
    ("embedding", "text", "sound"),
    48_000,
    2,
    shortest_s=0.04,
    step_s=0.04,
    licence="CC-BY-4.0",
    commercial=True,
    attribution="Google (Magenta RealTime 2, MusicCoCa)",
    download_mb=2660.0,
    memory_mb=2500.0,
    gpu="helps",
)
