"""The data classes of a music-listening study: clips, presentations, runs, and the study that holds them."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from .._utils.names import safe_name, unique_names
from ..audio.io import SUFFIXES
from .spans import Cutting

Split = Literal["train", "test"]
Resampling = Literal["none", "linear", "sinc"]


@dataclass(frozen=True, order=True)
class Clip:
    """An excerpt of a recording, whenever it is presented.

    Two clips are the same if ``track``, ``start`` and ``end`` are equal.

    Attributes
    ----------
    track : str
        Id of the recording ("blues.00017"; in other studies the file name of the stimulus).
    start, end : float
        Limits of the excerpt, in seconds of the recording.
    genre : str
        Genre; "" if unknown.
    caption : str or None
        Description of the music.
    label : str
        Name of the clip if another clip would have the same one.
    artist : str
        Artist or composer; "" if unknown.
    block : int or None
        Block of a piece of which other blocks may be in other folds; None where recordings are undivided.
    piece : tuple of (float, float) or None
        Limits of what was presented, in seconds of the recording, where the clip is a part of it: fades are at these,
        and the level is that of the whole. None where the clip is what was presented.

    Raises
    ------
    ValueError
        The clip does not end after its start, or starts before 0.

    Examples
    --------
    >>> from brain2music.study import Clip
    >>> clip = Clip("blues.00017", 6.44, 21.44, genre="blues")
    >>> clip.name, clip.duration
    ('blues.00017_6.44-21.44', 15.0)
    """

    track: str
    start: float
    end: float
    genre: str = field(default="", compare=False)
    caption: str | None = field(default=None, compare=False)
    label: str = field(default="", compare=False)
    artist: str = field(default="", compare=False)
    block: int | None = field(default=None, compare=False)
    piece: tuple[float, float] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(f"clip of {self.track!r} runs from {self.start} to {self.end} s")

    @property
    def recording(self) -> str:
        """The track without the suffix of a sound file: a song in two formats is one recording."""
        stem, dot, suffix = self.track.rpartition(".")
        return stem if f"{dot}{suffix}".lower() in SUFFIXES else self.track

    @property
    def unit(self) -> tuple[str, int | None]:
        """What no fold divides: the recording, or the block of it."""
        return self.recording, self.block

    @property
    def duration(self) -> float:
        """Duration in seconds."""
        return self.end - self.start

    @property
    def name(self) -> str:
        """Id that is safe as a file name and unique within a study: ``blues.00017_6.44-21.44``."""
        return self.label or f"{safe_name(self.track)}_{self.start:g}-{self.end:g}"


def name_clips(clips: Iterable[Clip]) -> dict[Clip, str]:
    """Give a label (the name with a digest) to every clip whose name is too long or is also that of another clip."""
    plain = {f"{clip.track}\t{float(clip.start)!r}\t{float(clip.end)!r}": clip for clip in dict.fromkeys(clips)}
    names = unique_names({key: replace(clip, label="").name for key, clip in plain.items()})
    return {clip: names[key] for key, clip in plain.items() if names[key] != replace(clip, label="").name}


@dataclass(frozen=True)
class Presentation:
    """One presentation of a clip in a run.

    Attributes
    ----------
    clip : Clip
        The clip that was presented.
    onset, duration : float
        Seconds from the first scan of the run, and seconds of the presentation.
    volumes : range
        Scans that the presentation covers.
    carry_in : bool
        Whether the clip was presented only to keep the first scans of the run out of the data; it is never used.

    Examples
    --------
    >>> from brain2music.study import Clip, Presentation
    >>> heard = Presentation(Clip("blues.00017", 0.0, 15.0), onset=15.0, duration=15.0, volumes=range(10, 20))
    >>> len(heard.volumes), heard.carry_in
    (10, False)
    """

    clip: Clip
    onset: float
    duration: float
    volumes: range
    carry_in: bool = False


@dataclass(frozen=True)
class Run:
    """One BOLD run, with its files, its timing and its presentations.

    Attributes
    ----------
    subject, task, label : str
        BIDS labels of the subject, the task and the run.
    split : {"train", "test"}
        Whether its clips are for training or for testing.
    events : Path
        The table of events.
    bold : Path or None
        The image; None if only the metadata are available.
    tr : float
        Repetition time in seconds.
    n_volumes : int or None
        Number of scans; None if unknown.
    presentations : tuple of Presentation
        The presentations in order of time.
    session : str or None
        BIDS label of the session.
    entities : tuple of (str, str)
        All BIDS entities that distinguish this run from others, in the order of the file name.

    Examples
    --------
    >>> from pathlib import Path
    >>> from brain2music.study import Clip, Presentation, Run
    >>> heard = (Presentation(Clip("blues.00017", 0.0, 15.0), 0.0, 15.0, range(10)),)
    >>> Run("001", "Test", "01", "test", Path("events.tsv"), Path("bold.nii.gz"), 1.5, 400, heard).name
    'sub-001_task-Test_run-01'
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
        """The BIDS entities of the run: ``sub-001_task-Test_run-01``."""
        if self.entities:
            return "_".join(f"{name}-{label}" for name, label in self.entities)
        session = f"_ses-{self.session}" if self.session else ""
        run = f"_run-{self.label}" if self.label else ""
        return f"sub-{self.subject}{session}_task-{self.task}{run}"


