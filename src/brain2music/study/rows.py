"""Which rows of a table of events are presentations of music. Cues, pictures, silence and catch trials are none."""

import mimetypes
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from ..audio.io import SUFFIXES
from ..config import EventRows
from .finding import Finding, warning
from .tables import Row, Table

SOURCES = ("stim_id", "stim_file", "track")
"""The columns that may name a recording; the first that is filled does."""
KINDS = ("trial_type", "stim_type", "stimulus_type", "event_type", "condition", "category")
"""The columns that say of what kind a row is."""
NOT_MUSIC = re.compile(
    "cues?|pictures?|images?|photos?|videos?|visual|text|silen(ce|t)|quiet|pause|break|rest(ing)?|baseline|fix(ation)?|"
    "crosshair|blank|null|empty|iti|isi|catch|responses?|button|keypress|press|rat(e|ings?)|questions?|questionnaire|"
    "probe|instructions?|feedback|countdown|trigger|beep|none|nomusic|nosound"
)
"""Words for what is no music."""
FILLERS = re.compile(
    "trials?|blocks?|event|stim(ulus)?|sound|audio|tone|period|phase|screen|display|cross|task|on|off|start|end|onset|"
    "the|a|of|and|s|sec|ms"
)
"""Words that may stand beside those."""
_HEARD = ("audio", "audit", "sound", "music", "song", "speech", "voice")
_TYPES = mimetypes.MimeTypes(filenames=())
_SEEN = {".psd", ".heic", ".webp", ".mkv", ".m4v", ".wmv", ".npy", ".mat", ".tsv", ".psyexp", ".bmp", ".yaml", ".yml"}
MOST_SAID = 6


def chosen_rows(
    table: Table, library: Mapping[str, Row], rows: EventRows | None, findings: list[Finding]
) -> tuple[list[Row], Counter[str]]:
    """The rows that are presentations of music, and what the others are called with their number.

    Without ``rows`` (the study's setting) a row counts that names a recording and is not called what music is not:
    by its kind (``trial_type`` "silence", "catch trial"), by the type of its stimulus in ``stimuli.tsv``, or by its
    file (a picture, ``silence_10s.wav``). A label counts as such only where every word of it says so.
    """
    if rows is not None and rows.column not in table.columns:
        findings.append(table.lacks(rows.column))
        return [], Counter()
    counted: list[Row] = []
    passed: Counter[str] = Counter()
    wanted = None if rows is None else {value.casefold() for value in rows.values}
    for row in table.rows:
        other = _other_than_music(row, library) if wanted is None or rows is None else _unwanted(row, rows, wanted)
        if other is None:
            counted.append(row)
        else:
            passed[other] += 1
    return counted, passed


def report_passed(passed: Counter[str], path: Path, rows: EventRows | None) -> Finding:
    """One line that says how many rows are passed over, and which; ``rows`` is the setting that chose."""
    named = [f"{label}: {count}" for label, count in sorted(passed.items(), key=lambda each: (-each[1], each[0]))]
    more = f" and {len(named) - MOST_SAID} more kinds" if len(named) > MOST_SAID else ""
    count = f"{passed.total()} rows" if passed.total() > 1 else "1 row"
    what = f"passed over as no music, of the events of all runs: {count}, "
    hint = "if some of them are music, say which rows count with the settings events.column and events.values"
    if rows is not None:
        hint = "if some of them count, correct the setting events.values"
    return warning("rows-passed-over", path, what + ", ".join(named[:MOST_SAID]) + more, hint)


def _unwanted(row: Row, rows: EventRows, wanted: set[str]) -> str | None:
    value = row.text(rows.column)
    if value.casefold() not in wanted:
        return value or f"rows without {rows.column}"
    return None if any(map(row.text, SOURCES)) else f"{value}, without a recording"


def _other_than_music(row: Row, library: Mapping[str, Row]) -> str | None:
    """What the row is called, where it is no presentation of music; else None."""
    kinds = [row.text(column) for column in KINDS]
    called = next(filter(None, kinds), "")
    if not any(map(row.text, SOURCES)):
        return called or "rows that name no recording"
    stimulus = library.get(row.text("stim_id"))
    file = (stimulus.text("filename") if stimulus else "") or row.text("stim_file") or row.text("track")
    if not _may_be_sound(file):
        return f"{called} ({PurePosixPath(file).suffix}, no sound)".strip()
    for kind in kinds:
        if _says_other(kind):
            return kind
    kind = stimulus.text("type").lower() if stimulus else ""
    if kind and not any(word in kind for word in _HEARD):
        return f"stimuli of type {kind}"
    return f"{called} {file}".strip() if _says_other(_stem(file)) else None


def _may_be_sound(file: str) -> bool:
    suffix = PurePosixPath(file).suffix.lower()
    kind = _TYPES.guess_type(f"x{suffix}")[0]
    is_film = kind is not None and kind.startswith("video/")
    return (suffix in SUFFIXES and not is_film) or (suffix not in _SEEN and (kind is None or kind.startswith("audio/")))


def _stem(file: str) -> str:
    name = PurePosixPath(file).name
    return name.rsplit(".", 1)[0] if PurePosixPath(name).suffix.lower() in SUFFIXES else name


def _says_other(label: str) -> bool:
    """Whether every word of a label is one for what is no music, or a filler beside one."""
    joined = re.sub(r"\bno[\W_]+(?=music|sound)", "no", label.lower())
    words: Sequence[str] = re.findall(r"[^\W\d_]+", joined)
    return any(map(NOT_MUSIC.fullmatch, words)) and all(NOT_MUSIC.fullmatch(w) or FILLERS.fullmatch(w) for w in words)
