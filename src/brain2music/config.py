"""The settings of a run. Every field changes results; where files lie and how many processes run are arguments."""

import math
import tomllib
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ._utils.errors import InputError

Model = TypeVar("Model", bound=BaseModel)

DEFAULT_LAG_S = 4.5
"""Seconds: the lag of Brain2Music's follow-up work, 3 TR of 1.5 s."""
LAGS = frozenset({"lag_s", "lag_tr"})


class EventRows(BaseModel):
    """Which rows of the tables of events are presentations of music: those whose ``column`` holds one of ``values``.

    In TOML: ``events = { column = "trial_type", values = ["music"] }``. Capitals do not count.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: str = Field("trial_type", min_length=1)
    values: tuple[str, ...] = Field(min_length=1)


class RunConfig(BaseModel):
    """What a decoding run does; every default has its source in the Brain2Music paper or names its departure.

    A TOML file may give any of these fields; command-line options win over the file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    embeddings: tuple[str, ...] = Field(("musicnn-mtt",), min_length=1, description="embeddings to decode into")
    judges: tuple[str, ...] = Field((), description="embeddings that are not decoded and only judge what is made")
    window_s: float | None = Field(None, gt=0, description="seconds of sound per embedding; default the model's own")
    lag_s: float | None = Field(
        None, ge=0, le=30, description="seconds by which responses follow the sound; default 4.5 (follow-up work: 3 TR)"
    )
    lag_tr: int | None = Field(None, ge=0, le=100, description="the same in scans, in place of lag_s")
    also_lags: tuple[Annotated[int, Field(ge=0, le=100)], ...] = Field(
        (0,), description="further lags in scans, scored by identification only; 0 is the paper's"
    )
    also_lags_s: tuple[Annotated[float, Field(ge=0, le=30)], ...] = Field(
        (), description="further lags in seconds, scored by identification only"
    )
    scans_per_window: int | None = Field(None, ge=1, description="scans averaged per window; default ceil(window/TR)")
    detrend: Literal["median", "cosine", "linear", "none"] = Field("median", description="the paper: 240-s median")
    confounds: tuple[str, ...] = Field(
        (),
        description="columns of fMRIPrep's confounds to regress out (a_comp_cor_0[0-4], cosine*); the paper: none",
    )
    raw_images: bool = Field(False, description="read the raw images even where preprocessed ones are there")
    bids_filter: dict[str, str] = Field(
        {}, description='BIDS entities of the images and runs to read, as {space = "T1w", rec = "norm"}; default all'
    )
    decoder: str = Field("ridge", description="how embeddings are decoded: a name of decode.options, or base+head")
    ablations: tuple[str, ...] = Field((), description="further decoders, scored by identification beside the first")
    across: tuple[Literal["srm", "procrustes", "ridge"], ...] = Field(
        (), description="alignments by which others' decoders read each subject, at group level"
    )
    unseen_genres: bool = Field(True, description="score every genre by decoders fitted without it")
    encode: bool = Field(True, description="predict voxels from embeddings, and map which carry them")
    partition: bool = Field(False, description="how much of the voxels each embedding explains that no other does")
    folds: int = Field(5, ge=2, description="folds of the cross-validation that chooses alpha, grouped by clip")
    alphas: tuple[Annotated[float, Field(gt=0)], ...] | None = Field(
        None, description="ridge penalties tried, per target dimension; default logspace(-1, 8, 20)"
    )
    captions: str | None = Field(
        None, description="table of captions (ID, DescEN) to search and compare by, in embeddings that embed text"
    )
    generator: str | None = Field(None, description="what makes music from decoded embeddings: a name or folder")
    generate_from: Literal["mean", "windows"] = Field(
        "mean", description="one embedding a clip, the mean over its windows (the paper), or each window's own"
    )
    generate_s: float = Field(15.0, ge=1, le=600, description="seconds of a generated piece")
    draws: int = Field(3, ge=1, description="pieces generated from one embedding; none is chosen among them")
    retrieve: int = Field(5, ge=1, description="tracks retrieved per clip")
    permutations: int = Field(10_000, ge=100, description="clip permutations behind every p")
    fade_s: float = Field(2.0, ge=0, description="sine fades of the stimuli as presented")
    rms: float | None = Field(
        0.13210295550519335,
        gt=0,
        description="root mean square that stimuli were normalised to; none: as recorded",
    )
    train_task: str | None = Field(None, description="task label of the training runs; default the one with 'train'")
    test_task: str | None = Field(None, description="task label of the test runs; default the one with 'test'")
    events: EventRows | None = Field(
        None, description="rows of the tables of events that count, by a column and its values; default all of music"
    )
    track_index: str | None = Field(None, description="artist/title index (Sturm's GTZANindex.txt) for leakage checks")
    hold_together: Literal["recording", "song", "artist"] = Field(
        "artist", description="what no fold divides; songs and artists where track_index knows them"
    )
    allow_leaks: tuple[Literal["clip", "overlap", "track", "carry-in"], ...] = Field(
        (), description="leaks that are reported instead of refused; songs and artists are only ever reported"
    )
    shuffles: int | None = Field(
        None,
        ge=1,
        description="decoders fitted to shuffled clips: the measured chance level, and p where clips are scored in "
        "folds; default 5, in folds 20",
    )
    seed: int = Field(0, ge=0, description="seed of permutations, bootstraps and baselines")

    @model_validator(mode="after")
    def _one_lag(self) -> "RunConfig":
        if self.lag_s is not None and self.lag_tr is not None:
            raise ValueError("the lag is given as lag_s (seconds) or as lag_tr (scans), not both")
        return self

    def lag_in_scans(self, tr: float) -> int:
        """The lag in whole scans of ``tr`` seconds, halves up: 6 at a TR of 0.8 s, 0 at a sparse TR of 10 s."""
        if self.lag_tr is not None:
            return self.lag_tr
        return _scans(DEFAULT_LAG_S if self.lag_s is None else self.lag_s, tr)

    def also_lags_in_scans(self, tr: float) -> tuple[int, ...]:
        """The further lags in whole scans of ``tr`` seconds, each once and without the lag itself."""
        every = (*self.also_lags, *(_scans(seconds, tr) for seconds in self.also_lags_s))
        return tuple(lag for lag in dict.fromkeys(every) if lag != self.lag_in_scans(tr))

    @classmethod
    def from_toml(cls, path: Path | None = None, **given: object) -> "RunConfig":
        """Read settings from a TOML file; keyword arguments that are not None or empty win over it."""
        settings = read_toml(path) if path is not None else {}
        asked = {key: value for key, value in given.items() if value is not None and value != () and value != []}
        if asked.keys() & LAGS:
            settings = {key: value for key, value in settings.items() if key not in LAGS}  # a lag is one or the other
        return validated(cls, settings | asked, path)


def _scans(seconds: float, tr: float) -> int:
    """Seconds in whole scans, halves up as wherever times meet scans."""
    return math.floor(seconds / tr + 0.5 + 1e-6)


def read_toml(path: Path) -> dict[str, object]:
    """Read a TOML file; :class:`InputError` names the file when it is missing or malformed."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("the file is missing", path, "check the path") from None
    except OSError as error:
        raise InputError(f"the file cannot be read ({error.strerror})", path, "name a TOML file") from None
    except RecursionError:
        raise InputError("this is not valid TOML (it is nested too deeply)", path, "correct the file") from None
    except ValueError as error:  # of the text, of its encoding, of a number
        raise InputError(f"this is not valid TOML ({error})", path, "correct the file") from None


def validated(model: type[Model], settings: object, path: Path | None) -> Model:
    """Validate settings against a pydantic model; the first problem becomes one readable line."""
    try:
        return model.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        field, told = ".".join(str(part) for part in first["loc"]), first["msg"].removeprefix("Value error, ")
        what = (
            f"{field}: {told} (got {first['input']!r})" if field else told
        )  # of the whole: all settings are its input
        raise InputError(what, path, "see `brain2music run --help`") from None
