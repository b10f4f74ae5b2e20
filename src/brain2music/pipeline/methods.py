"""Methods paragraph of a run, whose words follow its settings."""

from collections.abc import Callable, Sequence

from ..brain.source import Source
from ..config import RunConfig
from ..decoding.registry import AUTO, in_form
from ..embeddings.protocols import Embedder
from ..encoding.chance import REFITS
from ..gallery.gallery import Gallery
from .dividing import outer_folds, plan_division
from .refits import N_REFITS_IN_FOLDS

Lags = Callable[[float], tuple[int, ...]]
"""A TR in seconds to lags in scans."""

REGRESSIONS = {
    "ridge": "Ridge regression predicted every dimension of the embedding from all voxels",
    "roi-ensemble": "Ridge regressions predicted every dimension of the embedding from each region by itself, and the "
    "six regions with the best cross-validated predictions were averaged",
    "selected": "Ridge regression predicted every dimension of the embedding from the voxels that cross-validated "
    "encoding models predict best from the embedding, the share of voxels (1, 3, 10, 30 or 100 %) being chosen by "
    "cross-validation",
    "stacked": "Ridge regressions predicted every dimension of the embedding from all voxels and from each region by "
    "itself{lags}, and were summed with non-negative weights fitted to their cross-validated predictions (stacking)",
    "nonlinear": "Kernel ridge regression (Gaussian, its width chosen by cross-validation) predicted every dimension "
    "of the embedding from all voxels",
}
"""What each regressor does."""
MAPPED = {
    "matched": "given the mean and covariance of the embeddings of training clips, by the optimal transport between "
    "Gaussians (distribution matching)",
    "whitened": "multiplied by a power of the inverse covariance of the training embeddings, chosen by identification "
    "of held-out training clips (whitening)",
    "contrastive": "mapped by a linear map trained with InfoNCE to be nearer to their own clip than to others",
    "denoised": "drawn towards the training embeddings nearest to them, by one step of a Hopfield network (denoising)",
}
"""What each post-processing does to predictions."""
UNDIVIDED = {
    "recording": "a recording",
    "song": "a recording, or a song where the track index knows it",
    "artist": "a recording, or a song or artist where the track index or the study knows them",
}
"""What stays in one fold."""
ANCHORED = {
    "vary": "noise was added to the latents of a track up to {strength:g} of the diffusion, which went on from there",
    "inpaint": "the middle half of an excerpt was made anew, between the beginning of a track and the end of the next",
    "continue": "an excerpt of a track was continued, and only what follows it kept",
}
"""How music was made of retrieved tracks."""
RESAMPLED = {
    "none": "",
    "linear": "resampled to the onsets of clips by linear interpolation, ",
    "sinc": "resampled to the onsets of clips by a sinc of three lobes (Lanczos), ",
}
"""How responses came to the times of clips."""
DETRENDING = {
    "median": "high-passed by a 240-s median filter",
    "cosine": "high-passed by a cosine basis of 240 s",
    "linear": "linearly detrended",
    "none": "left undetrended",
}


def methods(source: Source, config: RunConfig, embedders: Sequence[Embedder], gallery: Gallery | None) -> str:
    """A methods paragraph for a paper, with every number that the run used."""
    sentences = [
        *(["The brain data are simulated."] if source.simulated else []),
        *([] if source.images is None else [f"Responses were read from {source.images}."]),
        *([] if source.cutting is None else [f"Pieces were cut into {source.cutting}."]),
        _responses(source, config),
        f"Stimuli were embedded as presented ({_presented(source)}) by {_embedded(embedders)}.",
        *_decoded(source, config),
        "Identification accuracy counts, for each clip, how often its predicted embedding correlates more with its "
        "own than with another clip's embedding (strictly; chance 0.5).",
        f"Intervals are 95 % bootstrap intervals over clips, {_tests_text(source, config)}",
        *([] if gallery is None else [_retrieved(config, gallery)]),
        *([] if config.generation.generator is None else [_generation_text(config)]),
    ]
    return " ".join(sentences)


