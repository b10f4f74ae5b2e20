"""A JEN-1 as a folder: settings, network, whitening and model card; the codec is named, not copied."""

import json
import math
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError

from ..._utils.cpu import require_device
from ..._utils.errors import InputError
from ..._utils.files import digest_file, digest_text, read_json, write_json
from ...embeddings.embeddings import EmbeddingSpace
from ...weights import find
from ..autoencoder.whitening import LatentWhitening
from ..codecs import codec_digest, require_codec
from ..generator_parts.pace import FILE as PACE
from ..generator_parts.pace import Pace
from ..mel_tokens.griffin_lim import INVERSE
from .calibration import FILE as CALIBRATION
from .calibration import Calibration
from .diffusion import DiffusionConfig
from .latents import WHITENING, AutoencoderLatents, LatentCodec, open_latents
from .unet import OmniUNet

KIND = "JEN1"
NETWORK = "unet"
_CONFIG = "config.json"
_VOCODER = "griffin-lim"
_ABOUT = ("codec", "codec_sha256", "frame_rate", "space", "text")
_Settings = TypeVar("_Settings", DiffusionConfig, EmbeddingSpace)
_KEYS = (*_ABOUT, "diffusion", "parts")


class JEN1Parts(NamedTuple):
    """What a folder holds: see :class:`~brain2music.models.jen1.model.JEN1`."""

    network: OmniUNet
    diffusion: DiffusionConfig
    latents: LatentCodec
    space: EmbeddingSpace
    text_encoder: str | None
    name: str
    sha256: str
    pace: Pace | None
    calibration: Calibration | None


def write_model(
    folder: Path,
    network: OmniUNet,
    whitening: LatentWhitening,
    diffusion: DiffusionConfig,
    about: dict[str, Any],
    provenance: dict[str, Any],
    usual_level: float = 1.0,
    pace: Pace | None = None,
    calibration: Calibration | None = None,
) -> Path:
    """Write a model's folder, weights in half precision.

    Parameters
    ----------
    folder : Path
        Where to.
    network : OmniUNet
        Trained.
    whitening : LatentWhitening
        Of the latents.
    diffusion : DiffusionConfig
        Target and defaults of sampling.
    about : dict
        Of the latents: codec, digest, frame rate, space and text encoder (:class:`.latent_shards.LatentData`).
    provenance : dict
        What it was trained on, as JSON types.
    usual_level : float, default 1
        Level of latents that are divided by it.
    pace : Pace, optional
        Predictor of tempi, for a network with a beat clock.
    calibration : Calibration, optional
        Correction of what the network estimates.

    Returns
    -------
    Path
        The folder.
    """
    network.save_pretrained(folder / NETWORK, half=True)
    whitening.save(folder / WHITENING)
    parts = {PACE: pace, CALIBRATION: calibration}
    held = {file: part for file, part in parts.items() if part is not None}
    for part in held.values():
        part.save(folder)
    settings = {name: about[name] for name in _ABOUT if name in about}
    write_json(
        folder / _CONFIG,
        {
            "model": KIND,
            **settings,
            "diffusion": asdict(diffusion),
            "vocoder": _VOCODER,
            "usual_level": usual_level,
            "parts": sorted(held),
            "provenance": provenance,
        },
    )
    return folder


