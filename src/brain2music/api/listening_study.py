"""A study for use from Python, which is asked for responses, sounds and embeddings."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from .._utils.errors import InputError
from .._utils.files import cache_folder, digest_text
from .._utils.progress import progress
from ..brain.arrays import ArrayStudy
from ..brain.preparation import preparation_of
from ..brain.responses import SplitResponses
from ..brain.source import BidsSource
from ..config import RunConfig
from ..embeddings.captions import read_captions, with_captions
from ..embeddings.clips import embed_clips
from ..embeddings.embeddings import Embeddings
from ..models.embedders import get_embedder
from ..study.study import Clip


@dataclass(frozen=True)
class ListeningStudy:
    r"""A study in which people listened to music, of images or of arrays.

    It is made by :func:`load_study`, :func:`load_arrays` or :func:`simulate_study`.

    Attributes
    ----------
    source : BidsSource or ArrayStudy
        Where its responses come from.
    settings : RunConfig
        Settings of its images and sounds, with which :func:`run` goes on.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import pandas as pd
    >>> import soundfile
    >>> import brain2music as b2m
    >>> rng = np.random.default_rng(0)
    >>> Path("music").mkdir()
    >>> for name in ("blues", "jazz", "metal", "pop"):
    ...     soundfile.write(f"music/{name}.wav", 0.1 * rng.normal(size=24_000), 8000)
    >>> pd.DataFrame({"file": ["blues", "jazz", "metal", "pop"]}).to_csv("stimuli.tsv", sep="\t", index=False)
    >>> np.save("bold.npy", rng.normal(size=(4, 300)))
    >>> _ = Path("arrays.toml").write_text('''
    ... name = "four songs"
    ... tr = 3.0
    ... axes = ["clips", "voxels"]
    ... n_outer_folds = 2
    ... stimuli = {folder = "music", table = "stimuli.tsv"}
    ... subjects = [{label = "01", train = {file = "bold.npy"}}]
    ... ''')
    >>> study = b2m.load_arrays("arrays.toml")
    >>> study.name, study.subjects, [clip.track for clip in study.clips]
    ('four songs', ('01',), ['blues.wav', 'jazz.wav', 'metal.wav', 'pop.wav'])
    >>> study.responses("01").train.data.shape
    (4, 1, 300)
    >>> music = study.embed("logmel", window_s=1.5, cache_dir="embeddings")
    >>> music.names == tuple(clip.name for clip in study.clips)
    True
    """

    source: BidsSource | ArrayStudy
    settings: RunConfig
    _embedded: dict[tuple[str, float], Embeddings] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """Name of the study."""
        return self.source.name

    @property
    def subjects(self) -> tuple[str, ...]:
        """Labels of its subjects, without ``sub-``."""
        return self.source.subjects

    @property
    def simulated(self) -> bool:
        """Whether the brains are simulated."""
        return self.source.simulated

    @property
    def clips(self) -> tuple[Clip, ...]:
        """All clips, training clips first."""
        return (*self.source.train_clips, *self.source.test_clips)

    @property
    def preparation(self) -> dict[str, Any]:
        """How responses are made from its images, and its sounds were presented, for models that are saved."""
        return preparation_of(self.source, self.settings)

    def responses(self, subject: str, *, lag_tr: int | None = None, lag_s: float | None = None) -> SplitResponses:
        """Read the responses of one subject to the clips, z-scored per run and averaged over repeats.

        Parameters
        ----------
        subject : str
            Label of the subject, with or without ``sub-``.
        lag_tr : int, optional
            Scans by which responses follow the sound.
        lag_s : float, optional
            The lag in seconds, which is rounded to whole scans; default 4.5 s. Responses without a time axis take no
            lag.

        Returns
        -------
        SplitResponses
            ``train`` and ``test``, each with ``data`` of shape (clips, scans, voxels); ``test`` is None if the study
            has no test clips, and all are to be scored in folds (:func:`cross_validate`).

        Raises
        ------
        InputError
            There is no such subject, an image or array is missing or unusable, or both lags are given.
        """
        label = subject.removeprefix("sub-")
        if label not in self.subjects:
            what = f"there is no subject {subject!r}"
            raise InputError(what, self.source.path, f"choose among {', '.join(self.subjects)}")
        if not self.source.has_time:
            return self.source.responses(label, 0)
        settings = self.settings.changed(**not_none(lag_tr=lag_tr, lag_s=lag_s))
        return self.source.responses(label, settings.lag_in_scans(self.source.tr_of(label)))

    def waveform(self, clip: Clip | str) -> tuple[Float32[np.ndarray, " samples"], int]:
        """Sound of a clip as it was presented: the excerpt of its recording, faded and at the level of all.

        Parameters
        ----------
        clip : Clip or str
            One of :attr:`clips`, or its name.

        Returns
        -------
        waveform : ndarray of shape (samples,)
            Mono; peaks may exceed 1, as the level is set by the root mean square.
        sample_rate : int
            In Hz.

        Raises
        ------
        InputError
            There is no such clip, or its recording is missing, unreadable, too short or silent.
        """
        name = clip if isinstance(clip, str) else clip.name
        found = next((each for each in self.clips if each.name == name), None)
        if found is None:
            raise InputError(f"there is no clip {name!r}", self.source.path, "choose among the names of its clips")
        return self.source.stimuli.waveform(found)

    def embed(self, name: str, *, window_s: float | None = None, cache_dir: str | Path | None = None) -> Embeddings:
        """Embed all clips as they were presented, with a window every TR.

        Parameters
        ----------
        name : str
            Name of the embedding; ``brain2music models`` lists them.
        window_s : float, optional
            Seconds of sound per window; default that of the model.
        cache_dir : str or Path, optional
            Folder in which the embedding of each clip is kept, and found again while sound and model are the same;
            default a folder of the study in ``$XDG_CACHE_HOME/brain2music`` (``~/.cache/brain2music``).

        Returns
        -------
        Embeddings
            ``data`` of shape (clips, windows, dims), and the names of the clips, training clips first.

        Raises
        ------
        InputError
            There is no such embedding, its weights are not here, or a recording is missing or cannot be read.
        """
        embedder = get_embedder(name, window_s or self.settings.window_s, self.source.step_s)
        key = (name, embedder.space.window_s)
        if key not in self._embedded:
            folder = _cache_of(self.source.path) if cache_dir is None else Path(cache_dir)
            captions = read_captions(self.settings.stimuli.captions) if self.settings.stimuli.captions else None
            clips = with_captions(self.clips, captions) if captions else self.clips
            with progress(f"embed {name}") as advance:
                self._embedded[key] = embed_clips(clips, self.source.stimuli, embedder, folder, advance)
        return self._embedded[key]


def _cache_of(study: Path) -> Path:
    return cache_folder() / "embeddings" / digest_text(str(study.resolve()))[:16]


def not_none(**arguments: Any) -> dict[str, Any]:
    """The arguments that were given."""
    return {name: value for name, value in arguments.items() if value is not None}
