"""Sounds of the report: every scored clip as presented, and every first hit, as small mp3 files."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import Any

from .. import __version__
from .._utils.errors import InputError
from .._utils.files import digest_file, digest_text
from .._utils.progress import progress
from ..audio.io import read_audio, resample, write_audio
from ..brain.source import Source
from ..study.stimuli import Stimuli
from ..study.study import Clip
from .cache import digests_of, read_record, remove, write_record
from .outputs import RETRIEVAL, Outputs

RATE = 22_050
SECONDS = 15.0
"""Of a retrieved track, as judged in the paper."""
MP3_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
"""Hz that mp3 knows (MPEG-1, 2 and 2.5, layer III)."""
Sound = tuple[str, Callable[[Path], None]]
"""What a sound is made from, as a digest, and what writes it."""


def sound_digests(source: Source) -> dict[Clip, str]:
    """Of every clip the digest of what its sound as presented is made from: the recording, the part of it, its edges
    and level. Nothing is decoded. "" where there is no recording.
    """
    with progress("digest the recordings"):
        return {clip: _origin(source.stimuli, clip) for clip in (*source.train_clips, *source.test_clips)}


def export_stimuli(
    source: Source, outputs: Outputs, sounds: Mapping[Clip, str] | None = None, others: Collection[str] = ()
) -> None:
    """The clips that are scored, where there are recordings; files of ``others``, of subjects not run here, stay."""
    sounds = sound_digests(source) if sounds is None else sounds
    wanted: dict[Path, Sound] = {}
    for clip in source.test_clips or source.train_clips:
        if sounds[clip]:
            wanted[outputs.stimulus(clip.name)] = (sounds[clip], partial(_write_stimulus, source, clip))
    _shelve(outputs.root / "stimuli", wanted, others)


def export_retrieved(tables: Collection[Path], outputs: Outputs) -> None:
    """The beginning of every track of rank 1 in any of these tables; none where its recording is no longer there."""
    wanted: dict[Path, Sound] = {}
    away: set[str] = set()
    for table in map(RETRIEVAL.read, tables):
        assert table is not None  # it is of a finished subject
        for row in table[table["rank"] == 1].drop_duplicates("track").itertuples():
            path, music, start = outputs.retrieved(str(row.track)), Path(str(row.path)), float(str(row.start_s))
            if path in wanted:
                continue
            if digest := _sound_digest(music):
                wanted[path] = (digest_text(f"{digest} {start} {SECONDS}"), partial(_write_excerpt, music, start))
            else:
                away.add(path.name)
    _shelve(outputs.root / "retrieved", wanted, away)


def mp3_rate(rate: int) -> int:
    """The lowest rate of mp3 that loses nothing of a sound of this rate; the highest where there is none."""
    return next((known for known in MP3_RATES if known >= rate), MP3_RATES[-1])


def _shelve(folder: Path, wanted: Mapping[Path, Sound], kept: Collection[str]) -> None:
    """Make the sounds that are missing or were made from something else; remove those that are not wanted.

    Only files of the folder's own record are removed, and those that are ``kept`` not even if they are not wanted.
    """
    record = folder / "provenance.json"
    found = read_record(record) or {}
    known: dict[str, str] = found["inputs"] if found.get("version") == __version__ else {}
    outputs = digests_of(record)
    made_from = {path.name: digest for path, (digest, _) in wanted.items()}
    stays = {
        name: digest
        for name, digest in outputs.items()
        if name in kept and name in known and name not in made_from and _holds(folder / name, digest)
    }
    current = {
        name: outputs[name]
        for name, digest in made_from.items()
        if known.get(name) == digest and _holds(folder / name, outputs.get(name))
    } | stays
    made_from |= {name: known[name] for name in stays}
    if set(current) == set(outputs) == set(made_from):
        return
    described: dict[str, Any] = {"version": __version__, "inputs": made_from, "settings": {}}
    write_record(record, described, dict.fromkeys({*outputs, *made_from}) | current)
    remove(folder, {name: digest for name, digest in outputs.items() if name not in made_from})
    if not made_from:
        record.unlink()
        if not any(folder.iterdir()):
            folder.rmdir()
        return
    missing = [(path, write) for path, (_, write) in wanted.items() if path.name not in current]
    with progress(f"write {folder.name} for the page") as advance:
        for done, (path, write) in enumerate(missing, 1):
            write(path)
            advance(done, len(missing))
    write_record(record, described, {path.name: digest_file(path) for path in wanted} | stays)


def _holds(path: Path, digest: str | None) -> bool:
    """Whether a file was finished, and is as it was."""
    return digest is not None and _sound_digest(path) == digest


def _write_stimulus(source: Source, clip: Clip, path: Path) -> None:
    waveform, rate = source.stimuli.waveform(clip)
    known = mp3_rate(rate)
    write_audio(path, resample(waveform, rate, known), known)


def _write_excerpt(music: Path, start: float, path: Path) -> None:
    write_audio(path, *read_audio(music, RATE, start=start, duration=SECONDS))


def _origin(stimuli: Stimuli, clip: Clip) -> str:
    try:
        digest = _sound_digest(stimuli.find(clip))
    except InputError:
        return ""
    presented = {name: value for name, value in asdict(stimuli).items() if name != "folder"}
    part_of = [] if clip.piece is None else [clip.piece]
    return digest_text(json.dumps([digest, clip.start, clip.end, presented, *part_of], sort_keys=True))


@cache
def _digest_of_state(path: Path, size: int, modified: int) -> str:
    return digest_file(path)


def _sound_digest(path: Path) -> str | None:
    """A file's digest, taken once; None where there is no such file."""
    try:
        state = path.stat()
        return _digest_of_state(path, state.st_size, state.st_mtime_ns) if path.is_file() else None
    except OSError:
        return None
