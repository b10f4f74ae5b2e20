"""A MusicLM as a folder: config.json, one sub-folder per stage, the conditioner; the codec is named, not copied."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..._utils.cpu import require_device
from ..._utils.errors import InputError
from ..._utils.files import digest_file, digest_text, read_json, write_json
from ...weights import find
from ..codecs import codec_digest, get_token_codec, require_codec
from ..generator_parts.pace import FILE as PACE
from ..generator_parts.pace import Pace
from ..mel_tokens.griffin_lim import INVERSE
from .condition import FILE as CONDITION
from .condition import Conditioner
from .config import STAGES, StageSet
from .post_net import FOLDER as POST_NET
from .post_net import MelPostNet
from .postfilter import FILE as POSTFILTER
from .postfilter import Postfilter
from .sampling import Sampling
from .semantic import SemanticTokenizer
from .stage import MusicLMStage
from .stage_config import StageName

if TYPE_CHECKING:
    from .model import MusicLM

CONFIG = "config.json"
VOCODER = "griffin-lim"
"""Default vocoder of models on mel tokens: nothing has to be installed."""
_KEYS = ("plan", "codec", "codec_sha256", "vocoder", "sampling")


def write_config(
    folder: Path,
    stage_set: StageSet,
    codec: str,
    codec_sha256: str,
    provenance: dict[str, Any],
    sampling: Mapping[StageName, Sampling] | None = None,
) -> None:
    """Write config.json of a MusicLM's folder: stages, sampling, codec and provenance."""
    chosen = {name: asdict(how) for name, how in (sampling or {}).items()}
    settings = {"model": "MusicLM", "plan": stage_set, "sampling": chosen}
    codec_settings = {"codec": codec, "codec_sha256": codec_sha256, "vocoder": VOCODER}
    write_json(folder / CONFIG, {**settings, **codec_settings, "provenance": provenance})


def write_parts(model: "MusicLM", folder: Path, codec: str, provenance: dict[str, Any]) -> None:
    """Write a model's folder; see :meth:`.model.MusicLM.save_pretrained`."""
    for name, stage in model.stages.items():
        stage.save_pretrained(folder / name, half=True)
    model.conditioner.save(folder)
    if model.semantic is not None:
        model.semantic.save(folder)
    if model.post_net is not None:
        model.post_net.save_pretrained(folder / POST_NET, half=True)
    if model.postfilter is not None:
        model.postfilter.save(folder)
    if model.pace is not None:
        model.pace.save(folder)
    stage_set: StageSet = "single" if "acoustic" in model.stages else "three"
    write_config(folder, stage_set, codec, codec_digest(codec), provenance, model.sampling)


def read_parts(
    name: str | Path, device: str | torch.device, codec: str | Path | None, vocoder: str | None
) -> dict[str, Any]:
    """Read the parameters of ``MusicLM`` from a folder; see :meth:`.model.MusicLM.from_pretrained`."""
    require_device(str(device))
    folder = find(name)
    settings = _read_settings(folder)
    codec = codec or settings["codec"]
    require_codec(codec, settings["codec_sha256"], folder)
    vocoder = vocoder or settings["vocoder"]
    names: tuple[StageName, ...] = STAGES[settings["plan"]]
    stages = {stage: MusicLMStage.from_pretrained(folder / stage).to(device) for stage in names}
    return {
        "stages": stages,
        "conditioner": Conditioner.load(folder),
        "semantic": None if settings["plan"] == "single" else SemanticTokenizer.load(folder),
        "codec": get_token_codec(str(codec), n_quantizers_of(stages), str(device), vocoder),
        "post_net": MelPostNet.from_pretrained(folder / POST_NET).to(device) if (folder / POST_NET).is_dir() else None,
        "postfilter": Postfilter.load(folder) if (folder / POSTFILTER).is_file() else None,
        "pace": Pace.load(folder) if (folder / PACE).is_file() else None,
        "sampling": _read_sampling(folder, settings["sampling"]),
        "name": folder.name,
        "sha256": _model_digest(folder, names, settings, vocoder),
    }


def n_quantizers_of(stages: Mapping[StageName, MusicLMStage]) -> int:
    """Number of the codec's quantizers that the stages predict."""
    return max(stage.config.first_quantizer + stage.config.n_quantizers for stage in stages.values())


def _read_settings(folder: Path) -> dict[str, Any]:
    settings = read_json(folder / CONFIG)
    if not isinstance(settings, dict) or settings.get("model") != "MusicLM":
        raise InputError("this is not a MusicLM", folder / CONFIG, "name a folder that holds one")
    missing = [key for key in _KEYS if key not in settings]
    if missing or settings["plan"] not in STAGES:
        wrong = f"lacks {', '.join(missing)}" if missing else f"names no known set of stages ({settings['plan']!r})"
        raise InputError(f"the model's description {wrong}", folder / CONFIG, "copy the folder again")
    return settings


def _read_sampling(folder: Path, settings: Any) -> dict[StageName, Sampling]:
    try:
        return {stage: Sampling(**how) for stage, how in settings.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"the model's sampling cannot be used ({error})", folder / CONFIG, "copy the folder again"
        ) from None


def _model_digest(folder: Path, names: tuple[StageName, ...], settings: dict[str, Any], vocoder: str) -> str:
    """Digest of all that decides a model's output: weights, sizes, sampling, codec and vocoder."""
    networks = [*names, *(each.name for each in folder.glob(POST_NET))]
    files = [folder / network / file for network in networks for file in ("model.safetensors", "config.json")]
    files += [folder / CONDITION, *folder.glob(POSTFILTER), *folder.glob(PACE)]
    vocoder_parts = [vocoder, codec_digest(INVERSE)] if vocoder == VOCODER else [vocoder]
    decides = [settings["sampling"], settings["codec_sha256"], *vocoder_parts]
    return digest_text("".join(map(digest_file, files)) + json.dumps(decides, sort_keys=True))
