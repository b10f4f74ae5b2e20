"""Settings of a study of response arrays, as read from a TOML file: arrays, their axes, and stimuli."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..study.timing import PLAUSIBLE

LONGEST = PLAUSIBLE[1]
Axis = Literal["clips", "scans", "voxels", "time"]
_AXES = ({"clips", "voxels"}, {"time", "voxels"}, {"clips", "scans", "voxels"})


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ArrayFile(_Strict):
    """An array: a .npy file, or a ``variable`` of a .mat or .safetensors file."""

    file: str
    variable: str | None = None


class StimuliSettings(_Strict):
    """The stimuli in the order of the arrays: one of ``table``, ``names`` and ``events``.

    ``table`` is a TSV with the column ``file`` and optionally ``genre``, ``start``, ``end``, ``run`` and ``split``
    ("train" or "test"); ``names`` is an array of names of sound files in ``folder`` without their extensions, with
    an optional array ``genres``; ``events`` is a BIDS folder, whose clips are taken run by run without the carry-ins.
    ``fade_s`` and ``rms`` describe the presentation (:class:`brain2music.study.stimuli.Stimuli`).
    """

    folder: str
    table: str | None = None
    names: ArrayFile | None = None
    genres: ArrayFile | None = None
    events: str | None = None
    fade_s: Annotated[float, Field(ge=0)] = 0.0
    rms: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "StimuliSettings":
        if sum(each is not None for each in (self.table, self.names, self.events)) != 1:
            raise ValueError("give exactly one of table, names and events")
        if self.genres is not None and self.names is None:
            raise ValueError("genres is given only with names")
        return self


class SubjectSettings(_Strict):
    """The arrays of one subject: ``train``, and optionally ``test``, in which repeats are averaged."""

    label: Annotated[str, Field(pattern=r"^[0-9A-Za-z]+$")]
    train: ArrayFile
    test: ArrayFile | None = None


class ArraySettings(_Strict):
    """A study of response arrays. Paths are relative to the file; ``${VARIABLE}`` and ``~`` are expanded.

    ``tr`` is the repetition time in seconds; for arrays without time, the duration of one response. ``axes`` names the
    axes of the arrays: clips and voxels; time and voxels, with ``scans_per_clip`` scans for each clip in turn; or
    clips, scans and voxels. ``n_outer_folds``, in which clips are scored, is required without test arrays.
    ``test_repeats`` is the number of presentations that they average.
    """

    name: Annotated[str, Field(min_length=1)]
    note: str = ""
    simulated: bool = False
    tr: Annotated[float, Field(gt=0)]
    axes: tuple[Axis, ...]
    scans_per_clip: Annotated[int, Field(ge=1)] | None = None
    n_outer_folds: Annotated[int, Field(ge=2)] | None = None
    test_repeats: Annotated[int, Field(ge=1)] = 1
    stimuli: StimuliSettings
    subjects: Annotated[tuple[SubjectSettings, ...], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _renamed(cls, settings: Any) -> Any:
        if isinstance(settings, dict) and "folds" in settings:
            raise ValueError("folds is now n_outer_folds")
        return settings

    @model_validator(mode="after")
    def _consistent(self) -> "ArraySettings":
        if len(set(self.axes)) != len(self.axes) or set(self.axes) not in _AXES:
            raise ValueError("axes are clips and voxels, time and voxels, or clips, scans and voxels, in any order")
        if ("time" in self.axes) != (self.scans_per_clip is not None):
            raise ValueError("scans_per_clip is given with a time axis, and only with it")
        if self.tr > LONGEST and self.scans_per_clip != 1 and set(self.axes) != {"clips", "voxels"}:
            raise ValueError(f"tr is the seconds between scans, at most {LONGEST:g}; give 1.5 for 1500 ms")
        if any((subject.test is None) != (self.n_outer_folds is not None) for subject in self.subjects):
            raise ValueError("give n_outer_folds, or a test array for every subject")
        if len({subject.label for subject in self.subjects}) != len(self.subjects):
            raise ValueError("two subjects have the same label")
        return self
