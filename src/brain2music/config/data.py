"""Settings of the data: recordings, events, and what is done to responses before they are read."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from .section import RESPONSE_S, Section


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
