"""Which settings each stage of a run sees: what another stage alone uses never makes it run again.

Stages are told what they do not see, so that a setting that is new counts everywhere until it is named here.
"""

from typing import Any, Literal

from ..config import RunConfig

StageName = Literal["measure", "decode", "retrieve", "generate", "encode", "across"]

DESCRIBED = {"track_index", "allow_leaks"}
"""Only ``study.json`` says these, and is written every time."""
DIGESTED = {"embeddings", "judges", "window_s", "fade_s", "rms", "captions"} | {
    *("train_task", "test_task", "raw_images", "bids_filter", "events")
}
"""Part of the inputs' digests: of embeddings and their spaces, presented sounds, captions and presentations."""
RETRIEVAL = {"retrieve"}
GENERATION = {"generator", "generate_from", "generate_s", "draws"}
ENCODING = {"encode", "partition"}
COMPARED = {"ablations", "also_lags", "also_lags_s", "unseen_genres", "shuffles"}
"""What the decoder is compared with when it is scored."""
FITTED = {"decoder", "folds", "hold_together", "alphas", "scans_per_window", "seed", "permutations"}

_UNSEEN: dict[StageName, set[str]] = {
    "measure": RETRIEVAL | GENERATION | ENCODING | COMPARED | FITTED | {"across"},
    "decode": RETRIEVAL | GENERATION | ENCODING | {"across"},
    "retrieve": GENERATION | ENCODING | COMPARED | {"across"},
    "generate": RETRIEVAL | ENCODING | COMPARED | {"across"},
    "encode": RETRIEVAL | GENERATION | COMPARED | {"encode", "decoder", "across"},
    "across": RETRIEVAL | GENERATION | ENCODING | COMPARED,
}


def seen(stage: StageName, config: RunConfig) -> dict[str, Any]:
    """The settings that a stage sees, as JSON types."""
    return config.model_dump(mode="json", exclude=DESCRIBED | DIGESTED | _UNSEEN[stage])


def deciding(config: RunConfig) -> dict[str, Any]:
    """The settings that decide a subject's outputs, as JSON types: those that subjects of one study share."""
    return config.model_dump(mode="json", exclude=DESCRIBED | {"across"})
