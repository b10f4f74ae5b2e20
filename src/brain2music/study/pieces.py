"""Pieces that were heard in a run without an event that names them: the task or the run is the piece."""

from dataclasses import replace
from pathlib import Path

from ..config import EventsConfig
from .event import Event
from .finding import Finding, error, warning
from .naming import Naming
from .run_files import RunFiles
from .study import Clip
from .tables import Row, read_table
from .usable import volumes_of

LONG_S = 60.0
"""Seconds from which a presentation is a piece, which may end with the run and is cut into clips."""


def names_of_run(files: RunFiles, kind: str) -> list[str]:
    """The names by which the piece of a run may be called, the most exact first."""
    if kind == "task":
        return [files.task]
    entities = files.anchor.run_entities
    whole = [f"{name}-{label}" for name, label in entities.items()]
    ends = ["_".join(whole[first:]) for first in range(len(whole))]
    return [*ends, *([entities["run"], str(int(entities["run"]))] if entities.get("run", "").isdecimal() else [])]


def read_piece(
    files: RunFiles, naming: Naming, seconds: float | None, findings: list[Finding], *, inferred: bool = False
) -> Row | None:
    """Make the row of the piece that the task or the run names; None and a finding if nothing is called so.

    It begins at the first event that the setting ``events.values`` counts, else with the first scan, and lasts as long
    as that event, else the recording, else the run.

    Parameters
    ----------
    seconds : float or None
        Seconds of the run, if known.
    inferred : bool
        Whether no setting says that tasks are pieces: then there is no finding if none is.
    """
    names = names_of_run(files, naming.settings.piece or "task")
    known = [name for name in names if naming.about(name) or naming.locate(Clip(name, 0.0, 1.0))]
    path = files.events[-1].path if files.events else files.anchor.path
    if not known:
        if not inferred:
            what = f"no recording and no code is called {' or '.join(names)}, as the piece of this run"
            hint = "name the recording so, or list that name in events.stimulus_table"
            findings.append(error("piece-unknown", path, what, hint))
        return None
    cells = {name: cell for name, cell in naming.cells_of(known[0]).items() if cell}
    about = Row(path, 1, cells)
    begin, lasts = _first_event(files, naming.settings)
    start = about.number("start", []) if about.text("start") else 0.0
    length = naming.length_of(about)
    rest = None if seconds is None else seconds - begin
    stated = about.number("duration", []) if about.text("duration") else None
    found = lasts or stated or (None if length is None else length - start) or rest
    if found is None or not found > 0:
        what = f"it is not known how long {known[0]} lasted"
        findings.append(error("duration-invalid", path, what, "put its recording into the folder of stimuli"))
        return None
    if inferred:
        what = f"no event names what was heard; {known[0]}, the task, is taken to be the piece, from {begin:g} s on"
        findings.append(warning("piece-inferred", path, what, 'say so with the setting events.piece = "task"'))
    whole = {"onset": f"{begin:g}", "duration": f"{round(found, 6):g}", "start": f"{start:g}"}
    if lasts is None and rest is not None and found != rest:
        whole["end"] = f"{round(start + found, 6):g}"
    return replace(about, cells={**cells, **whole})


def ended_by_run(
    events: tuple[Event, ...],
    tr: float,
    n_volumes: int | None,
    clip_s: float | None,
    path: Path,
    findings: list[Finding],
) -> tuple[Event, ...]:
    """Let pieces that go on after the last scan end with it; those of one clip are left to :mod:`.usable`."""
    if n_volumes is None or not tr > 0:
        return events
    end, found = n_volumes * tr, []
    for event in events:
        is_piece = event.duration > (clip_s or LONG_S) and clip_s != 0
        beyond = volumes_of(event.onset, event.duration, tr).stop > n_volumes
        if is_piece and beyond and end - event.onset >= (clip_s or tr):
            what = f"{event.clip.track} goes on for {event.end - end:.3g} s after the last scan, which ends it here"
            findings.append(warning("piece-unfinished", path, what, "get the complete image if there is one"))
            event = replace(event, duration=round(end - event.onset, 6))
        found.append(event)
    return tuple(found)


def _first_event(files: RunFiles, settings: EventsConfig) -> tuple[float, float | None]:
    """Onset and duration of the first event that the settings count; 0 and None if they count none."""
    table = read_table(files.events[-1].path, []) if files.events and settings.values else None
    wanted = {value.casefold() for value in settings.values}
    for row in table.rows if table else ():
        if row.text(settings.column).casefold() in wanted:
            onset, duration = row.number("onset", []), row.number("duration", [])
            return onset, duration if duration > 0 else None
    return 0.0, None
