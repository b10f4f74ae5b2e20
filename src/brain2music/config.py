"""The settings of a run, in sections. Every field changes results; where files lie and how many run is no setting.

A TOML file gives each setting in its section. From Python a setting may be given in its section or by its name alone,
for no name is in two sections::

    RunConfig.of(decoding={"decoder": "selected"}, seed=1)
    RunConfig.of(decoder="selected", seed=1)
"""

import difflib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ._utils.errors import InputError
from ._utils.toml import read_toml, validated

RESPONSE_S = 20.0
"""Seconds for which the response to a sound goes on after its end."""
DEFAULT_LAG_S = 4.5
"""Seconds: the lag of Brain2Music's follow-up work, 3 TR of 1.5 s."""
LAGS = frozenset({"lag_s", "lag_tr"})

LagTr = Annotated[int, Field(ge=0, le=100)]
LagS = Annotated[float, Field(ge=0, le=30)]


class Section(BaseModel):
    """Settings that belong together: unknown names are refused, and values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class EventRows(Section):
    """The rows of the tables of events that are presentations of music: those whose ``column`` holds one of ``values``.

    Capitals do not count.

    Attributes
    ----------
    column : str
        Name of the column.
    values : tuple of str
        Values that mark presentations of music.

    Examples
    --------
    >>> from brain2music.config import EventRows
    >>> EventRows(column="trial_type", values=("music",)).values
    ('music',)
    """

    column: str = Field("trial_type", min_length=1)
    values: tuple[str, ...] = Field(min_length=1)


class StimuliConfig(Section):
    """The recordings: how they sounded as they were presented, and what is known of them."""

    fade_s: float = Field(
        2.0,
        ge=0,
        description="Seconds of the sine fades at both ends of a clip as presented; an arrays file has its own.",
    )
    rms: Annotated[float | None, BeforeValidator(lambda value: None if value == "none" else value)] = Field(
        0.13210295550519335,
        gt=0,
        description="Root mean square that clips were normalised to; 'none': presented as recorded; an arrays file has "
        "its own.",
    )
    captions: str | None = Field(
        None,
        description="Table of captions of the clips (CSV: ID, DescEN) to search and compare by, where an embedding "
        "also embeds text.",
    )
    track_index: str | None = Field(
        None, description="Index of artists and titles (Sturm's GTZANindex.txt), to find songs and artists that recur."
    )


class EventsConfig(Section):
    """What was presented when, what of it trains and tests, and by how much responses follow it."""

    train_task: str | None = Field(None, description="Task label of the training runs; default the one with 'train'.")
    test_task: str | None = Field(None, description="Task label of the test runs; default the one with 'test'.")
    column: str = Field(
        "trial_type", min_length=1, description="Column of the events tables that tells presentations apart."
    )
    values: tuple[str, ...] = Field(
        (), description="Values of that column that are presentations of music, in any case; default all that are."
    )
    stimulus: str | None = Field(
        None,
        min_length=1,
        description="Column of the events tables, or of participants.tsv, that names what was presented; default "
        "stim_id, stim_file or track, else the column whose cells name recordings.",
    )
    stimulus_table: str | None = Field(
        None,
        description="Table (TSV or CSV) with the file of each name or code in that column, and any of start, end, "
        "genre, caption and artist; default stimuli.tsv.",
    )
    piece: Literal["task", "run"] | None = Field(
        None,
        description="What names the piece that was heard in a run, where no event does: its task, or its whole name; "
        "default its task, where no table of events exists and a recording is called so.",
    )
    marker_s: float | None = Field(
        None,
        gt=0,
        description="Seconds of events that have no duration; default until the next event, and no longer than the "
        "recording.",
    )
    clip_s: float | None = Field(
        None,
        ge=0,
        description="Seconds of the clips that pieces are cut into, 0: clips as presented; default as presented, and "
        "15 where most last longer than 60.",
    )
    clip_step_s: float | None = Field(
        None, gt=0, description="Seconds from one clip of a piece to the next; default clip_s."
    )
    block_s: float | None = Field(
        None,
        gt=0,
        description="Seconds of the blocks of a piece that no fold divides, where other blocks of it are trained on; "
        "default none, and 60 where pieces are cut and there are fewer than 8.",
    )
    gap_s: float = Field(
        RESPONSE_S, ge=RESPONSE_S, description="Seconds between blocks, in which no clip is; at least the response."
    )
    resampling: Literal["none", "linear", "sinc"] | None = Field(
        None,
        description="How responses are resampled to clips that start between scans ('none': the nearest scans); "
        "default linear where any clip does.",
    )
    lag_s: float | None = Field(
        None, ge=0, le=30, description="Seconds by which responses follow the sound; default 4.5 (3 TR of 1.5 s)."
    )
    lag_tr: int | None = Field(None, ge=0, le=100, description="The same lag in scans, in place of seconds.")

    @property
    def rows(self) -> EventRows | None:
        """The rows that count; None if they are all that are music."""
        return EventRows(column=self.column, values=self.values) if self.values else None

    @model_validator(mode="after")
    def _values_of_a_column(self) -> "EventsConfig":
        if "column" in self.model_fields_set and not self.values:
            raise ValueError("column is given without values: name the values that are presentations of music")
        return self

    @model_validator(mode="after")
    def _steps_of_clips(self) -> "EventsConfig":
        if self.clip_s == 0 and (self.clip_step_s or self.block_s):
            raise ValueError("clip_step_s and block_s are of pieces that are cut, which clip_s = 0 forbids")
        if self.block_s is not None and self.clip_s is not None and self.block_s < self.clip_s:
            raise ValueError(f"blocks of {self.block_s:g} s hold no clip of {self.clip_s:g} s: give a larger block_s")
        return self

    @model_validator(mode="after")
    def _one_lag(self) -> "EventsConfig":
        if self.lag_s is not None and self.lag_tr is not None:
            raise ValueError("the lag is given as lag_s (seconds) or as lag_tr (scans), not both")
        return self


ConfoundModel = Literal["basic", "power2", "derivatives", "full"]
"""Columns of a kind of confounds: themselves, with squares, with derivatives, with both."""


class PreprocessingConfig(Section):
    """From images to responses."""

    cleaning: Literal["paper", "regression"] = Field(
        "paper",
        description="How runs are cleaned, where detrend, confounds and strategy do not say it: paper, a 240-s median "
        "filter; regression, cosines, head motion and CompCor's components in one regression.",
    )
    detrend: Literal["median", "cosine", "linear", "none"] = Field(
        "median",
        description="How slow drifts are removed; cosines and lines in one regression with the confounds. Default that "
        "of cleaning; the paper: a 240-s median filter.",
    )
    strategy: tuple[Literal["motion", "high_pass", "wm_csf", "global_signal", "compcor", "scrub"], ...] = Field(
        (),
        description="Confounds of fMRIPrep to regress out, and volumes to leave out (scrub), by the names of nilearn's "
        "load_confounds. Default that of cleaning, where confounds names no columns; the paper: none.",
    )
    confounds: tuple[str, ...] = Field(
        (),
        description="Columns of fMRIPrep's confounds to regress out (a_comp_cor_0[0-4], cosine*), besides or in place "
        "of strategy. Default none.",
    )
    motion: ConfoundModel = Field("basic", description="Columns of head motion: 6, 12, 12 or 24.")
    wm_csf: ConfoundModel = Field("basic", description="Columns of white matter and CSF: 2, 4, 4 or 8.")
    global_signal: ConfoundModel = Field("basic", description="Columns of the global signal: 1, 2, 2 or 4.")
    compcor: Literal[
        "anat_combined", "anat_separated", "temporal", "temporal_anat_combined", "temporal_anat_separated"
    ] = Field("anat_combined", description="Kind of CompCor's components.")
    n_compcor: Annotated[int | None, BeforeValidator(lambda value: None if value == "all" else value)] = Field(
        5, ge=1, description="Components of CompCor of each mask; 'all': as many as fMRIPrep kept."
    )
    scrub: int = Field(
        5, ge=0, description="Volumes between scrubbed ones that go with them, where they are fewer than this."
    )
    fd_threshold: float = Field(
        0.5, gt=0, description="Framewise displacement in mm above which a volume is scrubbed, if strategy has scrub."
    )
    std_dvars_threshold: float = Field(
        1.5, gt=0, description="Standardised DVARS above which a volume is scrubbed, if strategy has scrub."
    )
    least_kept: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Part of the volumes of the response to a clip that must be neither scrubbed nor "
        "non-steady-state; with fewer the presentation is left out.",
    )
    raw_images: bool = Field(False, description="Read the raw images even where preprocessed ones exist.")
    bids_filter: dict[str, str] = Field(
        {}, description="BIDS entities of the images and runs to read, such as space=T1w; default all."
    )

    @model_validator(mode="after")
    def _as_cleaning_says(self) -> "PreprocessingConfig":
        for name, value in CLEANING[self.cleaning].items():
            if name == "strategy" and "confounds" in self.model_fields_set:
                value = ()
            if name not in self.model_fields_set:  # nor is it now: another cleaning may take its place
                self.__dict__[name] = value
        return self

    @model_validator(mode="after")
    def _components_without_drifts(self) -> "PreprocessingConfig":
        if "compcor" in self.strategy and "high_pass" not in self.strategy:
            raise ValueError("strategy has compcor, whose components contain no slow drifts: add high_pass to it")
        return self


CLEANING: dict[str, dict[str, Any]] = {
    "paper": {"detrend": "median", "strategy": ()},
    "regression": {"detrend": "cosine", "strategy": ("high_pass", "motion", "compcor")},
}
"""What each way of cleaning stands for."""


def _decoder_of_now(name: str) -> str:
    for part in name.split("+"):
        if part in RENAMED_DECODERS:
            raise ValueError(f"{part!r} is now {RENAMED_DECODERS[part]!r}")
    return name


RENAMED_DECODERS = {"calibrated": "matched", "exemplars": "denoised"}
"""Post-processing by its former names, and what they are now."""
DecoderName = Annotated[str, AfterValidator(_decoder_of_now)]


class DecodingConfig(Section):
    """How embeddings are predicted from responses."""

    decoder: DecoderName = Field("ridge", description="The regressor, and any post-processing joined to it by '+'.")
    n_outer_folds: int | None = Field(
        None,
        ge=2,
        description="Folds in which clips are scored where there is no test set; default the study's own, else 10.",
    )
    n_inner_folds: int = Field(
        5, ge=2, description="Folds of the cross-validation within the training set that chooses the ridge penalty."
    )
    group_by: Literal["recording", "song", "artist"] = Field(
        "artist", description="What no fold divides; songs and artists where the track index knows them."
    )
    alphas: tuple[Annotated[float, Field(gt=0)], ...] | None = Field(
        None, description="Ridge penalties tried for every target dimension; default logspace(-1, 8, 20)."
    )
    standardise: bool | None = Field(
        None,
        description="Standardise each voxel over the training clips; default only where clips are scored in folds "
        "(with a test set, responses are z-scored per run).",
    )
    scans_per_window: int | None = Field(
        None, ge=1, description="Scans averaged per window of sound; default ceil(window / TR)."
    )
    lags_tr: tuple[LagTr, ...] = Field(
        (), description="Further lags in scans, whose responses the regressor 'stacked' is fitted to as well."
    )
    lags_s: tuple[LagS, ...] = Field((), description="Further lags in seconds that 'stacked' is fitted to.")


class EvaluationConfig(Section):
    """What the decoder is compared with, and how scores are tested."""

    n_permutations: int = Field(10_000, ge=100, description="Permutations of clips behind each p value.")
    n_permuted_fits: int | None = Field(
        None,
        ge=1,
        description="Decoders refitted to permuted clips, which measure the chance level (and give p where clips are "
        "scored in folds); default 5, in folds 20.",
    )
    leave_one_genre_out: bool = Field(True, description="Score each genre by decoders fitted without it.")
    also_in_folds: tuple[Literal["recording", "song", "artist"], ...] = Field(
        (),
        description="Beside test clips, score all clips by identification in folds that keep recordings, songs or "
        "artists together; songs and artists need stimuli.track_index.",
    )
    growth: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (),
        description="Share of the training clips, in the order of their runs, to which the decoder is fitted again, "
        "such as 0.5: how identification of the test clips grows with data.",
    )
    compare_lags_tr: tuple[LagTr, ...] = Field(
        (0,), description="Further lags in scans at which the decoder is scored by identification; the paper: 0."
    )
    compare_lags_s: tuple[LagS, ...] = Field((), description="Further lags in seconds at which the decoder is scored.")
    compare_decoders: tuple[DecoderName, ...] = Field(
        (), description="Further decoders, scored by identification beside the main one."
    )
    further_embeddings: tuple[str, ...] = Field(
        (), description="Further embeddings that are not decoded, in which retrieved and generated music is scored."
    )
    between_subject: tuple[Literal["srm", "procrustes", "ridge"], ...] = Field(
        (), description="Alignments by which each subject is decoded by the others' decoders, at group level."
    )
    allow_leaks: tuple[Literal["clip", "overlap", "track", "gap", "carry-in"], ...] = Field(
        (), description="Leaks between training and test that are reported and not refused."
    )


class RetrievalConfig(Section):
    """Music that exists, found by the decoded embedding."""

    k: int = Field(5, ge=1, description="Tracks retrieved per clip.")


class GenerationConfig(Section):
    """New music, made from the decoded embedding."""

    generator: str | None = Field(None, description="Generator of music: a name, or the folder of a trained one.")
    bridge: str | None = Field(
        None,
        description="Bridge from a decoded embedding into the generator's, where these differ: a folder that "
        "`brain2music models bridge` wrote.",
    )
    conditioning: Literal["mean", "windows"] = Field(
        "mean", description="Generate from the mean embedding of each clip (the paper), or from each of its windows."
    )
    duration_s: float = Field(15.0, ge=1, le=600, description="Seconds of each generated piece.")
    n_samples: int = Field(3, ge=1, description="Pieces generated from each embedding; all are scored.")
    n_clips: int | None = Field(
        None, ge=2, description="Clips that music is generated for, of as many genres as possible; default all."
    )
    anchored: Literal["vary", "inpaint", "continue"] | None = Field(
        None,
        description="Make music from tracks of the gallery that the embedding retrieves: vary them, fill their middle "
        "anew, or continue them (RAG-Audio 2026); default from the embedding alone.",
    )
    n_anchors: int = Field(1, ge=1, description="Tracks that are retrieved for each clip; samples take them in turn.")
    anchor_strength: float = Field(
        0.6, gt=0, le=1, description="How far a track is varied: near 0 hardly, 1 all of the way to new music."
    )


class EncodingConfig(Section):
    """Which voxels carry the music."""

    enabled: bool = Field(True, description="Predict voxels from embeddings, and map the correlation.")
    variance_partitioning: bool = Field(
        False, description="Also map the variance that each embedding explains and no other does."
    )
    left_mesh: str | None = Field(
        None,
        description="Mesh (.surf.gii) of the left hemisphere that maps on surfaces are drawn on, {subject} standing "
        "for the label of each; default nilearn's for fsaverage5, else they are written and not drawn on a surface.",
    )
    right_mesh: str | None = Field(None, description="Mesh of the right hemisphere, which goes with left_mesh.")

    @model_validator(mode="after")
    def _two_meshes(self) -> "EncodingConfig":
        if (self.left_mesh is None) != (self.right_mesh is None):
            raise ValueError("a mesh of one hemisphere is given: give left_mesh and right_mesh")
        return self


class ModelsConfig(Section):
    """Fitted models, by which new scans and new sounds are predicted (`brain2music predict`)."""

    save_models: Literal["small", "all", "none"] = Field(
        "small", description="Save the fitted decoders and encoders: those below 64 MB, all, or none."
    )


class RunConfig(Section):
    """Settings of a run, in sections.

    Every field changes results; where files lie and how many processes run is not a setting. Each default is that of
    the Brain2Music paper [1]_, or its description names the source. Settings do not change once made; unknown names are
    refused.

    See Also
    --------
    brain2music.load_study : Takes settings by name.
    brain2music.run : Takes settings by name.

    References
    ----------
    .. [1] Denk, Takagi et al., "Brain2Music: Reconstructing music from human brain activity", arXiv 2307.11078.

    Examples
    --------
    >>> from brain2music.config import RunConfig
    >>> settings = RunConfig.of(decoder="selected+whitened", seed=1)
    >>> settings.decoding.decoder, settings.decoding.n_inner_folds, settings.seed
    ('selected+whitened', 5, 1)
    >>> settings.changed(n_inner_folds=3).decoding.n_inner_folds
    3
    """

    embeddings: tuple[str, ...] = Field(
        ("musicnn-mtt",), min_length=1, description="Embeddings of music that are decoded, by name."
    )
    window_s: float | None = Field(
        None, gt=0, description="Seconds of sound per embedding vector; default the model's own."
    )
    seed: int = Field(0, ge=0, description="Seed of permutations, bootstraps, folds and generated music.")

    stimuli: StimuliConfig = StimuliConfig()
    events: EventsConfig = EventsConfig()
    preprocessing: PreprocessingConfig = PreprocessingConfig()
    decoding: DecodingConfig = DecodingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    retrieval: RetrievalConfig = RetrievalConfig()
    generation: GenerationConfig = GenerationConfig()
    encoding: EncodingConfig = EncodingConfig()
    models: ModelsConfig = ModelsConfig()

    def lag_in_scans(self, tr: float) -> int:
        """Convert the lag to whole scans, halves up: 6 at a TR of 0.8 s, 0 at a sparse TR of 10 s.

        Parameters
        ----------
        tr : float
            Repetition time in seconds.

        Returns
        -------
        int
            Scans by which responses follow the sound.
        """
        events = self.events
        if events.lag_tr is not None:
            return events.lag_tr
        return _scans(DEFAULT_LAG_S if events.lag_s is None else events.lag_s, tr)

    def compare_lags_in_scans(self, tr: float) -> tuple[int, ...]:
        """Convert the lags to compare with to whole scans, each once and without the lag itself.

        Parameters
        ----------
        tr : float
            Repetition time in seconds.

        Returns
        -------
        tuple of int
            Lags in scans.
        """
        return self._other_lags(self.evaluation.compare_lags_tr, self.evaluation.compare_lags_s, tr)

    def further_lags_in_scans(self, tr: float) -> tuple[int, ...]:
        """Convert the further lags of the stacked regressor to whole scans, each once and without the lag itself.

        Parameters
        ----------
        tr : float
            Repetition time in seconds.

        Returns
        -------
        tuple of int
            Lags in scans.
        """
        return self._other_lags(self.decoding.lags_tr, self.decoding.lags_s, tr)

    def _other_lags(self, lags_tr: tuple[int, ...], lags_s: tuple[float, ...], tr: float) -> tuple[int, ...]:
        every = (*lags_tr, *(_scans(seconds, tr) for seconds in lags_s))
        return tuple(lag for lag in dict.fromkeys(every) if lag != self.lag_in_scans(tr))

    def flat(self) -> dict[str, Any]:
        """List every setting by its full name, ``section.name`` or ``name``.

        Returns
        -------
        dict
            Values as JSON types.

        Examples
        --------
        >>> from brain2music.config import RunConfig
        >>> RunConfig().flat()["retrieval.k"]
        5
        """
        dumped = self.model_dump(mode="json")
        single = {name: value for name, value in dumped.items() if name not in SECTIONS}
        return single | {f"{part}.{name}": value for part in SECTIONS for name, value in dumped[part].items()}

    @classmethod
    def of(cls, **settings: object) -> "RunConfig":
        """Make settings from keyword arguments, each given by its name alone or in its section.

        Parameters
        ----------
        **settings
            Settings, such as ``decoder="selected"`` or ``decoding={"decoder": "selected"}``.

        Returns
        -------
        RunConfig
            These settings, and defaults for all others.

        Raises
        ------
        InputError
            A name is unknown or was renamed, a setting is given twice, or a value is not valid.

        Examples
        --------
        >>> from brain2music.config import RunConfig
        >>> RunConfig.of(decoder="selected") == RunConfig.of(decoding={"decoder": "selected"})
        True
        """
        return validated(cls, in_sections(settings), None)

    @classmethod
    def from_toml(cls, path: Path | None = None, **settings: object) -> "RunConfig":
        """Read settings from a TOML file.

        Parameters
        ----------
        path : Path, optional
            A file with each setting in its section; default none.
        **settings
            Settings that take the place of those in the file, as of :meth:`of`.

        Returns
        -------
        RunConfig
            The settings.

        Raises
        ------
        InputError
            The file is missing or not valid, or a setting is not.

        Examples
        --------
        >>> from pathlib import Path
        >>> from brain2music.config import RunConfig
        >>> _ = Path("settings.toml").write_text("decoding = {decoder = 'selected'}")
        >>> RunConfig.from_toml(Path("settings.toml"), seed=1).decoding.decoder
        'selected'
        """
        settings_of_file = {} if path is None else read_toml(path)
        _refuse_unsectioned(settings_of_file, path)
        return validated(cls, settings_of_file, path).changed(**settings)

    def changed(self, **settings: object) -> "RunConfig":
        """Make these settings with others in their place.

        Parameters
        ----------
        **settings
            Settings, as of :meth:`of`; a lag in seconds takes the place of one in scans, and the reverse.

        Returns
        -------
        RunConfig
            New settings.

        Raises
        ------
        InputError
            A name is unknown or was renamed, a setting is given twice, or a value is not valid.
        """
        new, kept = in_sections(settings), self.model_dump(exclude_unset=True)
        if LAGS & new.get("events", {}).keys():
            kept["events"] = {key: value for key, value in kept.get("events", {}).items() if key not in LAGS}
        merged = {
            key: kept.get(key, {}) | value if key in SECTIONS and isinstance(value, dict) else value
            for key, value in new.items()
        }
        return validated(RunConfig, kept | merged, None)


SECTIONS: dict[str, type[Section]] = {
    name: field.annotation
    for name, field in RunConfig.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}
"""The sections of a run's settings, in the order of the data's flow."""
PLACES: dict[str, str] = {name: section for section, model in SECTIONS.items() for name in model.model_fields}
"""The section of each setting that is in one."""
RENAMED = {
    "judges": "evaluation.further_embeddings",
    "also_lags": "evaluation.compare_lags_tr",
    "also_lags_s": "evaluation.compare_lags_s",
    "ablations": "evaluation.compare_decoders",
    "across": "evaluation.between_subject",
    "unseen_genres": "evaluation.leave_one_genre_out",
    "encode": "encoding.enabled",
    "partition": "encoding.variance_partitioning",
    "folds": "decoding.n_inner_folds",
    "generate_from": "generation.conditioning",
    "generate_s": "generation.duration_s",
    "draws": "generation.n_samples",
    "retrieve": "retrieval.k",
    "permutations": "evaluation.n_permutations",
    "hold_together": "decoding.group_by",
    "shuffles": "evaluation.n_permuted_fits",
}
"""Names of settings before they had sections, and what they are now."""


def in_sections(settings: Mapping[str, object]) -> dict[str, Any]:
    """Place settings that are given by name or in sections in their sections.

    Parameters
    ----------
    settings : mapping of str to object
        Settings by name, or by name of a section.

    Returns
    -------
    dict
        The settings in sections.

    Raises
    ------
    InputError
        A name is unknown or was renamed, or a setting is given twice.
    """
    placed: dict[str, Any] = {}
    for name, value in settings.items():
        if name in SECTIONS:
            given = value.model_dump(exclude_unset=True) if isinstance(value, Section) else value
            if not isinstance(given, Mapping):
                what = f"{name} is a section of settings, not one (got {value!r})"
                switch = isinstance(value, bool) and "enabled" in SECTIONS[name].model_fields
                raise InputError(what, hint=f'write {name}={{"enabled": {value}}}' if switch else _HELP)
            _refuse_renamed(given, None, name)
        elif name in PLACES:
            name, given = PLACES[name], {name: value}
        else:
            _refuse_renamed({name: value}, None)
            placed[name] = value
            continue
        section = placed.setdefault(name, {})
        if twice := sorted(section.keys() & given.keys()):
            raise InputError(f"{twice[0]} is given twice, by name and in {name}", hint="give it once")
        section.update(given)
    return placed


_HELP = "see `brain2music run --help`"


def _refuse_unsectioned(settings: Mapping[str, object], path: Path | None) -> None:
    """In a file, settings are in their sections."""
    for name, value in settings.items():
        if name in SECTIONS and isinstance(value, Mapping):
            _refuse_renamed(value, path, name)
        elif name in PLACES:
            raise InputError(f"{name} is now {PLACES[name]}.{name}", path, f"write it under [{PLACES[name]}]")
        else:
            _refuse_renamed({name: value}, path)


def _refuse_renamed(settings: Mapping[str, object], path: Path | None, section: str | None = None) -> None:
    """Name the setting that an old or unknown name means."""
    known: type[BaseModel] = RunConfig if section is None else SECTIONS[section]
    for name in settings:
        if name in known.model_fields:
            continue
        old = name if section is None else f"{section}.{name}"
        if name in RENAMED:
            raise InputError(f"{old} is now {RENAMED[name]}", path, _under(RENAMED[name]))
        if name in PLACES and section is not None:
            raise InputError(f"there is no {old}, but {PLACES[name]}.{name}", path, _under(f"{PLACES[name]}.{name}"))
        every = {key: f"{place}.{key}" for key, place in PLACES.items()} | {key: key for key in RunConfig.model_fields}
        close = difflib.get_close_matches(name, every, 1)
        hint = f"did you mean {every[close[0]]}?" if close else _HELP
        raise InputError(f"there is no setting {old}", path, hint)


def _under(place: str) -> str:
    section, name = place.split(".")
    return f"write {name} under [{section}]"


def _scans(seconds: float, tr: float) -> int:
    """Seconds in whole scans, halves up as wherever times meet scans."""
    return math.floor(seconds / tr + 0.5 + 1e-6)
