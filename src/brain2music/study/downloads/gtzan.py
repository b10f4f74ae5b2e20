"""Checks of a copy of GTZAN, which is not downloaded: what is missing, damaged, of other bytes, or there twice."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..._utils.errors import InputError
from ..._utils.files import parse_json
from ..._utils.progress import progress
from ...audio.info import audio_info
from ...audio.io import SUFFIXES, read_audio
from ..content import foreign_content
from ..finding import Finding, error, warning
from ..track_index import read_gtzan_index, songs_of
from .remote import Algorithm, Checksum

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
PER_GENRE = 100
RATE = 22_050
SECONDS = (29.0, 31.0)
"""Durations that recordings of GTZAN have."""
CORRUPT = "jazz.00054"
"""Corrupt in copies that circulate; none of the 540 recordings of ds003720."""
SPELT = {"hip-hop": "hiphop", "hip_hop": "hiphop", "hip hop": "hiphop"}
_TRACK = re.compile(r"(?P<genre>[a-z]+(?:[-_ ][a-z]+)?)\.(?P<number>\d{5})")
_SHOWN = 5
_ALGORITHMS: dict[int, Algorithm] = {32: "md5", 40: "sha1", 64: "sha256"}


@dataclass(frozen=True)
class Copy:
    """A file of a copy: the track that its name says, and a digest of its sound (None if it cannot be read)."""

    track: str
    path: Path
    sound: str | None


def check_gtzan(
    folder: str | Path, *, checksums: str | Path | None = None, track_index: str | Path | None = None
) -> list[Finding]:
    """Find what is wrong with a copy of GTZAN.

    Every file is read: its format, rate and duration, pages and pointers in place of sound, files of the same sound,
    spellings of genres, and missing tracks. ``jazz.00054``, which is corrupt in copies that circulate, costs a warning
    only, as ds003720 does not use it.

    Parameters
    ----------
    folder : str or Path
        The folder of the copy, with files such as ``blues/blues.00000.wav`` in it or below.
    checksums : str or Path, optional
        Checksums of a good copy: mirdata's index (JSON) or lines "CHECKSUM  FILE", as md5sum, sha1sum and sha256sum
        write them. They are of files in one format: of another format, none will agree.
    track_index : str or Path, optional
        Sturm's GTZANindex.txt: tracks of the same song are then reported, too.

    Returns
    -------
    list of Finding
        The problems. Errors are of tracks that cannot be used.

    Raises
    ------
    InputError
        There is no such folder, or the checksums or the index cannot be read.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.audio import write_audio
    >>> from brain2music.study.downloads import check_gtzan
    >>> write_audio("music/blues/blues.00000.wav", np.sin(np.arange(30 * 22050) / 20), 22050)
    >>> for finding in check_gtzan("music"):
    ...     print(finding.severity, finding.code, finding.what.partition(":")[0])
    warning gtzan-missing 999 of 1000 tracks are missing
    """
    folder = Path(folder)
    if not folder.is_dir():
        hint = "put your copy there, with files such as blues/blues.00000.wav"
        raise InputError("there is no such folder; GTZAN is not downloaded, as it has no licence", folder, hint)
    known = {} if checksums is None else read_checksums(Path(checksums))
    songs = {} if track_index is None else songs_of(read_gtzan_index(track_index))
    findings: list[Finding] = []
    copies = _read_copies(_find_tracks(folder, findings), findings)
    findings += _missing({copy.track for copy in copies}, folder)
    findings += _repeated(copies, folder)
    findings += _same_songs({copy.track for copy in copies}, songs, folder)
    findings += _differing(copies, known, folder)
    return findings


def read_checksums(file: Path) -> dict[str, Checksum]:
    """Read checksums by the names of tracks, from mirdata's index of GTZAN or from lines "CHECKSUM  FILE".

    Raises
    ------
    InputError
        The file is missing or has no such lines.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise InputError(f"the checksums cannot be read ({problem})", file, "check the path") from None
    pairs = _indexed(text, file) if text.lstrip().startswith("{") else _listed_checksums(text)
    found = {}
    for name, value in pairs:
        track = _TRACK.match(Path(name).name)
        if track is not None and len(value) in _ALGORITHMS:
            found[_spelling(track)] = Checksum(_ALGORITHMS[len(value)], value.lower())
    if not found:
        raise InputError("there are no lines 'CHECKSUM  blues.00000.wav'", file, "name a file of md5sum, or mirdata's")
    return found


def _indexed(text: str, file: Path) -> Iterator[tuple[str, str]]:
    tracks = parse_json(text, file).get("tracks")
    for entry in (tracks if isinstance(tracks, dict) else {}).values():
        audio = entry.get("audio") if isinstance(entry, dict) else None
        if isinstance(audio, list) and len(audio) == 2 and all(isinstance(each, str) for each in audio):
            yield audio[0], audio[1]


