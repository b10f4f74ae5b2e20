"""The design of a study as its settings and its tables have it: what names stimuli, and how pieces are cut."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from .._utils.errors import InputError
from ..config import EventRows, EventsConfig
from .cutting import choose_cutting, cut_runs, uncuttable
from .events import EventReader
from .finding import Finding
from .library import read_codes, read_library
from .naming import Naming, read_participants, unread_codes
from .runs import mark_carry_ins, without_broken_off
from .sound_files import SoundFiles
from .spans import Cutting
from .study import Clip, Run


def as_settings(events: EventRows | EventsConfig | None) -> EventsConfig:
    """All settings of events, of which only those of rows may be given."""
    if isinstance(events, EventRows):
        return EventsConfig(column=events.column, values=events.values)
    return events or EventsConfig()


def naming_of(
    root: Path, stimuli: Path | None, settings: EventsConfig, sounds: SoundFiles, findings: list[Finding]
) -> Naming:
    library = read_library([root / "stimuli", *([stimuli] if stimuli else [])], findings)
    codes, place = None, settings.stimulus_table
    if place is not None:
        path = Path(place).expanduser()
        path = path if path.is_file() or path.is_absolute() else root / path
        codes = read_codes(path, findings) if path.is_file() else None
        findings += [] if path.is_file() else [unread_codes(path)]
    return Naming(settings, library, codes, read_participants(root), sounds.file, sounds.length)


def cut_pieces(
    runs: Sequence[Run], pieces: Sequence[Clip], settings: EventsConfig, reader: EventReader, findings: list[Finding]
) -> tuple[list[Run], Cutting | None]:
    """Mark carry-ins, and cut pieces into clips where the settings or the pieces ask for it."""
    describe = reader.naming.library.described
    try:
        cutting = choose_cutting(settings, runs, pieces)
    except InputError as problem:
        findings.append(uncuttable(problem))
        cutting = None

    def known(clip: Clip) -> Clip:
        return describe(clip, reader.known_as.get(clip.track, clip.track), part=cutting is not None)

    if cutting is not None:
        return cut_runs(mark_carry_ins(runs), pieces, cutting, known, findings), cutting
    marked = mark_carry_ins(without_broken_off(runs, reader.lengths, findings))
    if not reader.naming.library.annotations:
        return marked, None
    described = [
        replace(run, presentations=tuple(replace(each, clip=known(each.clip)) for each in run.presentations))
        for run in marked
    ]
    return described, None