def _responses(source: Source, config: RunConfig) -> str:
    if source.kind != "bids":
        return f"Responses came as arrays ({source.name}) and were {lag_in_words(source, config)}."
    cleaned = _cleaned(config)
    k = config.decoding.scans_per_window
    averaged = "the scans of each window of sound" if k is None else f"{k} scans from the start of each window of sound"
    resampled = RESAMPLED[source.resampling]
    return (
        f"Responses of each voxel were {cleaned} and z-scored per run, {resampled}"
        f"{lag_in_words(source, config)} and averaged over {averaged} (Denk et al., 2023, arXiv 2307.11078)."
    )


def _cleaned(config: RunConfig) -> str:
    """How drifts and confounds were removed: columns in one regression, a median before it."""
    settings = config.preprocessing
    detrended, named = DETRENDING[settings.detrend], ", ".join(settings.confounds)
    read = [_strategy(config), named]
    confounds = " and ".join(each for each in read if each)
    left_out = _left_out(config) if confounds or "scrub" in settings.strategy else ""
    if not confounds:
        return f"{detrended}{left_out},"
    if settings.detrend in ("cosine", "linear"):
        return f"{detrended} and cleaned of {confounds} of fMRIPrep in one regression{left_out},"
    return f"{detrended}, cleaned of {confounds} of fMRIPrep{left_out},"


def _strategy(config: RunConfig) -> str:
    """The confounds of nilearn's strategy in words; "" where there are none."""
    settings = config.preprocessing
    kept = "all" if settings.n_compcor is None else settings.n_compcor
    words = {
        "high_pass": "slow cosines",
        "motion": f"head motion ({settings.motion})",
        "wm_csf": f"white matter and CSF ({settings.wm_csf})",
        "global_signal": f"the global signal ({settings.global_signal})",
        "compcor": f"CompCor's components ({settings.compcor}, {kept})",
    }
    return ", ".join(words[name] for name in settings.strategy if name in words)


def _left_out(config: RunConfig) -> str:
    """Which volumes took no part."""
    settings = config.preprocessing
    scrubbed = (
        f" and those with a framewise displacement above {settings.fd_threshold:g} mm or a standardised DVARS above "
        f"{settings.std_dvars_threshold:g}, with stretches of fewer than {settings.scrub} between them,"
    )
    which = scrubbed if "scrub" in settings.strategy else ""
    return (
        f"; non-steady-state volumes{which} took no part and were interpolated between the others, and presentations "
        f"with less than {100 * settings.least_kept:g} % of their volumes were left out"
    )


def lag_in_words(source: Source, config: RunConfig) -> str:
    """Lag of the responses in words, in scans and seconds."""
    if not source.has_time:
        return "not shifted in time"
    return f"shifted by {_lags_text(source, lambda tr: (config.lag_in_scans(tr),))}"


def _lags_text(source: Source, lags: Lags) -> str:
    """Lags at the TR of each subject, in scans and seconds."""
    of_subjects = {(tr, lags(tr)) for tr in map(source.tr_of, source.subjects)}
    return " or ".join(
        " and ".join(f"{lag} TR ({lag * tr:g} s)" for lag in of_subject) for tr, of_subject in sorted(of_subjects)
    )


def _presented(source: Source) -> str:
    """Fades and level of the clips."""
    fade_s, rms = source.stimuli.fade_s, source.stimuli.rms
    fades = f"with sine fades of {fade_s:g} s" if fade_s else "without fades"
    return f"{fades}, {'at the level of the recording' if rms is None else f'at a root mean square of {rms:.3g}'}"


def _embedded(embedders: Sequence[Embedder]) -> str:
    return ", ".join(
        f"{space.name} ({space.dims} dimensions, windows of {space.window_s:g} s every {space.step_s:g} s)"
        for space in (embedder.space for embedder in embedders)
    )


