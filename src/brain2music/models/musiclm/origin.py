"""The origin of a piece: all that decides how it sounds, as written beside it."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ... import __version__
from ..mel_tokens.model import MelTokenCodec

if TYPE_CHECKING:
    from .model import MusicLM


def origin(model: "MusicLM", command: str, seed: int, guidance: float | None) -> dict[str, Any]:
    """The origin of what a model generates with a command: the model and its parts, sampling and seed."""
    sampling = {name: asdict(how) for name, how in model.sampling.items()}
    for name, how in sampling.items():
        if guidance is not None and name != "fine":
            how["guidance"] = float(guidance)
    return {
        **{"generator": "musiclm", "checkpoint": model.name, "checkpoint_sha256": model.sha256, "command": command},
        **{"version": __version__, "device": model.device.type, "seed": int(seed), "sampling": sampling},
        "codec": model.codec.name,
        "vocoder": model.codec.vocoder.name if isinstance(model.codec, MelTokenCodec) else None,
        **model.abilities.terms.origin,
    }
