"""A compact training set from the free recorded music of Debian's packages: random segments as small Opus files.

    python recipes/recorded_music.py fetch CACHE
    python recipes/training_data.py CACHE -o FOLDER --megabytes 46
    python recipes/training_data.py CACHE -o MONO --rate 24000 --channels 1 --kbps 40 --segment 30 --megabytes 50

Only packages that shipped models may train on are read (``LICENCES``); the shared held-out recordings are of others.
A track's chance grows with the square root of its length, so that long tracks do not crowd out the others. Segments lie
on one grid per track: with ``--avoid`` a second set shares none of its sound with the first. ``FOLDER/manifest.tsv``
says what each file is; writing stops at the first of ``--minutes`` and ``--megabytes``.
"""

import argparse
import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
from recorded_music import LICENCES, STEMS
from rich import progress
from rich.console import Console

from brain2music import InputError
from brain2music.audio.io import SUFFIXES, resample

SHORTEST_S = 25.0
QUIETEST = 1e-3  # root mean square below which a segment is left out
ARCHIVES = (".pk3", ".zip")
COLUMNS = ["file", "package", "source", "start", "seconds", "licence", "sha256"]
Stretches = dict[tuple[str, str], list[tuple[float, float]]]  # (package, source) -> (start, stop) in seconds


@dataclass(frozen=True)
class Track:
    """A piece of music: the sound files that sound together (a song and its stems), in a package."""

    package: str
    source: str
    parts: tuple["Source", ...]
    seconds: float


@dataclass(frozen=True)
class Source:
    """A sound file of a folder, or a member of an archive there."""

    path: Path
    member: str | None = None

    def open(self) -> soundfile.SoundFile:
        """The file, open for reading; soundfile's error where it is no sound file."""
        return soundfile.SoundFile(self.path if self.member is None else io.BytesIO(self.bytes()))

    def bytes(self) -> bytes:
        """The file's content."""
        if self.member is None:
            return self.path.read_bytes()
        with zipfile.ZipFile(self.path) as archive:
            return archive.read(self.member)