def _decoded(source: Source, config: RunConfig) -> list[str]:
    """What predicted the embedding, what was done to predictions, and how it was fitted and scored."""
    planned = plan_division(source.train_clips, outer_folds(source, config), config)
    in_folds = source.folds is not None
    standardised = in_folds if config.decoding.standardise is None else config.decoding.standardise
    name = config.decoding.decoder
    sentences = (
        [f"The decoder was chosen among {', '.join(AUTO)} by identification of held-out training clips."]
        if name == "auto"
        else [_regression(name, source, config)]
    )
    sentences += [f"Predictions were {MAPPED[part]}." for part in name.split("+") if part in MAPPED]
    blocks = source.cutting is not None and source.cutting.block_s is not None
    units = "blocks of pieces" if blocks else "recordings"
    scored = f"in {len(planned.held_out)} folds of {units}" if in_folds else "on clips of held-out test runs"
    return [
        *sentences,
        f"{'Voxels were standardised over' if standardised else 'Voxels were not standardised again over'} the "
        f"training clips. Each dimension has its own penalty, chosen{_penalties(config)} by {planned.inner}-fold "
        f"cross-validation inside the training set, as is everything else that is chosen; no fold divides "
        f"{_undivided(source, config)}. Predictions were scored {scored}.",
    ]


def _undivided(source: Source, config: RunConfig) -> str:
    cutting = source.cutting
    if cutting is None or cutting.block_s is None:
        return UNDIVIDED[config.decoding.group_by]
    return f"a block of {cutting.block_s:g} s of a piece, from which the next is {cutting.gap_s:g} s apart"


def _penalties(config: RunConfig) -> str:
    alphas = config.decoding.alphas
    return "" if alphas is None else f" among {len(alphas)} from {min(alphas):g} to {max(alphas):g}"


def _regression(name: str, source: Source, config: RunConfig) -> str:
    regressor = next((part for part in name.split("+") if part in REGRESSIONS), "ridge")
    lags = ""
    if (
        regressor == "stacked"
        and source.has_time
        and any(map(config.further_lags_in_scans, map(source.tr_of, source.subjects)))
    ):
        lags = f", also of responses shifted by {_lags_text(source, config.further_lags_in_scans)}"
    return REGRESSIONS[regressor].format(lags=lags) + "."


def _tests_text(source: Source, config: RunConfig) -> str:
    """What p values come from."""
    if source.folds is None:
        return f"p values come from {config.evaluation.n_permutations:,} permutations of clips."
    n = config.evaluation.n_permuted_fits or N_REFITS_IN_FOLDS
    return (
        f"p values come from {n} decoders refitted to permuted recordings (Student's t, with the form of "
        f"{config.evaluation.n_permutations:,} permutations of clips in place of the normal), and in encoding from "
        f"permutations calibrated by {REFITS:,} refits; scores that were not refitted have none."
    )


def _retrieved(config: RunConfig, gallery: Gallery) -> str:
    return (
        f"Music was retrieved from {len(gallery):,} tracks by the cosine similarity of the mean predicted embedding, "
        f"both centred by the mean of the training clips, and again with predictions {_also(config, 'matched')}."
    )


def _generation_text(config: RunConfig) -> str:
    made = config.generation
    what = "the mean predicted embedding" if made.conditioning == "mean" else "each window's predicted embedding"
    times = "once" if made.n_samples == 1 else f"{made.n_samples} times"
    part = "" if made.n_clips is None else f" of {made.n_clips} clips, taken from each genre in turn,"
    anchored = ""
    if made.anchored is not None:
        tracks = "the nearest track" if made.n_anchors == 1 else f"the {made.n_anchors} nearest tracks in turn"
        how = ANCHORED[made.anchored].format(strength=made.anchor_strength)
        anchored = f" It was made from {tracks} of the gallery: {how} (RAG-Audio 2026)."
    return (
        f"Music of {made.duration_s:g} s was generated from {what}{part} by {made.generator}, {times}, "
        f"with none chosen, the predictions being {_also(config, 'denoised')}, as fitted to held-out predictions of "
        f"training clips; also from predictions as they were and from the true embedding.{anchored}"
    )


def _also(config: RunConfig, form: str) -> str:
    """What a form does to predictions beside what the decoder does."""
    name = config.decoding.decoder
    wanted = in_form(name, form)
    added = [part for part in wanted.removeprefix(name).split("+") if part in MAPPED]
    if name == "auto":
        return f"of ridge regression {' and '.join(MAPPED[part] for part in added)}"
    return " and ".join(MAPPED[part] for part in added) or "as they were"
