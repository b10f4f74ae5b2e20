"""Studies for use from Python: loaded from BIDS, from arrays or simulated, each asked for responses and embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32

from ._utils.errors import InputError
from ._utils.files import cache_folder, digest_text
from ._utils.jobs import Parallel
from ._utils.progress import progress
from .brain.arrays import ArrayStudy, read_arrays_study
from .brain.preparation import preparation_of
from .brain.responses import SplitResponses
from .brain.source import BidsSource
from .config import RunConfig
from .embeddings.captions import read_captions, with_captions
from .embeddings.clips import embed_clips
from .embeddings.embeddings import Embeddings
from .models.embedders import get_embedder
from .simulation.brain.design import StudyDesign
from .study.study import Clip

READ = (
    *("events.train_task", "events.test_task", "events.column", "events.values"),
    *("events.stimulus", "events.stimulus_table", "events.piece", "events.marker_s"),
    *("events.clip_s", "events.clip_step_s", "events.block_s", "events.gap_s", "events.resampling"),
    *("preprocessing.raw_images", "preprocessing.bids_filter"),
)
"""Settings by which a study was read: a run cannot change them any more."""


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
        settings = self.settings.changed(**_not_none(lag_tr=lag_tr, lag_s=lag_s))
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


def load_study(
    bids_dir: str | Path,
    stimuli: str | Path | None = None,
    *,
    derivatives: str | Path | None = None,
    subjects: Sequence[str] = (),
    **settings: Any,
) -> ListeningStudy:
    r"""Read a BIDS study: its tables and headers now, images and sound when they are asked for.

    Parameters
    ----------
    bids_dir : str or Path
        The BIDS folder.
    stimuli : str or Path, optional
        Folder of the recordings; default ``bids_dir/stimuli``.
    derivatives : str or Path, optional
        Folder of preprocessed images (fMRIPrep); default the folder in ``bids_dir/derivatives`` that has them.
    subjects : sequence of str, optional
        Labels of the subjects to read; default all.
    **settings
        Settings of :class:`brain2music.config.RunConfig`, each by its name alone (``detrend="cosine"``) or in its
        section (``preprocessing={"detrend": "cosine"}``).

    Returns
    -------
    ListeningStudy
        The study.

    Raises
    ------
    InputError
        The first thing that is wrong with the study, or with a subject that was named; or a setting is not valid.

    See Also
    --------
    brain2music.study.check_study : Reports everything that is wrong with a study.
    load_arrays : Reads a study of response arrays.

    Examples
    --------
    >>> import brain2music as b2m
    >>> study = b2m.load_study("ds003720", stimuli="GTZAN")  # doctest: +SKIP
    >>> bold, music = study.responses("001"), study.embed("musicnn-mtt")  # doctest: +SKIP

    A study of one run of two clips, written by hand:

    >>> from pathlib import Path
    >>> import nibabel
    >>> import numpy as np
    >>> import pandas as pd
    >>> func = Path("bids/sub-01/func")
    >>> func.mkdir(parents=True)
    >>> _ = Path("bids/dataset_description.json").write_text('{"Name": "tiny", "BIDSVersion": "1.10.0"}')
    >>> _ = Path(func, "sub-01_task-music_bold.json").write_text('{"RepetitionTime": 1.5, "TaskName": "music"}')
    >>> scans = np.random.default_rng(0).normal(100, 5, (3, 3, 3, 40)).astype(np.float32)
    >>> nibabel.save(nibabel.Nifti1Image(scans, np.eye(4)), func / "sub-01_task-music_bold.nii.gz")
    >>> mask = Path("bids/derivatives/masks/sub-01/anat/sub-01_desc-brain_mask.nii.gz")
    >>> mask.parent.mkdir(parents=True)
    >>> nibabel.save(nibabel.Nifti1Image(np.ones((3, 3, 3), np.uint8), np.eye(4)), mask)
    >>> events = pd.DataFrame({"onset": [0, 30], "duration": [15, 15], "stim_file": ["blues.wav", "jazz.wav"]})
    >>> events.to_csv(func / "sub-01_task-music_events.tsv", sep="\t", index=False)
    >>> bold = b2m.load_study("bids").responses("01", lag_s=4.5).train
    >>> bold.data.shape, bold.lag_tr
    ((2, 10, 27), 3)
    """
    config = RunConfig.of(**settings)
    folders = {"stimuli": _path(stimuli), "derivatives": _path(derivatives)}
    return ListeningStudy(BidsSource.read(Path(bids_dir), config, **folders, subjects=subjects), config)


def load_arrays(arrays_toml: str | Path, **settings: Any) -> ListeningStudy:
    r"""Read a study of response arrays with a list of stimuli.

    Parameters
    ----------
    arrays_toml : str or Path
        The file that says where arrays and stimuli are, such as ``recipes/natsound165.toml``.
    **settings
        Settings of :class:`brain2music.config.RunConfig`, by name or in sections, as for :func:`load_study`.

    Returns
    -------
    ListeningStudy
        The study.

    Raises
    ------
    InputError
        The file is not valid, a stimulus of the list cannot be found, or a setting is not valid.

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
    >>> bold = b2m.load_arrays("arrays.toml").responses("01")
    >>> bold.train.data.shape, bold.test
    ((4, 1, 300), None)
    """
    config = RunConfig.of(**settings)
    return ListeningStudy(read_arrays_study(Path(arrays_toml)), config)


def simulate_study(
    out: str | Path | None = None,
    *,
    design: Literal["small", "quick", "ds003720"] | StudyDesign = "quick",
    n_subjects: int = 1,
    resolution_mm: float | None = None,
    tr: float | None = None,
    stimuli: str | Path | None = None,
    seed: int = 0,
    n_jobs: int | None = None,
) -> ListeningStudy:
    """Simulate a study with known truth, and load it.

    A BIDS study is written, with its stimuli and its ground truth (:func:`brain2music.simulation.brain.read_truth`).
    Nobody is scanned, and everything made from the study is marked as simulated.

    Parameters
    ----------
    out : str or Path, optional
        New or empty folder; default a folder in ``$XDG_CACHE_HOME/brain2music`` (``~/.cache/brain2music``), where the
        same arguments find the study again.
    design : {"small", "quick", "ds003720"} or StudyDesign, default "quick"
        ``quick`` has 6 + 2 runs and 120 + 20 clips, ``ds003720`` the 12 + 6 runs and 480 + 60 clips of the real study,
        ``small`` 4 + 2 runs and 60 + 20 clips with stronger responses, for examples; or a design of your own
        (:class:`brain2music.simulation.brain.StudyDesign`).
    n_subjects : int, default 1
        Number of subjects.
    resolution_mm : float, optional
        Voxel size in mm; default 4 for ds003720, 6 for the others.
    tr : float, optional
        Repetition time in seconds; default 1.5.
    stimuli : str or Path, optional
        Folder of music, GENRE/TRACK.wav; default music composed by rule.
    seed : int, default 0
        Seed of the random numbers; the same seed gives the same bytes.
    n_jobs : int, optional
        Runs processed in parallel; default one per core.

    Returns
    -------
    ListeningStudy
        The study, whose responses and scores are marked as simulated.

    Raises
    ------
    InputError
        ``out`` is not empty, or not given where there are ``stimuli``; a parameter is not valid; there is not enough
        music.

    Examples
    --------
    A small study of one subject, to noise:

    >>> import numpy as np
    >>> import brain2music as b2m
    >>> from brain2music.audio import write_audio
    >>> from brain2music.simulation.brain import StudyDesign
    >>> rng = np.random.default_rng(0)
    >>> for genre in ("jazz", "rock"):
    ...     for number in range(13):
    ...         write_audio(f"music/{genre}/{number}.wav", rng.uniform(-0.1, 0.1, 8 * 8000), 8000)
    >>> design = StudyDesign(
    ...     train_runs=1, train_clips=20, test_runs=1, test_clips=5, repeats=4, resolution_mm=12.0, snr=1.0, clip_s=7.5
    ... )
    >>> study = b2m.simulate_study("study", design=design, stimuli="music", n_jobs=1)
    >>> study.subjects, len(study.clips), study.simulated
    (('001',), 25, True)
    """
    from .simulation.brain import simulate
    from .simulation.brain.cached import simulate_cached

    if out is None and stimuli is not None:
        raise InputError("a study of your own music is not kept in the cache", stimuli, "name a folder for the study")
    arguments: dict[str, Any] = {"design": design, "n_subjects": n_subjects, "resolution_mm": resolution_mm, "tr": tr}
    arguments |= {"seed": seed, "n_jobs": n_jobs}
    with progress("simulate a study") as advance:
        if out is None:
            return load_study(simulate_cached(**arguments, progress=advance))
        simulate(out, **arguments, stimuli=stimuli, progress=advance)
    return load_study(out)


def run(
    study: ListeningStudy,
    out: str | Path,
    *,
    embeddings: Sequence[str] | None = None,
    generator: str | None = None,
    galleries: Sequence[str | Path] = (),
    level: Literal["participant", "group"] = "participant",
    subjects: Sequence[str] = (),
    n_jobs: int | None = None,
    scheduler: str | None = None,
    **settings: Any,
) -> Path:
    r"""Decode, retrieve, generate, score and map a study, as the command ``brain2music run`` does.

    Running again does only what is missing or has changed.

    Parameters
    ----------
    study : ListeningStudy
        The study, with the settings that it was loaded with.
    out : str or Path
        Folder of the outputs, outside the study or in its ``derivatives``.
    embeddings : sequence of str, optional
        Embeddings to decode; default musicnn-mtt.
    generator : str, optional
        Generator that makes music from the decoded embeddings.
    galleries : sequence of str or Path, optional
        Galleries of music to retrieve from.
    level : {"participant", "group"}
        The group level adds the summary over the subjects that were decoded.
    subjects : sequence of str, optional
        Subjects to decode; default all.
    n_jobs : int, optional
        Processes that read images at once; default one per core.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers read images in place of processes.
    **settings
        Further settings of :class:`brain2music.config.RunConfig`, by name or in sections, as for :func:`load_study`.

    Returns
    -------
    Path
        The page, ``OUT/index.html``; scores are in ``OUT/scores.json`` beside it.

    Raises
    ------
    LeakageError
        Training and test data share what they must not share.
    InputError
        Anything else is wrong with the input, or a setting by which the study was read differs.

    Examples
    --------
    >>> import brain2music as b2m
    >>> study = b2m.load_study("ds003720", stimuli="GTZAN")  # doctest: +SKIP
    >>> page = b2m.run(study, "OUT", embeddings=["musicnn-mtt"], galleries=["GALLERY"])  # doctest: +SKIP
    >>> scores = b2m.metrics.read_scores(page.with_name("scores.json"))  # doctest: +SKIP

    Settings are checked before anything is computed:

    >>> from pathlib import Path
    >>> import numpy as np
    >>> import pandas as pd
    >>> import soundfile
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
    >>> b2m.run(study, "OUT", n_permutation=1000)
    Traceback (most recent call last):
        ...
    brain2music...InputError: there is no setting n_permutation. Did you mean evaluation.n_permutations?
    """
    config = study.settings.changed(**settings, **_not_none(embeddings=embeddings, generator=generator))
    before, after = study.settings.flat(), config.flat()
    for name in READ:
        if after[name] != before[name]:
            raise InputError(f"the study was read with another {name}", study.source.path, "give it to load_study")
    source = study.source
    source = source.with_settings(config) if isinstance(source, BidsSource) else source
    paths = [Path(gallery) for gallery in galleries]
    with progress("run"):
        from .pipeline.run import run_pipeline
        from .report.page import build_report

        jobs = Parallel(n_jobs, scheduler)
        run_pipeline(source, Path(out), config, level=level, subjects=subjects, galleries=paths, jobs=jobs)
        return build_report(Path(out))


def _not_none(**arguments: Any) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value is not None}


def _cache_of(study: Path) -> Path:
    return cache_folder() / "embeddings" / digest_text(str(study.resolve()))[:16]


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)
