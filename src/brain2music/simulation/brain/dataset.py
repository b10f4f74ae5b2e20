"""Simulation of a study: a BIDS data set of simulated subjects who listen to music, with its ground truth."""

import math
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from ... import __version__
from ..._utils.errors import InputError
from ..._utils.files import new_folder, write_json, write_table, write_text
from ...study.bids import read_study
from ...study.cutting import AS_PRESENTED
from ...study.stimuli import Stimuli
from ...study.study import Clip
from ...study.timing import PLAUSIBLE
from ..music.render import write_corpus
from . import recordings
from .confounds import simulate_confounds
from .design import DESIGNS, PlannedRun, StudyDesign, events_table, plan_runs, runs_of_study
from .features import FeatureSpace, feature_space, sound_features
from .images import write_bold
from .stimulus_library import as_stimulus_library, stimulus_events
from .subject import SimulatedSubject, make_subject
from .truth import FOLDER, write_features, write_truth

Advance = Callable[[int, int], None]
Item = TypeVar("Item")


def simulate(
    out: str | Path,
    *,
    design: Literal["small", "quick", "ds003720"] | StudyDesign = "quick",
    n_subjects: int = 1,
    resolution_mm: float | None = None,
    seed: int = 0,
    events: str | Path | None = None,
    stimuli: str | Path | None = None,
    snr: float | None = None,
    tr: float | None = None,
    motion: bool = False,
    layout: Literal["ds003720", "bep044"] = "ds003720",
    n_jobs: int | None = None,
    progress: Advance | None = None,
) -> None:
    """Write a simulated BIDS study with its stimuli and its ground truth.

    Nobody is scanned: responses to the features of the music are simulated, with noise, in voxels of a template brain.
    The truth is written to ``derivatives/simulation``, and the study is marked as simulated. The same seed gives the
    same bytes.

    Parameters
    ----------
    out : str or Path
        New or empty folder. The study appears complete or not at all.
    design : {"small", "quick", "ds003720"} or StudyDesign, default "quick"
        ``ds003720`` has the real run structure (12 + 6 runs, 480 + 60 clips of 15 s), ``quick`` the same structure
        with 6 + 2 runs and 120 + 20 clips, ``small`` with 4 + 2 runs and 60 + 20 clips of 12 s; or a design of your
        own. With ``events`` it determines only the defaults below.
    n_subjects : int, default 1
        Number of subjects, 1 to 999.
    resolution_mm : float, optional
        Voxel size in mm; default 4 for ds003720, 6 for the others.
    seed : int, default 0
        Seed of the random numbers.
    events : str or Path, optional
        BIDS folder (ds003720 itself) whose event files are copied unchanged; default generated events. If it has fewer
        subjects, their events are reused in turn.
    stimuli : str or Path, optional
        Folder of music, GENRE/TRACK.wav, of which the presented tracks are copied; default music composed by rule.
        ``truth.tsv`` in it (track, mood, instruments) adds features, besides genre, for late regions.
    snr : float, optional
        Standard deviation of the response over that of the noise, for the median voxel of Heschl's gyrus. The default
        is 0.27 for ds003720, at which single-trial genre classification is as users of the real data report (27-40 %;
        ``benchmarks/simulated_snr.py``), 0.6 for quick, which has a quarter of the clips for training, and 1 for small.
    tr : float, optional
        Repetition time in seconds; default 1.5. Not allowed with ``events``, which have their own.
    motion : bool, default False
        Whether to move the head, and to write its motion with the other confounds.
    layout : {"ds003720", "bep044"}, default "ds003720"
        How stimuli and events are laid out: as in ds003720, or as in BIDS extension proposal 44, with ``stim_id`` in
        events, and with ``stimuli.tsv``, JSON files and annotations beside the recordings. Not with ``events``.
    n_jobs : int, optional
        Runs processed in parallel; default one per core. It does not change what is written.
    progress : callable, optional
        Called with (steps done, steps to do).

    Raises
    ------
    InputError
        ``out`` is not empty, a parameter is not valid, or there is not enough music or events for the design.

    See Also
    --------
    brain2music.simulate_study : Simulate a study and load it.

    Examples
    --------
    A small study of one subject, to noise:

    >>> import numpy as np
    >>> from brain2music.audio import write_audio
    >>> from brain2music.simulation.brain import StudyDesign, read_truth, simulate
    >>> rng = np.random.default_rng(0)
    >>> for genre in ("jazz", "rock"):
    ...     for number in range(13):
    ...         write_audio(f"music/{genre}/{number}.wav", rng.uniform(-0.1, 0.1, 8 * 8000), 8000)
    >>> design = StudyDesign(
    ...     train_runs=1, train_clips=20, test_runs=1, test_clips=5, repeats=4, resolution_mm=12.0, snr=1.0, clip_s=7.5
    ... )
    >>> simulate("study", design=design, stimuli="music", n_jobs=1)
    >>> truth = read_truth("study", "001")
    >>> len(truth.table), truth.settings["simulated"]
    (625, True)
    """
    shape = _design_of(design)
    _check_parameters(shape, n_subjects, resolution_mm, snr, tr, events)
    if layout not in ("ds003720", "bep044"):
        raise InputError(f"there is no layout {layout!r}", hint="choose among ds003720, bep044")
    if layout != "ds003720" and events is not None:
        raise InputError("a layout is given with events, which have their own", events, "leave one of them out")
    shape = replace(shape, resolution_mm=resolution_mm or shape.resolution_mm, snr=snr or shape.snr, tr=tr or shape.tr)
    labels = [f"{number:03d}" for number in range(1, n_subjects + 1)]
    with new_folder(Path(out)) as root, threadpool_limits(1):
        planned = plan_subjects(labels, shape, seed, events, stimuli)
        clips = clips_of(planned)
        composed = {} if stimuli is not None else recordings.compose_counts(clips)
        steps = _Steps(progress, sum(composed.values()) + len(clips) + sum(map(len, planned)))
        if stimuli is None:
            write_corpus(root / "stimuli", composed, seed, shape.track_s, n_jobs=n_jobs, progress=steps.one)
        else:
            recordings.copy_tracks(clips, Path(stimuli), root / "stimuli", by_events=events is not None)
        if layout == "bep044":
            planned = as_stimulus_library(root / "stimuli", planned, composed=stimuli is None)
        space = extract_features(root / "stimuli", planned, n_jobs, steps.one)
        name = design if isinstance(design, str) else "custom"
        settings: dict[str, Any] = {
            "design": name,
            "seed": seed,
            "snr": shape.snr,
            "resolution_mm": shape.resolution_mm,
        }
        settings |= {} if tr is None else {"tr": tr}
        settings |= {} if layout == "ds003720" else {"layout": layout}
        _write_description(root, labels, settings, events)
        write_features(root, space)
        for index, (label, runs) in enumerate(zip(labels, planned, strict=True)):
            subject = make_subject(runs, space, shape.resolution_mm, shape.snr, seed, index)
            write_truth(root, label, subject, settings)
            for _ in _each(partial(_write_run, root, label, subject, motion, layout), range(len(runs)), n_jobs):
                steps.one()