@dataclass(frozen=True)
class ImageOrigin:
    """The kind of images that responses are read from: raw ones, or preprocessed ones in a given space."""

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
    """A BIDS study in which people listened to music: its metadata, without voxels and sound.

    Attributes
    ----------
    root : Path
        The BIDS folder.
    name : str
        The name in ``dataset_description.json``.
    runs : tuple of Run
        All runs of all subjects, training runs first.
    stimuli : Path or None
        The folder of the recordings that clips are excerpts of.
    simulated : bool
        Whether the brains are simulated, which is shown wherever results are.
    all_subjects : tuple of str
        Labels of all subjects in the folder, whether or not they were read; sorted.
    remarks : tuple of str
        One line for each thing that was ignored or left out.
    images : ImageOrigin or None
        The kind of images that are read; None without images.
    resampling : {"none", "linear", "sinc"}
        How responses are resampled to clips that start between scans; "none": the nearest scans are taken.
    cutting : Cutting or None
        How pieces were cut into clips; None where clips are as they were presented.

    See Also
    --------
    read_study : Reads it.
    brain2music.load_study : Reads it for responses and embeddings.

    Examples
    --------
    >>> from pathlib import Path
    >>> from brain2music.study import Clip, Presentation, Run, Study
    >>> heard = (Presentation(Clip("blues.00017", 0.0, 15.0), 0.0, 15.0, range(10)),)
    >>> run = Run("001", "Test", "01", "test", Path("events.tsv"), None, 1.5, 400, heard)
    >>> study = Study(Path("ds003720"), "music_genre", (run,))
    >>> study.subjects, [clip.name for clip in study.test_clips], study.train_clips
    (('001',), ['blues.00017_0-15'], ())
    """

    root: Path
    name: str
    runs: tuple[Run, ...]
    stimuli: Path | None = None
    simulated: bool = False
    all_subjects: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    images: ImageOrigin | None = None
    resampling: Resampling = "none"
    cutting: Cutting | None = None

    @property
    def subjects(self) -> tuple[str, ...]:
        """Labels of the subjects without ``sub-``, sorted."""
        return tuple(sorted({run.subject for run in self.runs}))

    def runs_of(self, subject: str, split: Split | None = None) -> tuple[Run, ...]:
        """Select the runs of one subject.

        Parameters
        ----------
        subject : str
            Label of the subject.
        split : {"train", "test"}, optional
            Split of the runs; default both.

        Returns
        -------
        tuple of Run
            The runs, training runs first.
        """
        return tuple(run for run in self.runs if run.subject == subject and split in (None, run.split))

    def clips_of(self, split: Split, subject: str | None = None) -> tuple[Clip, ...]:
        """List the distinct clips of a split without carry-ins, in order of first presentation.

        Parameters
        ----------
        split : {"train", "test"}
            Split of the clips.
        subject : str, optional
            Label of a subject; default all subjects.

        Returns
        -------
        tuple of Clip
            The clips.
        """
        presented = (
            presentation.clip
            for run in self.runs
            if run.split == split and subject in (None, run.subject)
            for presentation in run.presentations
            if not presentation.carry_in
        )
        return tuple(dict.fromkeys(presented))

    @cached_property
    def train_clips(self) -> tuple[Clip, ...]:
        """Distinct training clips of all subjects."""
        return self.clips_of("train")

    @cached_property
    def test_clips(self) -> tuple[Clip, ...]:
        """Distinct test clips of all subjects."""
        return self.clips_of("test")
