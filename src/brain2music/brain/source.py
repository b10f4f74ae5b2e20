"""The interface to studies that the pipeline uses; studies of images and of arrays have it."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import pandas as pd

from .._utils.jobs import Parallel
from ..study.finding import Finding
from ..study.spans import Cutting
from ..study.stimuli import Stimuli
from ..study.study import Clip, ImageOrigin, Resampling
from .bids_source import BidsSource as BidsSource
from .responses import SplitResponses


@runtime_checkable
class Source(Protocol):
    """A study as the pipeline needs it.

    ``folds`` is None with a separate test set, else the number of folds in which all clips are scored. ``subjects``
    are those to be read, ``all_subjects`` those of the whole study; ``remarks`` has one line for each thing that was
    ignored or left out; ``images`` is the kind of images that are read, None for arrays.
    """

    @property
    def kind(self) -> Literal["bids", "arrays"]: ...
    @property
    def name(self) -> str: ...
    @property
    def simulated(self) -> bool: ...
    @property
    def note(self) -> str: ...
    @property
    def folds(self) -> int | None: ...
    @property
    def subjects(self) -> tuple[str, ...]: ...
    @property
    def all_subjects(self) -> tuple[str, ...]: ...
    @property
    def remarks(self) -> tuple[str, ...]: ...
    @property
    def images(self) -> ImageOrigin | None: ...
    @property
    def cutting(self) -> Cutting | None:
        """How pieces were cut into clips; None where clips are as they were presented."""
        ...

    @property
    def resampling(self) -> Resampling:
        """How responses are resampled to clips that start between scans."""
        ...

    @property
    def step_s(self) -> float: ...
    @property
    def stimuli(self) -> Stimuli: ...
    @property
    def root(self) -> Path | None:
        """The folder that holds the study and nothing else; None if its files are in several places."""
        ...

    @property
    def places(self) -> tuple[Path, ...]:
        """Folders and files from which the study is read."""
        ...

    def clips_presented(self, subject: str) -> tuple[Clip, ...]:
        """All clips that were presented to the subject."""
        ...

    @property
    def train_clips(self) -> tuple[Clip, ...]: ...
    @property
    def test_clips(self) -> tuple[Clip, ...]: ...

    @property
    def path(self) -> Path:
        """The folder or file of the study."""
        ...

    @property
    def has_time(self) -> bool:
        """Whether scans are contiguous from clip to clip, so that responses can be taken with a lag."""
        ...

    def tr_of(self, subject: str) -> float:
        """Repetition time of the subject in seconds."""
        ...

    def scans_of(self, subject: str) -> int:
        """Scans per clip of the subject."""
        ...

    def voxels_of(self, subject: str) -> int:
        """Largest possible number of voxels of the subject."""
        ...

    def clips_of(self, subject: str) -> tuple[Clip, ...]:
        """The clips on which decoders of the subject are fitted."""
        ...

    def examine(self) -> list[Finding]:
        """Find problems in the contents of images, arrays and tables, all of which are read once."""
        ...

    def keep(self, subjects: Sequence[str], remarks: Sequence[str] = (), excluded: Collection[str] = ()) -> "Source":
        """The study with some of its subjects and further remarks; ``excluded`` are dropped from ``all_subjects``."""
        ...

    def exclude(self, clips: Collection[Clip]) -> "Source":
        """The study as if these clips had not been presented."""
        ...

    def keeping(self, folder: Path, jobs: Parallel) -> "Source":
        """The study with what is read of its images kept in a folder, where several jobs read them."""
        ...

    def read_ahead(self, subjects: Sequence[str]) -> None:
        """Read the images of several subjects at once, if there are images and they are kept."""
        ...

    def kept_bytes(self, subject: str) -> int:
        """Bytes of what is kept of a subject's images; 0 where that is not known before they are read."""
        ...

    def responses(self, subject: str, lag_tr: int) -> SplitResponses:
        """Read the training and test responses of a subject; the latter are None if ``folds`` is not."""
        ...

    def motion(self, subject: str) -> pd.DataFrame | None:
        """How the head moved, a row per run and scan (see :func:`brain2music.brain.head_motion.read_motion`)."""
        ...

    def digests(self, subject: str) -> dict[str, str]:
        """sha256 of all files from which the responses of a subject are made, and of their metadata as read."""
        ...
