"""What a run was, in words and numbers: ``study.json`` and BIDS ``dataset_description.json``."""

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
from ..decoding.options import decoder_options
from ..embeddings.protocols import Embedder
from ..encoding.chance import REFITS
from ..gallery.gallery import Gallery
from ..metrics.leakage import Leak
from .dividing import outer_folds, plan
from .outputs import Outputs
from .refits import N_REFITS_IN_FOLDS
from .settings import deciding
from .subjects import Records, unlike


def describe(
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
        "settings": config.flat(),
        "gallery": None if gallery is None else _gallery(gallery),
        "leaks": [{"kind": leak.kind, "what": str(leak)} for leak in leaks],
        "warnings": [*_warnings(source, config, embedders, galleries), *_other_settings(records, config)],
        "methods": methods(source, config, embedders, gallery),
    }
    write_json(outputs.study, record)


def _created(outputs: Outputs) -> str:
    """The day when the study was first described here; today where that cannot be read."""
    try:
        return date.fromisoformat(read_object(outputs.study)["created"]).isoformat()
    except (InputError, KeyError, TypeError, ValueError):
        return date.today().isoformat()


def methods(source: Source, config: RunConfig, embedders: Sequence[Embedder], gallery: Gallery | None) -> str:
    """A methods paragraph for a paper, with every number that the run used."""
    names = ", ".join(
        f"{space.name} ({space.dims} dimensions, windows of {space.window_s:g} s every {space.step_s:g} s)"
        for space in (embedder.space for embedder in embedders)
    )
    planned = plan(source.train_clips, outer_folds(source, config), config)
    n_folds = len(planned.held_out)
    folds = f"in {n_folds} folds of recordings" if source.folds else "on clips of held-out test runs"
    parts = [
        *([] if source.images is None else [f"Responses were read from {source.images}."]),
        f"Responses of each voxel were {_cleaned(config)}, {_lagged(source, config)} and averaged over the scans "
        f"of each window of sound (Denk et al., 2023, arXiv 2307.11078)."
        if source.kind == "bids"
        else f"Responses came as arrays ({source.name}) and were {_lagged(source, config)}.",
        f"Stimuli were embedded as presented by {names}.",
        f"Ridge regression predicted every dimension of the embedding with its own penalty, chosen by "
        f"{planned.inner}-fold cross-validation over recordings inside the training set, and was scored {folds}.",
        *_decoder(config),
        "Identification accuracy counts, for each clip, how often its predicted embedding correlates more with its "
        "own than with another clip's embedding (strictly; chance 0.5).",
        f"Intervals are 95 % bootstrap intervals over clips, {_tested(source, config)}",
    ]
    if gallery is not None:
        parts.append(
            f"Music was retrieved from {len(gallery):,} tracks by the cosine similarity of the mean predicted "
            f"embedding, both centred by the mean of the training clips."
        )
    made = config.generation
    if made.generator is not None:
        what = "the mean predicted embedding" if made.conditioning == "mean" else "each window's predicted embedding"
        part = "" if made.n_clips is None else f" of {made.n_clips} clips, taken from each genre in turn,"
        parts.append(
            f"Music of {made.duration_s:g} s was generated from {what}{part} by {made.generator}, {made.n_samples} "
            f"times, with none chosen, after the shrinkage of predictions was undone by optimal transport fitted to "
            f"held-out predictions of training clips; also from predictions as they were and from the true embedding."
        )
    if source.simulated:
        parts.insert(0, "The brain data are simulated.")
    return " ".join(parts)


def _tested(source: Source, config: RunConfig) -> str:
    """What p values come from."""
    if source.folds is None:
        return f"p values come from {config.evaluation.n_permutations:,} permutations of clips."
    n = config.evaluation.n_permuted_fits or N_REFITS_IN_FOLDS
    return (
        f"p values come from {n} decoders refitted to permuted recordings (Student's t, with the form of "
        f"{config.evaluation.n_permutations:,} permutations of clips in place of the normal), and in encoding from "
        f"permutations calibrated by {REFITS:,} refits; scores that were not refitted have none."
    )


def _decoder(config: RunConfig) -> list[str]:
    """What was decoded by, where it is not plain ridge regression."""
    if config.decoding.decoder == "ridge":
        return []
    known = decoder_options()
    what = "; ".join(known[part].removeprefix("ridge, ") for part in config.decoding.decoder.split("+"))
    return [f"The decoder was {config.decoding.decoder} ({what}), fitted inside the training set."]


def _cleaned(config: RunConfig) -> str:
    ways = {
        "median": "high-passed by a 240-s median filter",
        "cosine": "high-passed by a cosine basis of 240 s",
        "linear": "linearly detrended",
        "none": "left undetrended",
    }
    confounds = (
        f"cleaned of {', '.join(config.preprocessing.confounds)} of fMRIPrep, "
        if config.preprocessing.confounds
        else ""
    )
    return f"{ways[config.preprocessing.detrend]}, {confounds}and z-scored per run"


def _about_lag(source: Source, config: RunConfig) -> list[str]:
    if not source.has_time:
        return []
    unshifted = [tr for tr in map(source.tr_of, source.subjects) if config.lag_in_scans(tr) == 0]
    if not unshifted:
        return []
    if config.events.lag_s == 0 or config.events.lag_tr == 0:
        return ["without a lag, the first scans of a clip reflect the clip before it"]
    return [f"the lag is less than half of a scan of {max(unshifted):g} s, so responses were not shifted"]


def _lagged(source: Source, config: RunConfig) -> str:
    """By how much responses were shifted, in seconds as asked for and in the scans that it became."""
    if not source.has_time:
        return "not shifted in time"
    lags = {(source.tr_of(label), config.lag_in_scans(source.tr_of(label))) for label in source.subjects}
    told = [f"{lag} TR ({lag * tr:g} s)" for tr, lag in sorted(lags)]
    return f"shifted by {' or '.join(told)}"


def _design(source: Source, config: RunConfig, measured: dict[str, Any]) -> dict[str, Any]:
    scored = source.test_clips or source.train_clips
    nothing = {"tr": source.step_s, "n_repeats": 1, "n_scans": 0}
    first: dict[str, Any] = next(iter(measured.values()), nothing)
    lag = first.get("lag_tr", config.lag_in_scans(first["tr"]) if source.has_time else 0)
    train, test = (Counter(clip.genre for clip in clips) for clips in (source.train_clips, scored))
    n_folds = len(plan(source.train_clips, outer_folds(source, config), config).held_out)
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
        "evaluation": f"{n_folds}-fold cross-validation" if source.folds else "held-out test runs",
    }


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
    if config.stimuli.track_index is None and source.kind == "bids" and not source.simulated:
        said.append("no artist index was given, so songs and artists shared by training and test are not known")
    said += _about_lag(source, config)
    if lacks_cosines(config.preprocessing.confounds):
        said.append(LACKS_COSINES)
    searched = {gallery.space.name for gallery in galleries}
    left = [embedder.space.name for embedder in embedders if embedder.space.name not in searched]
    if galleries and left:
        said.append(f"no gallery was given in {', '.join(left)}: nothing was retrieved by it")
    return said
