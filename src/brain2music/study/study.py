"""The nouns of a listening study: clips, runs, presentations, and the study that holds them."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from .._utils.names import safe_name, unique_names
from ..audio.io import SUFFIXES

Split = Literal["train", "test"]


@dataclass(frozen=True, order=True)
class Clip:
    """An excerpt of a recording: what was heard, apart from when.

    ``track`` is the recording's id ("blues.00017"; for other studies the stimulus' file name), ``start`` and
    ``end`` the excerpt in seconds of that recording. Two clips are the same clip when those three agree.
    ``label`` is the clip's name where another clip would have the same: see :func:`name_clips`.
    """

    track: str
    start: float
    end: float
    genre: str = field(default="", compare=False)
    caption: str | None = field(default=None, compare=False)
    label: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(f"clip of {self.track!r} runs from {self.start} to {self.end} s")

    @property
    def recording(self) -> str:
        """The track without a sound's suffix: a song in two formats is one recording."""
        stem, dot, suffix = self.track.rpartition(".")
        return stem if f"{dot}{suffix}".lower() in SUFFIXES else self.track

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.start

    @property
    def name(self) -> str:
        """A file-name-safe id, unique within a study: ``blues.00017_6.44-21.44``."""
        return self.label or f"{safe_name(self.track)}_{self.start:g}-{self.end:g}"


def name_clips(clips: Iterable[Clip]) -> dict[Clip, str]:
    """The label of every clip whose own name another clip has too, or that is too long: its name with a digest."""
    plain = {f"{clip.track}\t{float(clip.start)!r}\t{float(clip.end)!r}": clip for clip in dict.fromkeys(clips)}
    names = unique_names({key: replace(clip, label="").name for key, clip in plain.items()})
    return {clip: names[key] for key, clip in plain.items() if names[key] != replace(clip, label="").name}


@dataclass(frozen=True)
class Presentation:
    """One clip heard once: ``onset`` and ``duration`` in seconds of the run, ``volumes`` the scans it covers.

    ``carry_in`` marks a clip played only to keep the run's first scans out of the data: never used.
    """

    clip: Clip
    onset: float
    duration: float
    volumes: range
    carry_in: bool = False


@dataclass(frozen=True)
class Run:
    """One BOLD run: its files, timing and what was heard. ``bold`` is None where only metadata is at hand.

    ``entities`` : all that the names of its files say to tell it from other runs, in their order.
    """

    subject: str
    task: str
    label: str
    split: Split
    events: Path
    bold: Path | None
    tr: float
    n_volumes: int | None
    presentations: tuple[Presentation, ...]
    session: str | None = None
    entities: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """The run's BIDS entities: ``sub-001_task-Test_run-01``."""
        if self.entities:
            return "_".join(f"{name}-{label}" for name, label in self.entities)
        session = f"_ses-{self.session}" if self.session else ""
        run = f"_run-{self.label}" if self.label else ""
        return f"sub-{self.subject}{session}_task-{self.task}{run}"


@dataclass(frozen=True)
class ImageOrigin:
    """Which images the responses are read from: raw, or preprocessed ones of a folder, in a space."""

    kind: Literal["raw", "preprocessed"] = "raw"
    folder: str = ""
    description: str = ""
    space: str = ""
    resolution: str = ""

    def __str__(self) -> str:
        if self.kind == "raw":
            return "the raw images, as they are"
        named = {"desc": self.description, "space": self.space, "res": self.resolution}
        labels = ", ".join(f"{name}-{label}" for name, label in named.items() if label)
        return f"the preprocessed images ({labels}) of {self.folder}"


@dataclass(frozen=True)
class Study:
    """A study in which people listened to music.

    Attributes
    ----------
    root : the BIDS folder.
    name : its name in dataset_description.json.
    runs : every run of every subject, training runs first, in run order.
    stimuli : the folder of recordings that clips are cut from, or None.
    simulated : True for simulated brains: shown as such wherever results are.
    everyone : labels of all subjects that the folder has, whether they were read or not; sorted.
    remarks : what was read around or left out, a line each.
    images : which images are read; None without images.
    """

    root: Path
    name: str
    runs: tuple[Run, ...]
    stimuli: Path | None = None
    simulated: bool = False
    everyone: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    images: ImageOrigin | None = None

    @property
    def subjects(self) -> tuple[str, ...]:
        """Subject labels without ``sub-``, sorted."""
        return tuple(sorted({run.subject for run in self.runs}))

    def runs_of(self, subject: str, split: Split | None = None) -> tuple[Run, ...]:
        """The subject's runs, of one split where given."""
        return tuple(run for run in self.runs if run.subject == subject and split in (None, run.split))

    def clips_of(self, split: Split, subject: str | None = None) -> tuple[Clip, ...]:
        """Distinct clips of a split, of one subject or all, as first presented; carry-ins are left out."""
        heard = (
            presentation.clip
            for run in self.runs
            if run.split == split and subject in (None, run.subject)
            for presentation in run.presentations
            if not presentation.carry_in
        )
        return tuple(dict.fromkeys(heard))

    @cached_property
    def train_clips(self) -> tuple[Clip, ...]:
        """Distinct training clips over all subjects."""
        return self.clips_of("train")

    @cached_property
    def test_clips(self) -> tuple[Clip, ...]:
        """Distinct test clips over all subjects."""
        return self.clips_of("test")