def main() -> None:
    """Read the arguments and write the set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path, help="folder of unpacked packages")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=110.0)
    parser.add_argument("--megabytes", type=float, default=64.0, help="at most so many million bytes in all")
    parser.add_argument("--segment", type=float, default=15.0, help="seconds of a segment")
    parser.add_argument("--rate", type=int, default=48_000, choices=[8_000, 12_000, 16_000, 24_000, 48_000])
    parser.add_argument("--channels", type=int, default=2, choices=[1, 2])
    parser.add_argument("--kbps", type=float, default=96.0, help="Opus bitrate of all channels together")
    parser.add_argument("--avoid", type=Path, nargs="*", default=[], help="sets whose sound must not come again")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    tracks = list(find_tracks(given.cache))
    segments = draw(tracks, given.segment, np.random.default_rng(given.seed), used_by(given.avoid))
    write_set(given, segments[: round(60 * given.minutes / given.segment)])


def find_tracks(cache: Path) -> Iterator[Track]:
    """Every piece of at least 25 s, once: stems go with their song, identical files count as one."""
    seen: set[str] = set()
    for package in LICENCES:
        if not (cache / package).is_dir():
            raise InputError(f"the package {package} is not here", cache, "run recorded_music.py fetch first")
        sources = dict(sorted(_sources(cache / package), key=lambda each: each[0]))
        for name, source in sources.items():
            path = Path(name)
            if path.stem in STEMS and str(path.with_stem("song")) in sources:
                continue
            seconds, digest = _seconds(source), hashlib.sha256(source.bytes()).hexdigest()
            if seconds < SHORTEST_S or digest in seen:
                continue
            seen.add(digest)
            beside = [str(path.with_stem(stem)) for stem in STEMS] if path.stem == "song" else []
            stems = [sources[stem] for stem in beside if stem in sources]
            yield Track(package, name, (source, *stems), seconds)


def draw(
    tracks: list[Track],
    seconds: float,
    rng: np.random.Generator,
    used: dict[tuple[str, str], list[tuple[float, float]]],
) -> list[tuple[Track, float]]:
    """Segments in random order, without replacement, a track's share in proportion to the root of its length.

    Each segment gets the key log(u) / w; the largest first (Efraimidis and Spirakis 2006).
    """
    segments, weights = [], []
    for track in tracks:
        starts = np.arange(int(track.seconds // seconds)) * seconds
        taken = used.get((track.package, track.source), [])
        free = [s for s in starts if not any(s < stop and start < s + seconds for start, stop in taken)]
        segments += [(track, float(start)) for start in free]
        weights += [np.sqrt(track.seconds) / max(1, len(starts))] * len(free)
    keys = np.log(rng.uniform(size=len(segments))) / np.array(weights)
    return [segments[i] for i in np.argsort(-keys)]


def used_by(folders: list[Path]) -> Stretches:
    """The stretches that other sets hold."""
    used: Stretches = {}
    for folder in folders:
        for row in pd.read_csv(folder / "manifest.tsv", sep="\t").itertuples():
            used.setdefault((row.package, row.source), []).append((row.start, row.start + row.seconds))
    return used


def write_set(given: argparse.Namespace, segments: list[tuple[Track, float]]) -> None:
    """Encode the segments until a limit is reached, and write the manifest."""
    given.out.mkdir(parents=True, exist_ok=True)
    rows: list[tuple] = []
    size, limit = 0, given.megabytes * 1e6
    for track, start in progress.track(segments, "training set", console=Console(stderr=True)):
        sound = read_segment(track, start, given.segment, given.rate, given.channels)
        if np.sqrt(np.mean(sound**2)) < QUIETEST:
            continue
        path = given.out / f"{len(rows):05d}.opus"
        write_opus(path, sound, given.rate, given.kbps)
        size += path.stat().st_size
        if size > limit - 200 * (len(rows) + 1):  # the manifest's lines count too
            path.unlink()
            break
        licence, digest = LICENCES[track.package], hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append((path.name, track.package, track.source, start, given.segment, licence, digest))
    manifest = pd.DataFrame(rows, columns=COLUMNS)
    manifest.to_csv(given.out / "manifest.tsv", sep="\t", index=False, na_rep="n/a", float_format="%.6g")
    tracks = {row[1:3] for row in rows}
    print(f"segments={len(rows)}\nminutes={len(rows) * given.segment / 60:.1f}\ntracks={len(tracks)}")
    print(f"megabytes={sum(path.stat().st_size for path in given.out.iterdir()) / 1e6:.2f}")


def read_segment(track: Track, start: float, seconds: float, rate: int, channels: int) -> np.ndarray:
    """A segment with its stems added, (samples, channels), scaled down as a whole where it passes 1."""
    mixed = np.zeros((round(seconds * rate), channels), dtype=np.float32)
    for part in track.parts:
        with part.open() as file:
            file.seek(min(round(start * file.samplerate), file.frames))
            own = file.read(round(seconds * file.samplerate), dtype="float32", always_2d=True)
            own = own.mean(axis=1, keepdims=True) if channels == 1 else own[:, :2]
            sound = resample(own.T, file.samplerate, rate).T[: len(mixed)]
        mixed[: len(sound)] += sound
    return mixed / max(1.0, float(np.abs(mixed).max()))


def write_opus(path: Path, sound: np.ndarray, rate: int, kbps: float) -> None:
    """Write Ogg Opus; libsndfile's level runs from 256 (0) to 6 (1) kbps a channel."""
    level = 1 - (kbps / sound.shape[1] - 6) / 250
    form = {"format": "OGG", "subtype": "OPUS", "compression_level": level}
    with soundfile.SoundFile(path, "w", rate, sound.shape[1], **form) as file:
        file.write(sound)


def _sources(folder: Path) -> Iterator[tuple[str, Source]]:
    """Name below the folder -> sound file; members of an archive stand beside it, unless unpacked there already."""
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.suffix.lower() in SUFFIXES and path.suffix.lower() != ".wav":  # wav files there are effects
            yield name, Source(path)
        elif path.suffix.lower() in ARCHIVES and not (path.parent / "unpacked").is_dir():
            with zipfile.ZipFile(path) as archive:
                for member in archive.namelist():
                    if Path(member).suffix.lower() in SUFFIXES:
                        yield str(path.relative_to(folder).parent / "unpacked" / member), Source(path, member)


def _seconds(source: Source) -> float:
    try:
        with source.open() as file:
            return file.frames / file.samplerate
    except soundfile.LibsndfileError:
        return 0.0


if __name__ == "__main__":
    main()
