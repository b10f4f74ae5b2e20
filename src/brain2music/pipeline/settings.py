"""Settings that each step of a run may see: a step is run again when one of them changes, and not otherwise.

The name of a section stands for all its settings, ``section.name`` for one. A setting that no step sees is only
described, is part of the digests of inputs, or decides whether a step runs at all; there are no others.
"""

from typing import Any, Literal

from ..config import RunConfig

StageName = Literal["measure", "decode", "retrieve", "generate", "encode", "between_subjects"]

DESCRIBED = {"stimuli.track_index", "evaluation.allow_leaks"}
"""Only ``study.json`` names these, and is written every time; how clips are divided is a digest."""
DIGESTED = {"embeddings", "window_s", "evaluation.further_embeddings"} | {
    *("stimuli.fade_s", "stimuli.rms", "stimuli.captions", "preprocessing.raw_images", "preprocessing.bids_filter"),
    *("events.train_task", "events.test_task", "events.column", "events.values"),
}
"""Part of the inputs' digests: of embeddings and their spaces, presented sounds, captions and presentations."""
DECIDING = {"encoding.enabled", "evaluation.between_subject"}
"""Whether a step runs at all."""

_RESPONSES = {"events.lag_s", "events.lag_tr", "preprocessing.detrend", "preprocessing.confounds"}
_FOLDS = {"decoding.n_outer_folds", "decoding.n_inner_folds", "decoding.group_by"}
_DECODED = {*_RESPONSES, "decoding", "evaluation.n_permutations", "seed"}

SEEN: dict[StageName, set[str]] = {
    "measure": _RESPONSES,
    "decode": _DECODED
    | {"evaluation.n_permuted_fits", "evaluation.leave_one_genre_out", "evaluation.compare_decoders"}
    | {"evaluation.compare_lags_tr", "evaluation.compare_lags_s"},
    "retrieve": _DECODED | {"retrieval"},
    "generate": _DECODED | {"generation"},
    "encode": _RESPONSES
    | _FOLDS
    | {"decoding.alphas", "decoding.scans_per_window", "evaluation.n_permutations", "seed"}
    | {"encoding.variance_partitioning"},
    "between_subjects": _DECODED | {"evaluation.between_subject"},
}
"""For each step, the sections and single settings that change what it makes."""


def visible_settings(stage: StageName, config: RunConfig) -> dict[str, Any]:
    """The settings that a step sees, ``section.name`` → value as JSON types."""
    settings = config.flat()
    return {name: value for name, value in settings.items() if {name, name.partition(".")[0]} & SEEN[stage]}


def deciding(config: RunConfig) -> dict[str, Any]:
    """The settings that decide a subject's outputs, as JSON types: those that subjects of one study share."""
    left_out = DESCRIBED | {"evaluation.between_subject"}
    return {name: value for name, value in config.flat().items() if name not in left_out}
