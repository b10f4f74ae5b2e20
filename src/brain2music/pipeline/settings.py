"""Settings that each step of a run may see: a step is run again when one of them changes, and not otherwise.

The name of a section stands for all its settings, ``section.name`` for one. A setting that no step sees is only
described, is part of the digests of inputs, or decides whether a step runs at all; there are no others.
"""

from typing import Any, Literal

from ..brain.source import Source
from ..config import RunConfig

StageName = Literal["measure", "decode", "retrieve", "generate", "encode", "save", "between_subjects"]

DESCRIBED = {"stimuli.track_index", "evaluation.allow_leaks", "preprocessing.cleaning"}
"""Only ``study.json`` names these, and is written every time; how clips are divided is a digest, and what a way of
cleaning stands for are other settings."""
READ = (
    *("events.train_task", "events.test_task", "events.column", "events.values"),
    *("events.stimulus", "events.stimulus_table", "events.piece", "events.marker_s"),
    *("events.clip_s", "events.clip_step_s", "events.block_s", "events.gap_s", "events.resampling"),
)
"""How tables of events are read, and pieces cut."""
DIGESTED = (
    {*READ}
    | {"embeddings", "window_s", "evaluation.further_embeddings"}
    | {
        *("stimuli.fade_s", "stimuli.rms", "stimuli.captions", "preprocessing.raw_images", "preprocessing.bids_filter"),
    }
)
"""Part of the inputs' digests: of embeddings and their spaces, presented sounds, captions and presentations."""
OF_IMAGES = {"preprocessing", *READ}
"""What is read from images and tables of events, which studies of arrays do not have."""
OF_PRESENTATION = ("stimuli.fade_s", "stimuli.rms")
"""How clips were presented, which an arrays file says itself."""
DECIDING = {"encoding.enabled", "evaluation.between_subject", "models.save_models"}
"""Whether a step runs at all."""

_CONFOUNDS = {"strategy", "confounds", "motion", "wm_csf", "global_signal", "compcor", "n_compcor"}
_SCRUBBING = {"scrub", "fd_threshold", "std_dvars_threshold", "least_kept"}
_RESPONSES = {"events.lag_s", "events.lag_tr", "preprocessing.detrend"} | {
    f"preprocessing.{name}" for name in _CONFOUNDS | _SCRUBBING
}
_FOLDS = {"decoding.n_outer_folds", "decoding.n_inner_folds", "decoding.group_by"}
_DECODED = {*_RESPONSES, "decoding", "evaluation.n_permutations", "seed"}

SEEN: dict[StageName, set[str]] = {
    "measure": _RESPONSES,
    "decode": _DECODED
    | {"evaluation.n_permuted_fits", "evaluation.leave_one_genre_out", "evaluation.compare_decoders"}
    | {"evaluation.compare_lags_tr", "evaluation.compare_lags_s", "evaluation.also_in_folds", "evaluation.growth"},
    "retrieve": _DECODED | {"retrieval"},
    "generate": _DECODED | {"generation"},
    "encode": _RESPONSES
    | _FOLDS
    | {"decoding.alphas", "decoding.scans_per_window", "evaluation.n_permutations", "seed"}
    | {"encoding.variance_partitioning", "encoding.left_mesh", "encoding.right_mesh"},
    "save": (_DECODED - {"evaluation.n_permutations"}),
    "between_subjects": _DECODED | {"evaluation.between_subject"},
}
"""For each step, the sections and single settings that change what it makes."""


def as_presented(source: Source, config: RunConfig) -> RunConfig:
    """The settings with the fades and the level that the study applies: an arrays file has its own."""
    stimuli = source.stimuli
    return config.changed(fade_s=stimuli.fade_s, rms=stimuli.rms)


def applied_settings(source: Source, config: RunConfig) -> dict[str, Any]:
    """All settings that a study of this kind can apply, ``section.name`` → value as JSON types."""
    settings = as_presented(source, config).flat()
    if source.kind == "bids":
        return settings
    return {name: value for name, value in settings.items() if not {name, name.partition(".")[0]} & OF_IMAGES}


def unused_settings(source: Source, config: RunConfig) -> list[str]:
    """Names of settings that differ from their defaults, but are not applied to a study of this kind."""
    default, applied = RunConfig().flat(), applied_settings(source, config)
    return [name for name, value in config.flat().items() if value != default[name] and applied.get(name) != value]


def visible_settings(stage: StageName, config: RunConfig) -> dict[str, Any]:
    """The settings that a step sees, ``section.name`` → value as JSON types."""
    settings = config.flat()
    return {name: value for name, value in settings.items() if {name, name.partition(".")[0]} & SEEN[stage]}


def deciding(config: RunConfig) -> dict[str, Any]:
    """The settings that decide a subject's outputs, as JSON types: those that subjects of one study share."""
    left_out = DESCRIBED | {"evaluation.between_subject", "models.save_models"}
    return {name: value for name, value in config.flat().items() if name not in left_out}
