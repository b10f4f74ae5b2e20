"""Lists of the stimuli of response arrays, in their order: from names, a table, or the events of a BIDS study."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from os.path import normpath
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Int

from .._utils.errors import InputError
from ..audio.io import duration_of
from ..study.bids import read_study
from ..study.cutting import AS_PRESENTED
from ..study.event import Event
from ..study.excerpts import merge_excerpts
from ..study.sound_files import SoundFiles
from ..study.stimuli import Stimuli, leaves_folder
from ..study.study import Clip, Run, name_clips
from ..study.tables import cell_text


@dataclass(frozen=True)
class StimulusList:
    """The clips of the rows of an array, and the run of each.

    Attributes
    ----------
    clips : tuple of Clip
    runs : (clips,) int
    order : str
        "presented" if the clips of each run are consecutive in the order presented, so that the scans of one are
        followed by those of the next; "unknown" if no run has several clips, so that rows are epochs; "mixed" if
        clips of other runs, or of the other split, are between those of a run.
    """

    clips: tuple[Clip, ...]
    runs: Int[np.ndarray, " clips"]
    order: Literal["presented", "unknown", "mixed"] = "unknown"

    def __post_init__(self) -> None:
        if len(self.clips) != len(self.runs):
            raise ValueError(f"{len(self.clips)} clips in {len(self.runs)} runs")


def list_from_names(names: Sequence[str], genres: Sequence[str], folder: Path) -> dict[str, StimulusList]:
    """List one training clip per name: the whole sound file of that name in the folder."""
    whole = [
        _whole_recording(_sound_file(folder, name), folder, genre) for name, genre in zip(names, genres, strict=True)
    ]
    clips = _labelled(_name_recordings_once(whole, folder, folder))
    return {"train": StimulusList(clips, np.arange(len(clips))), "test": _empty_list()}


def list_from_table(table: Path, folder: Path) -> dict[str, StimulusList]:
    """List the clips of a TSV with ``file`` and optionally ``genre``, ``start``, ``end``, ``run`` and ``split``.

    Rows are in the order of the arrays. Without ``start`` and ``end`` a clip is the whole file; without ``run`` the
    order in which clips were presented is unknown; without ``split`` all are training clips.

    Raises
    ------
    InputError
        If the table, a column or a sound file is missing, or a value is not valid.
    """
    import pandas as pd

    try:
        rows = pd.read_csv(table, sep="\t", dtype=str, keep_default_na=False, quoting=csv.QUOTE_NONE)
    except FileNotFoundError:
        raise InputError("the list of stimuli is missing", table, "check the path in the arrays file") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"this is not a readable table ({error})", table, "save it as TSV in UTF-8") from None
    if "file" not in rows:
        raise InputError("the list of stimuli has no column file", table, "name the sound files in it")
    splits = [cell_text(str(value)) for value in rows["split"]] if "split" in rows else ["train"] * len(rows)
    if unknown := sorted(set(splits) - {"train", "test"}):
        raise InputError(f"the split {unknown[0]!r} is neither train nor test", table, "correct the column split")
    columns = {str(name): [cell_text(str(value)) for value in rows[name]] for name in rows}
    listed = [
        _row_clip(dict(zip(columns, values, strict=True)), folder, table)
        for values in zip(*columns.values(), strict=True)
    ]
    names = columns.get("run", [""] * len(rows))
    if any(names) and not all(names):
        row = columns["file"][names.index("")]
        raise InputError(
            f"the row of {row!r} names no run", table, "name the run of every row, or leave the column out"
        )
    runs, order = np.unique(names, return_inverse=True)[1], _order_of_rows(names, splits)
    clips = _labelled(_name_recordings_once(listed, folder, table))
    return {
        split: StimulusList(
            tuple(clip for clip, of in zip(clips, splits, strict=True) if of == split),
            runs[np.array(splits) == split],
            order,
        )
        for split in ("train", "test")
    }


def list_from_events(root: Path, subjects: Sequence[str]) -> dict[str, StimulusList]:
    """List the clips of a BIDS study run by run in the order presented, without carry-ins and repeats.

    Only the metadata of the first of ``subjects`` that the study has, else of its first subject, are read.

    Raises
    ------
    InputError
        As :func:`brain2music.study.bids.read_study`.
    """
    study = read_study(root, need_images=False, events=AS_PRESENTED)
    subject = next((label for label in subjects if label in study.subjects), study.subjects[0])
    return {
        "train": _list_of_runs(study.runs_of(subject, "train")),
        "test": _list_of_runs(study.runs_of(subject, "test")),
    }


def _order_of_rows(runs: Sequence[str], splits: Sequence[str]) -> Literal["presented", "unknown", "mixed"]:
    """The order of clips that the column ``run`` implies."""
    rows = list(zip(runs, splits, strict=True))
    if not any(runs) or len(set(rows)) == len(rows):
        return "unknown"
    blocks = [row for row, _ in groupby(rows)]
    return "presented" if len(blocks) == len(set(rows)) else "mixed"


def _list_of_runs(runs: Sequence[Run]) -> StimulusList:
    run_of: dict[Clip, int] = {}
    for index, run in enumerate(runs):
        for presentation in run.presentations:
            if not presentation.carry_in:
                run_of.setdefault(presentation.clip, index)
    return StimulusList(tuple(run_of), np.array(list(run_of.values()), dtype=int), "presented")


def _empty_list() -> StimulusList:
    return StimulusList((), np.array([], dtype=int))


def _row_clip(row: dict[str, str], folder: Path, table: Path) -> Clip:
    path = _sound_file(folder, row["file"])
    try:
        start = float(row.get("start") or 0.0)
        end = float(row["end"]) if row.get("end") else duration_of(path)
        return Clip(path.relative_to(folder).as_posix(), start, end, row.get("genre", ""))
    except ValueError as error:
        raise InputError(f"the row of {row['file']!r} is not valid ({error})", table, "correct start and end") from None


def _whole_recording(path: Path, folder: Path, genre: str) -> Clip:
    return Clip(path.relative_to(folder).as_posix(), 0.0, duration_of(path), genre)


def _sound_file(folder: Path, name: str) -> Path:
    """The file in the folder with this name, with or without the extension of a sound file."""
    if leaves_folder(name):
        what, hint = f"the stimulus {name!r} is outside the folder", "put it there, and name it relative to it"
        raise InputError(what, folder, hint)
    name = normpath(name)
    return Stimuli(folder).find(Clip(name, 0.0, 1.0))


def _labelled(clips: Sequence[Clip]) -> tuple[Clip, ...]:
    """The clips, with labels if their names would coincide."""
    labels = name_clips(clips)
    return tuple(replace(clip, label=labels.get(clip, "")) for clip in clips)


def _name_recordings_once(listed: Sequence[Clip], folder: Path, source: Path) -> list[Clip]:
    """The clips, with the first name of each recording that has several names.

    Raises :class:`InputError` if a clip is listed twice, also under another name or with slightly different times.
    """
    sounds = SoundFiles(folder)
    files = [sounds.recording(clip) or folder / clip.track for clip in listed]
    clips = [replace(clip, track=path.relative_to(folder).as_posix()) for clip, path in zip(listed, files, strict=True)]
    merged = merge_excerpts(Event(clip, 0.0, clip.duration, line) for line, clip in enumerate(clips))
    seen: dict[Clip, Clip] = {}
    for clip, original in zip(clips, listed, strict=True):
        other = seen.setdefault(merged[clip], original)
        if other is not original:
            differ = other.start != original.start or other.end != original.end
            details = f", also as {other.start:g}-{other.end:g} s" if differ else ""
            details += f", also by the name of {other.track}" if other.track != original.track else ""
            what = f"{original.name} is listed twice{details}"
            raise InputError(what, source, "average repeated stimuli in the arrays first")
    return clips