def read_model(
    name: str | Path, device: str = "cpu", codec: str | Path | None = None, vocoder: str | None = None
) -> JEN1Parts:
    """Read a model by its shipped name or from a folder.

    Parameters
    ----------
    name : str or Path
        The model.
    device : str, default "cpu"
        Of the network.
    codec : str or Path, optional
        Folder of its codec, where that does not ship.
    vocoder : str, optional
        Of mel spectrograms, in place of the model's own.

    Returns
    -------
    JEN1Parts
        Its parts.

    Raises
    ------
    InputError
        There is no such model, it is incomplete, or its codec is not the one that it was trained with.
    """
    require_device(device)
    folder = find(name)
    settings = _read_jen1_settings(folder)
    codec = codec or settings["codec"]
    require_codec(codec, settings["codec_sha256"], folder)
    held = settings["parts"]
    for file in (WHITENING, *(part for part in (PACE, CALIBRATION) if part in held)):
        if not (folder / file).is_file():
            raise InputError("a part of the model is missing", folder / file, "copy the folder again")
    diffusion = _read_as(DiffusionConfig, settings["diffusion"], "settings of diffusion", folder)
    space = _read_as(EmbeddingSpace, settings["space"], "embedding space", folder)
    vocoder = vocoder or settings.get("vocoder", _VOCODER)
    whitening = LatentWhitening.load(folder / WHITENING)
    latents = open_latents(codec, whitening, vocoder, diffusion.size_power)
    if isinstance(latents, AutoencoderLatents):
        latents.usual_level = float(settings.get("usual_level", 1.0))
    network = OmniUNet.from_pretrained(folder / NETWORK)
    if network.config.latent_dim != whitening.channels or network.config.embedding_dim != space.dims:
        raise InputError("the network and the settings are of different models", folder, "copy the folder again")
    text = _read_text_encoder(settings, folder)
    sha256 = _digest(folder, settings, vocoder)
    pace = Pace.load(folder) if PACE in held else None
    calibration = Calibration.load(folder) if CALIBRATION in held else None
    return JEN1Parts(network.to(device), diffusion, latents, space, text, folder.name, sha256, pace, calibration)


def _read_jen1_settings(folder: Path) -> dict[str, Any]:
    settings = read_json(folder / _CONFIG)
    if not isinstance(settings, dict) or settings.get("model") != KIND:
        raise InputError("this is not a JEN-1", folder / _CONFIG, "name a folder that holds one")
    if missing := [key for key in _KEYS if key not in settings]:
        raise InputError(f"the model's settings lack {', '.join(missing)}", folder / _CONFIG, "copy the folder again")
    if not isinstance(settings["parts"], list):
        raise InputError("the model's parts are no list", folder / _CONFIG, "copy the folder again")
    return settings


def _read_as(kind: type[_Settings], values: Any, what: str, folder: Path) -> _Settings:
    """A dataclass of settings, with all that it needs and nothing else, of the right types and finite."""
    try:
        if unknown := sorted(set(dict(values)) - {each.name for each in fields(kind)}):
            raise ValueError(f"unknown: {', '.join(unknown)}")
        read = TypeAdapter(kind).validate_python(values)
        for name, value in asdict(read).items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{name} is {value}")
        return read
    except (TypeError, ValueError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else None
        why = str(error) if first is None else f"{'.'.join(map(str, first['loc']))}: {first['msg'].lower()}"
        hint = "use the version that wrote it"
        raise InputError(f"the model's {what} cannot be used ({why})", folder / _CONFIG, hint) from None


def _read_text_encoder(settings: dict[str, Any], folder: Path) -> str | None:
    text = settings["text"]
    if text is None:
        return None
    if not isinstance(text, dict) or not isinstance(text.get("name"), str):
        raise InputError("the model's text encoder has no name", folder / _CONFIG, "copy the folder again")
    return str(text["name"])


def _digest(folder: Path, settings: dict[str, Any], vocoder: str) -> str:
    """Digest of all that decides a model's output: weights, sizes, whitening, sampling, codec and vocoder."""
    files = [folder / NETWORK / "model.safetensors", folder / NETWORK / "config.json", folder / WHITENING]
    files += [folder / part for part in (PACE, CALIBRATION) if part in settings["parts"]]
    decides = [settings["diffusion"], settings["codec_sha256"], vocoder]
    if vocoder == _VOCODER:
        decides.append(codec_digest(INVERSE))
    return digest_text("".join(map(digest_file, files)) + json.dumps(decides, sort_keys=True))
