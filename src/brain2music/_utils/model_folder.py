"""Folders of fitted models: ``config.json`` and ``model.safetensors``; the former holds the digests of both."""

import json
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from .errors import InputError
from .files import digest_file, digest_text, plain, read_arrays, read_object, write_arrays, write_json

FORMAT = 2
"""The version of the format; higher ones are of later versions of brain2music."""
CONFIG, WEIGHTS = "config.json", "model.safetensors"
_AGAIN = "save the model again, or restore the folder"
_OWN_DIGEST = "sha256"
_LIBRARIES = ("numpy", "torch", "scikit-learn")


def write_fitted(folder: Path, kind: str, config: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Path:
    """Write a fitted model: arrays first, then what they mean, so that an interruption leaves nothing that is read.

    Parameters
    ----------
    folder : folder to write, created if necessary; a model that is there is replaced.
    kind : name of the class.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError("there is a file where the folder of a model is to be written", folder, "name another folder")
    (folder / CONFIG).unlink(missing_ok=True)
    write_arrays(folder / WEIGHTS, arrays, {"model": kind})
    versions = {
        "python": ".".join(map(str, sys.version_info[:3])),
        **{each: _installed_version(each) for each in _LIBRARIES},
    }
    about = {"model": kind, "format": FORMAT, "brain2music": __version__, "versions": versions}
    whole = plain({**about, **config, "weights": {"sha256": digest_file(folder / WEIGHTS)}})
    write_json(folder / CONFIG, {**whole, _OWN_DIGEST: _digest_of(whole)})
    return folder


def read_fitted(folder: Path, kind: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read the configuration and arrays of a fitted model.

    Raises
    ------
    InputError
        There is no such folder, it holds another kind of model, one of a later format, or a damaged file.
    """
    config = read_fitted_config(folder)
    if config["model"] != kind:
        what = f"this is a saved {config['model']}, not a {kind}"
        raise InputError(what, folder, f"load it with {config['model']}.from_pretrained, or name another folder")
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise InputError("the arrays of the model are missing", weights, _AGAIN)
    if digest_file(weights) != config["weights"]["sha256"]:
        raise InputError("this file is damaged, or not that of the config.json beside it", weights, _AGAIN)
    return config, read_arrays(weights)[0]


def read_fitted_config(folder: Path) -> dict[str, Any]:
    """Read the configuration of a fitted model alone; :class:`InputError` where it is not one."""
    if not folder.is_dir():
        raise InputError("there is no such folder of a fitted model", folder, "name the folder of a saved model")
    if not (folder / CONFIG).is_file():
        inside = sorted(each.parent.name for each in folder.glob(f"*/{CONFIG}"))
        hint = f"name one of the folders in it: {', '.join(inside)}" if inside else _AGAIN
        raise InputError(f"the folder holds no model ({CONFIG} is missing)", folder, hint)
    config = read_object(folder / CONFIG)
    weights = config.get("weights")
    if not isinstance(config.get("model"), str) or not isinstance(weights, dict) or "sha256" not in weights:
        what = "this describes no decoder or encoder of brain2music"
        raise InputError(what, folder / CONFIG, "name the folder of a saved decoder or encoder")
    if not isinstance(config.get("format"), int) or config["format"] > FORMAT:
        what = f"the model is of format {config.get('format')}, which brain2music {__version__} does not read"
        raise InputError(what, folder / CONFIG, f"update brain2music to {config.get('brain2music')} or later")
    if config.pop(_OWN_DIGEST, None) != _digest_of(config):
        what = (
            "this file was changed after the model was saved, or by an early version, so that it may not be as fitted"
        )
        raise InputError(what, folder / CONFIG, _AGAIN)
    return config


def damaged(folder: Path, problem: Exception) -> InputError:
    """Make the error of a model whose parts do not fit together."""
    named = f"{type(problem).__name__}: {problem}" if not isinstance(problem, ValueError) else str(problem)
    return InputError(f"the model cannot be put together ({named})", folder / CONFIG, _AGAIN)


def _digest_of(config: Mapping[str, Any]) -> str:
    """Digest of everything that a configuration says, whatever the order and layout of its text."""
    return digest_text(json.dumps(config, sort_keys=True))


def _installed_version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None
