"""Fitted decoders in folders of ``config.json`` and ``model.safetensors``."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._utils.model_folder import damaged, read_fitted, write_fitted
from .._utils.object_tree import flatten, rebuild
from ..brain.layout import from_layout, layout_of
from ..embeddings.embeddings import EmbeddingSpace
from .mappings import MAPPING_PARTS
from .registry import in_form, require_decoder

if TYPE_CHECKING:
    from .estimator import Decoder

KIND = "Decoder"
FORMS = ("plain", "matched", "denoised")
_ARRAYS = ("best_alphas_", "cv_scores_", "train_mean_")


def save_decoder(decoder: "Decoder", folder: Path) -> Path:
    """Write a fitted decoder, with every form of its prediction."""
    arrays: dict[str, np.ndarray] = {name: getattr(decoder, name) for name in _ARRAYS}
    trees = {
        in_form(decoder.name, form): flatten(decoder._mapping(form), MAPPING_PARTS, arrays, f"mapping.{form}")
        for form in FORMS
    }
    config: dict[str, Any] = {
        "parameters": decoder.get_params(),
        "embedding": asdict(decoder.space_),
        "responses": [layout_of(each, arrays, f"responses.{lag}") for lag, each in enumerate(decoder._train)],
        "n_folds": decoder.n_folds_,
        "n_windows": decoder._n_windows,
        "trained_on": decoder.trained_on_,
        "preparation": decoder.preparation_,
        "mappings": trees,
    }
    return write_fitted(folder, KIND, config, arrays)


def load_decoder(decoder: "Decoder", folder: Path) -> "Decoder":
    """Give a new decoder the parameters and fitted attributes that a folder holds.

    Raises
    ------
    InputError
        There is no decoder there, or it is damaged.
    """
    config, arrays = read_fitted(folder, KIND)
    try:
        decoder.set_params(**config["parameters"])
        require_decoder(decoder.name)
        for name in _ARRAYS:
            setattr(decoder, name, arrays[name])
        decoder.space_ = EmbeddingSpace(**config["embedding"])
        layouts = enumerate(config["responses"])
        decoder._train = tuple(from_layout(each, arrays, f"responses.{lag}") for lag, each in layouts)
        decoder._mappings = {name: rebuild(tree, MAPPING_PARTS, arrays) for name, tree in config["mappings"].items()}
        if missing := {in_form(decoder.name, form) for form in FORMS} - set(decoder._mappings):
            raise ValueError(f"it has no mapping {', '.join(sorted(missing))}")
        decoder.n_folds_, decoder._n_windows = int(config["n_folds"]), int(config["n_windows"])
        decoder.n_features_in_ = decoder._train[0].n_voxels
        decoder.trained_on_ = tuple(config["trained_on"])
        decoder.preparation_ = dict(config["preparation"])
        decoder._forms, decoder._converted = {}, {}
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as problem:
        raise damaged(folder, problem) from None
    return decoder