def plan_subjects(
    subjects: Sequence[str],
    shape: StudyDesign,
    seed: int,
    events: str | Path | None = None,
    music: str | Path | None = None,
) -> list[tuple[PlannedRun, ...]]:
    """Plan the runs of each subject; subjects of a generated design all have the same."""
    if events is not None:
        study = read_study(events, need_images=False, events=AS_PRESENTED)
        real = [runs_of_study(study, subject) for subject in study.subjects]
        return [real[i % len(real)] for i in range(len(subjects))]
    if music is not None:
        lengths = recordings.track_lengths(recordings.catalogue(Path(music)))
    else:
        lengths = recordings.composed_lengths(shape.n_clips, shape.track_s)
    return [plan_runs(shape, lengths, np.random.default_rng((seed, 0)))] * len(subjects)


@threadpool_limits.wrap(limits=1)  # sums must not depend on the number of threads
def extract_features(
    stimuli: Path,
    planned: Sequence[Sequence[PlannedRun]],
    n_jobs: int | None = None,
    one_done: Callable[[], None] = lambda: None,
) -> FeatureSpace:
    """Extract the features of all clips, as they are presented from the folder ``stimuli``."""
    clips = clips_of(planned)
    presented = Stimuli(stimuli)
    sounds = {}
    for clip, features in zip(
        clips, _each(lambda clip: sound_features(*presented.waveform(clip)), clips, n_jobs), strict=True
    ):
        sounds[clip] = features
        one_done()
    train = clips_of([[run for run in runs if run.split == "train"] for runs in planned])
    return feature_space(sounds, recordings.read_truth_table(stimuli, clips), train)


def clips_of(planned: Sequence[Sequence[PlannedRun]]) -> list[Clip]:
    """List the distinct clips that are presented to any subject, in order."""
    return list(dict.fromkeys(shown.clip for runs in planned for run in runs for shown in run.presentations))


