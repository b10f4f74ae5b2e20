"""Description of a run in words and numbers: ``study.json`` and BIDS ``dataset_description.json``."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

from .. import __version__
from .._utils.errors import InputError
from .._utils.files import read_object, write_json
from ..brain.clean import LACKS_COSINES, lacks_cosines
from ..brain.source import Source
from ..config import RunConfig
from ..embeddings.protocols import Embedder
from ..gallery.gallery import Gallery
from ..metrics.leakage import Leak
from .dividing import outer_folds, plan_division
from .methods import methods
from .outputs import ALPHAS, Outputs
from .settings import applied_settings, deciding
from .subjects import Records, unlike


def describe_run(
    source: Source,
    config: RunConfig,
    embedders: Sequence[Embedder],
    galleries: Sequence[Gallery],
    leaks: Sequence[Leak],
    records: Records,
    outputs: Outputs,
) -> None:
    """Write ``study.json`` for the report, of the finished subjects."""
    gallery = galleries[0] if galleries else None
    measured = {label: read_object(outputs.summary(label)) for label in records}
    record = {
        "name": source.name,
        "simulated": source.simulated,
        "note": source.note,
        "source": source.kind,
        "version": __version__,
        "created": _created(outputs),
        "subjects": sorted(measured),
        "embeddings": [asdict(embedder.space) for embedder in embedders],
        "images": None if source.images is None else {**asdict(source.images), "text": str(source.images)},
        "design": _design(source, config, measured),
        "settings": applied_settings(source, config),
        "gallery": None if gallery is None else _gallery(gallery),
        "leaks": [{"kind": leak.kind, "what": str(leak)} for leak in leaks],
        "warnings": [
            *_warnings(source, config, embedders, galleries),
            *_penalties_on_edge(records, config, outputs),
            *_other_settings(records, config),
        ],
        "methods": methods(source, config, embedders, gallery),
    }
    write_json(outputs.study, record)


def _created(outputs: Outputs) -> str:
    """Day when the study was first described in this folder; today where that cannot be read."""
    try:
        return date.fromisoformat(read_object(outputs.study)["created"]).isoformat()
    except (InputError, KeyError, TypeError, ValueError):
        return date.today().isoformat()


def _about_lag(source: Source, config: RunConfig) -> list[str]:
    if not source.has_time:
        return []
    unshifted = [tr for tr in map(source.tr_of, source.subjects) if config.lag_in_scans(tr) == 0]
    if not unshifted:
        return []
    if config.events.lag_s == 0 or config.events.lag_tr == 0:
        return ["without a lag, the first scans of a clip reflect the clip before it"]
    return [f"the lag is less than half of a scan of {max(unshifted):g} s, so responses were not shifted"]


def _design(source: Source, config: RunConfig, measured: dict[str, Any]) -> dict[str, Any]:
    scored = source.test_clips or source.train_clips
    nothing = {"tr": source.step_s, "n_repeats": 1, "n_scans": 0}
    first: dict[str, Any] = next(iter(measured.values()), nothing)
    lag = first.get("lag_tr", config.lag_in_scans(first["tr"]) if source.has_time else 0)
    train, test = (Counter(clip.genre for clip in clips) for clips in (source.train_clips, scored))
    n_folds = len(plan_division(source.train_clips, outer_folds(source, config), config).held_out)
    return {
        "tr": first["tr"],
        "lag_tr": lag,
        "lag_s": lag * first["tr"],
        "n_train": len(source.train_clips),
        "n_test": len(scored),
        "n_repeats": first["n_repeats"],
        "scans_per_clip": first["n_scans"],
        "voxels": {label: each["n_voxels"] for label, each in measured.items()},
        "genres": {
            genre or "unlabelled": {"train": train[genre], "test": test[genre]} for genre in sorted(train | test)
        },
        "cutting": None if source.cutting is None else {**asdict(source.cutting), "text": str(source.cutting)},
        "resampling": source.resampling,
        "evaluation": f"{n_folds}-fold cross-validation" if source.folds else "held-out test runs",
    }


def _penalties_on_edge(records: Records, config: RunConfig, outputs: Outputs) -> list[str]:
    """What the decoder warned of as it was fitted, of every finished subject and embedding."""
    said = []
    for subject in sorted(records):
        for name in config.embeddings:
            table = ALPHAS.read(outputs.alphas(subject, name))
            on_edge = 0 if table is None else int(table["on_edge"].sum())
            if table is not None and on_edge:
                said.append(
                    f"sub-{subject}, {name}: {on_edge} of {len(table)} dimensions are best predicted by the smallest "
                    f"or largest penalty tried; widen decoding.alphas"
                )
    return said


def _other_settings(records: Records, config: RunConfig) -> list[str]:
    differ = unlike(records, deciding(config)).items()
    return [f"sub-{subject} was made with other settings: {what}" for subject, what in differ]


def _gallery(gallery: Gallery) -> dict[str, Any]:
    licences = Counter(gallery.tracks["licence"])
    return {"name": gallery.folder.name, "tracks": len(gallery), "licences": dict(licences.most_common())}


def _warnings(
    source: Source, config: RunConfig, embedders: Sequence[Embedder], galleries: Sequence[Gallery]
) -> list[str]:
    """What a reader should know before believing the scores."""
    said = list(source.remarks)
    known = any(clip.artist for clip in source.train_clips)
    if config.stimuli.track_index is None and source.kind == "bids" and not source.simulated and not known:
        said.append("no artist index was given, so songs and artists shared by training and test are not known")
    said += _about_lag(source, config)
    if lacks_cosines(config.preprocessing.confounds):
        said.append(LACKS_COSINES)
    searched = {gallery.space.name for gallery in galleries}
    left = [embedder.space.name for embedder in embedders if embedder.space.name not in searched]
    if galleries and left:
        said.append(f"no gallery was given in {', '.join(left)}: nothing was retrieved by it")
    return said
