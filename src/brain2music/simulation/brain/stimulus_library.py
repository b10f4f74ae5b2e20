"""Stimuli of a simulated study in the layout of BIDS extension proposal 44, and the events that name them."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from ..._utils.files import write_json, write_table, write_text
from ..._utils.names import unique_names
from ...audio.io import duration_of
from .design import PlannedRun
from .recordings import catalogue

COLUMNS = {
    "stimulus_id": "Identifier of the stimulus, as in stim_id of the events",
    "type": "Kind of stimulus",
    "license": "Licence",
    "description": "What is heard",
    "present": "Whether the file is here",
    "genre": "Genre of the music",
    "caption": "What is heard, in a sentence",
}
ANNOTATED = ("genre", "caption", "mood", "instruments", "tempo", "key")
"""What annotations say of a stimulus, of what is known."""
Planned = list[tuple[PlannedRun, ...]]


def as_stimulus_library(stimuli: Path, planned: Planned, *, composed: bool) -> Planned:
    """Rename the recordings to ``stim-<label>_audio``, and describe them.

    Parameters
    ----------
    stimuli : Path
        The folder of the study's recordings, as GENRE/TRACK.
    planned : list of tuple of PlannedRun
        The runs of every subject.
    composed : bool
        Whether the music was composed for this study, and is free.

    Returns
    -------
    list of tuple of PlannedRun
        The same runs, whose clips have the ids of their stimuli for tracks.
    """
    tracks = catalogue(stimuli)
    files = {track: path for of_genre in tracks.values() for track, path in of_genre.items()}
    labels = unique_names({track: re.sub(r"[^a-zA-Z0-9]", "", track) or "x" for track in files})
    ids = {track: f"stim-{re.sub('[^a-zA-Z0-9]', '', label)}" for track, label in labels.items()}
    known = _known(stimuli)
    rows = []
    for genre, of_genre in tracks.items():
        for track, path in of_genre.items():
            stimulus, about = ids[track], {"genre": genre, **known.get(track, {})}
            file = stimuli / f"{stimulus}_audio{path.suffix}"
            shutil.move(path, file)
            licence = "CC0" if composed else "n/a"
            caption = about.get("caption", "n/a")
            rows.append([stimulus, "audio", licence, caption, "true", genre, caption])
            write_json(file.with_suffix(".json"), {"License": licence, "Description": caption, "Genre": genre})
            row: dict[str, float | str] = {"onset": 0.0, "duration": round(duration_of(file), 3)}
            row |= {name: about[name] for name in ANNOTATED if name in about}
            write_table(stimuli / f"{stimulus}_annot-music_events.tsv", pd.DataFrame([row]))
    write_table(stimuli / "stimuli.tsv", pd.DataFrame(rows, columns=list(COLUMNS)))
    write_json(stimuli / "stimuli.json", {name: {"Description": text} for name, text in COLUMNS.items()})
    annotation = {"annot_id": ["music"], "description": ["What the whole of each recording is"]}
    write_table(stimuli / "annotations.tsv", pd.DataFrame(annotation))
    write_json(stimuli / "annotations.json", {"annot_id": {"Description": "Label of the annotation"}})
    _rename_truth(stimuli, ids)
    for genre in tracks:
        if (stimuli / genre).is_dir() and not any((stimuli / genre).iterdir()):
            (stimuli / genre).rmdir()
    renamed = {run: _renamed(run, ids) for run in dict.fromkeys(run for runs in planned for run in runs)}
    return [tuple(renamed[run] for run in runs) for runs in planned]


def stimulus_events(run: PlannedRun) -> str:
    """Format the events of a run as TSV, by the ids of stimuli."""
    lines = ["onset\tduration\ttrial_type\tstim_id\tstart\tend"]
    for each in run.presentations:
        times = (f"{value:g}" for value in (each.onset, each.duration, each.clip.start, each.clip.end))
        onset, duration, start, end = times
        lines.append("\t".join((onset, duration, "music", each.clip.track, start, end)))
    return "\n".join(lines) + "\n"


def _known(stimuli: Path) -> dict[str, dict[str, str]]:
    """What the truth table says of each track; nothing if there is none."""
    path = stimuli / "truth.tsv"
    if not path.is_file():
        return {}
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False).set_index("track")
    columns = [name for name in ANNOTATED if name in table and name != "genre"]
    return {str(track): {name: str(row[name]) for name in columns} for track, row in table.iterrows()}


def _rename_truth(stimuli: Path, ids: dict[str, str]) -> None:
    path = stimuli / "truth.tsv"
    if path.is_file():
        header, *lines = path.read_text(encoding="utf-8").splitlines()
        column = header.split("\t").index("track")
        rows = [line.split("\t") for line in lines]
        for row in rows:
            row[column] = ids.get(row[column], row[column])
        write_text(path, "\n".join([header, *("\t".join(row) for row in rows)]) + "\n")


def _renamed(run: PlannedRun, ids: dict[str, str]) -> PlannedRun:
    shown: Sequence = [replace(each, clip=replace(each.clip, track=ids[each.clip.track])) for each in run.presentations]
    return replace(run, presentations=tuple(shown))