def _listed_checksums(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        found = re.fullmatch(r"([0-9A-Fa-f]{32,64}) [ *](.+)", line.strip())
        if found:
            yield found[2], found[1]


def _spelling(track: re.Match[str]) -> str:
    return f"{SPELT.get(track['genre'], track['genre'])}.{track['number']}"


def _find_tracks(folder: Path, findings: list[Finding]) -> dict[str, Path]:
    """The file of each track; other sound files, and second files of a track, are reported."""
    found: dict[str, Path] = {}
    other: list[Path] = []
    respelt: list[Path] = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in SUFFIXES or (path.is_dir() and not path.is_symlink()):
            continue
        track = _TRACK.fullmatch(path.stem.lower())
        name = _spelling(track) if track else ""
        if name.partition(".")[0] not in GENRES or int(name.partition(".")[2]) >= PER_GENRE:
            other.append(path)
        elif name in found:
            what = f"{name} is there twice, as {found[name].relative_to(folder)} and {path.relative_to(folder)}"
            findings.append(warning("gtzan-twice", path, what, "keep one of them"))
        else:
            found[name] = path
            respelt += [path] if track and track["genre"] in SPELT else []
    if other:
        what = f"{len(other)} files are no tracks of GTZAN: {_some(each.name for each in other)}"
        findings.append(warning("gtzan-other", folder, what, "name the folder of the copy itself"))
    if respelt:
        what = f"{len(respelt)} tracks spell their genre {respelt[0].stem.partition('.')[0]!r}, and ds003720 'hiphop'"
        findings.append(warning("gtzan-spelling", folder, what, "rename them to hiphop/hiphop.00000.wav and so on"))
    return found


def _read_copies(tracks: Mapping[str, Path], findings: list[Finding]) -> list[Copy]:
    copies = []
    with progress("read the recordings") as advance:
        for done, (track, path) in enumerate(tracks.items(), 1):
            copies.append(Copy(track, path, _read_one(track, path, findings)))
            advance(done, len(tracks))
    return copies


def _read_one(track: str, path: Path, findings: list[Finding]) -> str | None:
    """Read a recording, report what is wrong with it, and return a digest of its samples."""
    severity = warning if track == CORRUPT else error
    remark = " (it is corrupt in copies that circulate, and not used by ds003720)" if track == CORRUPT else ""
    foreign = foreign_content(path)
    if foreign is not None:
        findings.append(severity("gtzan-content", path, f"{foreign.what}{remark}", foreign.hint))
        return None
    try:
        info = audio_info(path)
        samples, _ = read_audio(path, sample_rate=None, mono=True)
    except InputError as problem:
        findings.append(severity("gtzan-damaged", path, f"{problem.what}{remark}", "get this file from another copy"))
        return None
    if not SECONDS[0] <= info.seconds <= SECONDS[1]:
        what = f"it lasts {info.seconds:.2f} s, and recordings of GTZAN about 30 s{remark}"
        findings.append(severity("gtzan-length", path, what, "get the complete file from another copy"))
    if (info.sample_rate, info.channels) != (RATE, 1):
        what = f"it has {info.channels} channels of {info.sample_rate} Hz, and GTZAN one of {RATE} Hz: it was converted"
        findings.append(warning("gtzan-converted", path, what, "better use the files as they were published"))
    if not np.any(samples):
        findings.append(severity("gtzan-silent", path, f"it is silent{remark}", "get this file from another copy"))
    return hashlib.sha256(np.ascontiguousarray(samples).tobytes()).hexdigest()


def _missing(found: set[str], folder: Path) -> Iterator[Finding]:
    every = [f"{genre}.{number:05d}" for genre in GENRES for number in range(PER_GENRE)]
    missing = [track for track in every if track not in found]
    if len(missing) == len(every):
        hint = "name the folder with files such as blues/blues.00000.wav in it or below"
        yield error("gtzan-missing", folder, "there is no track of GTZAN here", hint)
    elif missing:
        what = f"{len(missing)} of {len(every)} tracks are missing: {_some(missing)}"
        yield warning("gtzan-missing", folder, what, "`check` of a study says which of them it needs")


def _repeated(copies: Sequence[Copy], folder: Path) -> Iterator[Finding]:
    """Report tracks of the same sound, sample by sample."""
    groups = defaultdict(list)
    for copy in copies:
        if copy.sound is not None:
            groups[copy.sound].append(copy.track)
    same = [" = ".join(group) for group in groups.values() if len(group) > 1]
    if same:
        what = f"{len(same)} groups of tracks are the same sound: {_some(same)}"
        hint = "keep it in mind for training and test sets; files of the same bytes are taken for one recording"
        yield warning("gtzan-repeated", folder, what, hint)


def _same_songs(found: set[str], songs: Mapping[str, str], folder: Path) -> Iterator[Finding]:
    groups = defaultdict(list)
    for track in sorted(found & songs.keys()):
        groups[songs[track]].append(track)
    same = [" = ".join(group) for group in groups.values() if len(group) > 1]
    if same:
        what = f"{len(same)} groups of tracks are of the same song, by the index: {_some(same)}"
        yield warning("gtzan-songs", folder, what, "name the index in the settings (stimuli.track_index)")


def _differing(copies: Sequence[Copy], known: Mapping[str, Checksum], folder: Path) -> Iterator[Finding]:
    """Report files that do not agree with their checksums; that none does means another format, not damage."""
    listed = [copy for copy in copies if copy.track in known and copy.path.is_file()]
    other = [copy for copy in listed if known[copy.track].compute(copy.path) != known[copy.track].value]
    if listed and len(other) == len(listed):
        what = f"none of {len(listed)} files has its checksum: the list is of other files, or these were converted"
        yield warning("gtzan-checksums", folder, what, "use the checksums of the copy that yours was made from")
        return
    for copy in other:
        what = f"{copy.track} has other bytes than the good copy of the list"
        yield warning("gtzan-checksum", copy.path, what, "get this file from another copy, or listen to it")


def _some(names: Iterable[str]) -> str:
    every = list(names)
    return ", ".join(every[:_SHOWN]) + (", …" if len(every) > _SHOWN else "")