def _write_run(root: Path, label: str, subject: SimulatedSubject, motion: bool, layout: str, index: int) -> None:
    """Write the image, the sidecar, the events and the confounds of one run."""
    run = subject.runs[index]
    name = f"sub-{label}_{run.name}"
    session = dict(run.entities).get("ses")
    own = Path(f"sub-{label}", *([f"ses-{session}"] if session else []), "func")
    raw, derived = root / own, root / FOLDER / own
    raw.mkdir(parents=True, exist_ok=True)
    scans, head_motion = subject.scans(index), subject.motion(index) if motion else None
    write_bold(raw / f"{name}_bold.nii.gz", scans, subject.brain, run.tr, head_motion)
    write_json(raw / f"{name}_bold.json", {**_SIDECAR, "RepetitionTime": run.tr, "TaskName": run.task})
    if run.events is None:
        write_text(raw / f"{name}_events.tsv", stimulus_events(run) if layout == "bep044" else events_table(run))
    else:
        shutil.copyfile(run.events, raw / f"{name}_events.tsv")
    write_table(
        derived / f"{name}_desc-confounds_timeseries.tsv", simulate_confounds(scans, subject.brain, run.tr, head_motion)
    )


_SIDECAR = {
    "Simulated": True,
    "Instructions": "None: nobody was scanned. Simulated responses to music.",
    "Manufacturer": "simulated by brain2music",
}

_README = """# Simulated music listening study

**Every brain image here is simulated.** Nobody was scanned; this data says nothing about people.

Made by `brain2music simulate`: design `{design}`, seed {seed}, signal-to-noise ratio {snr:g}, voxels of
{resolution_mm:g} mm. The run structure is that of OpenNeuro ds003720 (Nakai et al. 2021){events}.

* `sub-*/func`: simulated BOLD runs, and what was played when: a part of a recording, from `start` to `end`.
* `stimuli`: the recordings, {recordings}. Presented with 2-s sine fades, all at one level.
* `derivatives/simulation`: the truth. Regions, and for each voxel of grey matter the features it follows, its
  signal-to-noise ratio, delay and noise ceiling; `brain2music.simulation.brain.read_truth` reads it.
"""


def _write_description(
    root: Path, subjects: Sequence[str], settings: dict[str, Any], events: str | Path | None
) -> None:
    made_by = [{"Name": "brain2music simulate", "Version": __version__}]
    name = f"Simulated music listening study (design {settings['design']}, seed {settings['seed']})"
    common = {"Name": name, "BIDSVersion": "1.10.0", "Simulated": True, "GeneratedBy": made_by}
    write_json(root / "dataset_description.json", {**common, "DatasetType": "raw", "License": "CC0"})
    truth = {**common, "Name": f"Truth of: {name}", "DatasetType": "derivative", "Settings": settings}
    write_json(root / FOLDER / "dataset_description.json", truth)
    taken = ", its events copied unchanged" if events is not None else ""
    laid_out = "stim-LABEL_audio, with tables and annotations" if "layout" in settings else "GENRE/TRACK"
    write_text(root / "README", _README.format(**settings, events=taken, recordings=laid_out))
    write_table(root / "participants.tsv", pd.DataFrame({"participant_id": [f"sub-{s}" for s in subjects]}))


class _Steps:
    """Counts steps of all kinds for one progress bar."""

    def __init__(self, progress: Advance | None, total: int) -> None:
        self._progress, self._done, self._total = progress, 0, total

    def one(self, *_: int) -> None:
        """Count one more step; the counts of the callers are ignored."""
        self._done += 1
        if self._progress:
            self._progress(self._done, self._total)


def _each(work: Callable[[Any], Item], items: Sequence[Any], n_jobs: int | None) -> Iterator[Item]:
    """Apply ``work`` to each item, in order, in threads (numpy and gzip release the lock)."""
    with ThreadPoolExecutor(n_jobs or os.cpu_count()) as pool:
        yield from pool.map(work, items)


def _design_of(design: str | StudyDesign) -> StudyDesign:
    if isinstance(design, StudyDesign):
        return design
    if design not in DESIGNS:
        raise InputError(f"there is no design {design!r}", hint=f"choose among {', '.join(DESIGNS)}")
    return DESIGNS[design]


def _check_parameters(
    design: StudyDesign,
    n_subjects: int,
    resolution_mm: float | None,
    snr: float | None,
    tr: float | None,
    events: str | Path | None,
) -> None:
    if not 1 <= n_subjects <= 999:
        raise InputError(f"cannot simulate {n_subjects} subjects", hint="ask for 1 to 999")
    if resolution_mm is not None and not 1 <= resolution_mm <= 12:
        raise InputError(f"cannot simulate voxels of {resolution_mm:g} mm", hint="choose 1 to 12 mm")
    if snr is not None and not (math.isfinite(snr) and snr > 0):
        raise InputError(f"{snr:g} is no signal-to-noise ratio", hint="give a number over 0")
    if tr is not None and events is not None:
        raise InputError("a TR is given with events, which have their own", events, "leave one of them out")
    if tr is not None and not PLAUSIBLE[0] <= tr <= design.clip_s:
        limits = f"{PLAUSIBLE[0]:g} to {design.clip_s:g}"
        raise InputError(f"cannot simulate a TR of {tr:g} s", hint=f"choose {limits} s, the duration of a clip")
