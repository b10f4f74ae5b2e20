"""How responses were made from images, and sounds presented: kept with fitted models, which take new ones so made."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from .._utils.errors import InputError
from ..config import PreprocessingConfig, RunConfig, StimuliConfig
from .source import Source

AS_PRESENTED = ("fade_s", "rms")


def preparation_of(source: Source, config: RunConfig) -> dict[str, Any]:
    """Describe how the responses of a study are made, and how its sounds were presented, as JSON types."""
    stimuli = source.stimuli
    prepared: dict[str, Any] = {"study": source.name, "kind": source.kind}
    prepared["stimuli"] = {name: getattr(stimuli, name) for name in AS_PRESENTED}
    if source.kind == "bids":
        prepared["preprocessing"] = config.preprocessing.model_dump(mode="json")
        prepared["resampling"] = source.resampling
        prepared["images"] = None if source.images is None else asdict(source.images)
    return prepared


def cleaning_of(preparation: Mapping[str, Any]) -> PreprocessingConfig:
    """The settings by which images were cleaned.

    Raises
    ------
    InputError
        It is not known, as the model was fitted to arrays, or saved without it.
    """
    if "preprocessing" not in preparation:
        what = "the model does not say how responses were made from images"
        raise InputError(what, hint="give responses as an array (.npy), or save the model with its preparation")
    return RunConfig.of(preprocessing=dict(preparation["preprocessing"])).preprocessing


def presentation_of(preparation: Mapping[str, Any]) -> StimuliConfig:
    """The fades and the level with which sounds were presented; as recorded where it is not known."""
    known = preparation.get("stimuli")
    given = {"fade_s": 0.0, "rms": None} if known is None else dict(known)
    return RunConfig.of(stimuli=given).stimuli
