"""Fitted encoders in folders of ``config.json`` and ``model.safetensors``."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._utils.model_folder import damaged, read_fitted, write_fitted
from .._utils.object_tree import Kind, flatten, rebuild
from ..brain.layout import from_layout, layout_of
from ..embeddings.embeddings import EmbeddingSpace
from ..ridge import RidgeFit
from .alignment import Windows
from .encoder import EncoderMapping, FittedEncoder

if TYPE_CHECKING:
    from .estimator import Encoder

ENCODER = "Encoder"
ENCODER_PARTS = {
    "EncoderMapping": Kind.of(EncoderMapping),
    "RidgeFit": Kind(RidgeFit, RidgeFit.arrays, RidgeFit.from_arrays),
}
"""What a saved encoder consists of, by the names in its file."""
_OF_VOXELS = ("best_alphas_", "cv_scores_", "mean_", "ceiling_")


def save_encoder(encoder: "Encoder", folder: Path) -> Path:
    """Write a fitted encoder."""
    arrays: dict[str, np.ndarray] = {name: getattr(encoder, name) for name in _OF_VOXELS}
    config: dict[str, Any] = {
        "parameters": encoder.get_params(),
        "embedding": asdict(encoder.space_),
        "responses": layout_of(encoder._train, arrays),
        "windows": asdict(encoder._windows),
        "n_music_windows": encoder._n_music_windows,
        "n_folds": encoder.n_folds_,
        "ceiling_repeats": encoder.ceiling_repeats_,
        "trained_on": encoder.trained_on_,
        "preparation": encoder.preparation_,
        "mapping": flatten(encoder._fitted.mapping, ENCODER_PARTS, arrays, "mapping"),
    }
    return write_fitted(folder, ENCODER, config, arrays)


def load_encoder(encoder: "Encoder", folder: Path) -> "Encoder":
    """Give a new encoder the parameters and fitted attributes that a folder holds.

    Raises
    ------
    InputError
        There is no encoder there, or it is damaged.
    """
    config, arrays = read_fitted(folder, ENCODER)
    try:
        params = config["parameters"]
        encoder.set_params(**params | {"delays": tuple(params["delays"])})
        for name in _OF_VOXELS:
            setattr(encoder, name, arrays[name])
        encoder.space_ = EmbeddingSpace(**config["embedding"])
        encoder._train, encoder._music = from_layout(config["responses"], arrays), None
        encoder._windows = Windows(**config["windows"])
        encoder._n_music_windows, encoder.n_folds_ = int(config["n_music_windows"]), int(config["n_folds"])
        encoder.ceiling_repeats_ = int(config["ceiling_repeats"])
        encoder.trained_on_, encoder.preparation_ = tuple(config["trained_on"]), dict(config["preparation"])
        mapping = rebuild(config["mapping"], ENCODER_PARTS, arrays)
        if not isinstance(mapping, EncoderMapping):
            raise ValueError(f"its mapping is a {type(mapping).__name__}")
        encoder._fitted = FittedEncoder(mapping, encoder.mean_, encoder.best_alphas_, encoder.cv_scores_)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as problem:
        raise damaged(folder, problem) from None
    return encoder
