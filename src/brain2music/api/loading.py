"""Studies from BIDS folders and response arrays, and simulated ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from .._utils.errors import InputError
from .._utils.progress import progress
from ..brain.arrays import read_arrays_study
from ..brain.source import BidsSource
from ..config import RunConfig
from ..simulation.brain.design import StudyDesign
from .listening_study import ListeningStudy


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
    from ..simulation.brain import simulate
    from ..simulation.brain.cached import simulate_cached

    if out is None and stimuli is not None:
        raise InputError("a study of your own music is not kept in the cache", stimuli, "name a folder for the study")
    arguments: dict[str, Any] = {"design": design, "n_subjects": n_subjects, "resolution_mm": resolution_mm, "tr": tr}
    arguments |= {"seed": seed, "n_jobs": n_jobs}
    with progress("simulate a study") as advance:
        if out is None:
            return load_study(simulate_cached(**arguments, progress=advance))
        simulate(out, **arguments, stimuli=stimuli, progress=advance)
    return load_study(out)


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)
