"""Selection of the rows of a table of events that present music; cues, pictures, silence and catch trials do not."""

import mimetypes
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from ..audio.io import SUFFIXES
from ..config import EventRows
from .finding import Finding, warning
from .tables import Row, TextTable

RECORDING_COLUMNS = ("stim_id", "stim_file", "track")
"""Columns that may name a recording; the first that is filled does."""
LISTED = "listed in the table of stimuli"
"""Cell of a row whose stimulus the table of the settings lists, so that it counts whatever it is called."""
TYPE_COLUMNS = ("trial_type", "stim_type", "stimulus_type", "event_type", "condition", "category")
"""Columns that may give the type of a row."""
NOT_MUSIC = re.compile(
    "cues?|pictures?|images?|photos?|videos?|visual|text|silen(ce|t)|quiet|pause|break|rest(ing)?|baseline|fix(ation)?|"
    "crosshair|blank|null|empty|iti|isi|catch|responses?|button|keypress|press|rat(e|ings?)|questions?|questionnaire|"
    "probe|instructions?|feedback|countdown|trigger|beep|none|nomusic|nosound"
)
"""Words for anything but music."""
FILLERS = re.compile(
    "trials?|blocks?|event|stim(ulus)?|sound|audio|tone|period|phase|screen|display|cross|task|on|off|start|end|onset|"
    "the|a|of|and|s|sec|ms"
)
"""Words that may accompany those."""
_AUDITORY = ("audio", "audit", "sound", "music", "song", "speech", "voice")
_TYPES = mimetypes.MimeTypes(filenames=())
_NOT_AUDIO = {
    ".psd",
    ".heic",
    ".webp",
    ".mkv",
    ".m4v",
    ".wmv",
    ".npy",
    ".mat",
    ".tsv",
    ".psyexp",
    ".bmp",
    ".yaml",
    ".yml",
}
MOST_LISTED = 6


def chosen_rows(
    table: TextTable, library: Mapping[str, Row], rows: EventRows | None, findings: list[Finding]
) -> tuple[list[Row], Counter[str]]:
    """Select the rows that present music, and count the labels of the others.

    Without ``rows`` (the setting of the study) a row counts if it names a recording and nothing marks it as anything
    but music: neither its type (``trial_type`` "silence", "catch trial"), nor the type of its stimulus in
    ``stimuli.tsv``, nor its file (a picture, ``silence_10s.wav``). A label marks it only if every word does.
    """
    if rows is not None and rows.column not in table.columns:
        findings.append(table.lacks(rows.column))
        return [], Counter()
    counted: list[Row] = []
    skipped: Counter[str] = Counter()
    wanted = None if rows is None else {value.casefold() for value in rows.values}
    for row in table.rows:
        label = _label_if_not_music(row, library) if wanted is None or rows is None else _unwanted(row, rows, wanted)
        if label is None:
            counted.append(row)
        else:
            skipped[label] += 1
    return counted, skipped


def report_skipped(skipped: Counter[str], path: Path, rows: EventRows | None) -> Finding:
    """The finding that lists how many rows of which labels are not music; ``rows`` is the setting that chose."""
    named = [f"{label}: {count}" for label, count in sorted(skipped.items(), key=lambda each: (-each[1], each[0]))]
    more = f" and {len(named) - MOST_LISTED} more kinds" if len(named) > MOST_LISTED else ""
    count = f"{skipped.total()} rows" if skipped.total() > 1 else "1 row"
    what = f"events without music are left out, in all runs together: {count}, "
    hint = "if some of them are music, say which rows count with the settings events.column and events.values"
    if rows is not None:
        hint = "if some of them count, correct the setting events.values"
    return warning("rows-skipped", path, what + ", ".join(named[:MOST_LISTED]) + more, hint)


def _unwanted(row: Row, rows: EventRows, wanted: set[str]) -> str | None:
    value = row.text(rows.column)
    if value.casefold() not in wanted:
        return value or f"rows without {rows.column}"
    return None if any(map(row.text, RECORDING_COLUMNS)) else f"{value}, without a recording"


def _label_if_not_music(row: Row, library: Mapping[str, Row]) -> str | None:
    """The label of a row that does not present music; None if it does."""
    kinds = [row.text(column) for column in TYPE_COLUMNS]
    called = next(filter(None, kinds), "")
    if not any(map(row.text, RECORDING_COLUMNS)):
        return called or "rows that name no recording"
    if row.text(LISTED):
        return None
    stimulus = library.get(row.text("stim_id"))
    file = (stimulus.text("filename") if stimulus else "") or row.text("stim_file") or row.text("track")
    has_sound = stimulus is not None and "audio" in stimulus.text("type").lower()
    if not has_sound and not may_be_sound(file):
        return f"{called} ({PurePosixPath(file).suffix}, no sound)".strip()
    for kind in kinds:
        if is_not_music(kind):
            return kind
    kind = stimulus.text("type").lower() if stimulus else ""
    if kind and not any(word in kind for word in _AUDITORY):
        return f"stimuli of type {kind}"
    return f"{called} {file}".strip() if is_not_music(_stem(file)) else None


def may_be_sound(file: str, *, known: bool = False) -> bool:
    """Whether a file may be a recording by its suffix; if it must be ``known``, only suffixes of sound count."""
    suffix = PurePosixPath(file).suffix.lower()
    kind = _TYPES.guess_type(f"x{suffix}")[0]
    is_film = kind is not None and kind.startswith("video/")
    if suffix in SUFFIXES and not is_film:
        return True
    return not known and suffix not in _NOT_AUDIO and (kind is None or kind.startswith("audio/"))


def _stem(file: str) -> str:
    name = PurePosixPath(file).name
    return name.rsplit(".", 1)[0] if PurePosixPath(name).suffix.lower() in SUFFIXES else name


def is_not_music(label: str) -> bool:
    """Whether every word of a label is one for anything but music, or a filler beside one."""
    joined = re.sub(r"\bno[\W_]+(?=music|sound)", "no", label.lower())
    words: Sequence[str] = re.findall(r"[^\W\d_]+", joined)
    return any(map(NOT_MUSIC.fullmatch, words)) and all(NOT_MUSIC.fullmatch(w) or FILLERS.fullmatch(w) for w in words)
