"""Free recorded music from Debian's packages: fetched, unpacked, and arranged as the stimuli of a study.

    python recipes/recorded_music.py fetch CACHE                 the packages below (Debian with apt-get; about 1 GB)
    python recipes/recorded_music.py gtzan CACHE BIDS_DIR OUT    OUT/stimuli in GTZAN layout for the events of a study
    python recipes/recorded_music.py gallery CACHE BIDS_DIR OUT  OUT/gallery: songs that are in no stimulus

GTZAN's ten names stand here for ten bundles of packages, nothing more: ``tracks.tsv`` says what each file is, and
``GTZANindex.txt`` (Sturm's format: file, artist, title) gives package and song to the leakage check. Songs of test
clips are in no training clip, and songs of either are in no gallery.
"""

import argparse
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from brain2music import InputError
from brain2music.audio.find import find_audio
from brain2music.audio.io import duration_of, read_audio, write_audio
from brain2music.study.bids import read_study

BUNDLES = {
    "blues": ("starfighter-data", "colobot-common-sounds"),
    "classical": ("wesnoth-1.16-music",),
    "country": ("hedgewars-data",),
    "disco": ("nexuiz-music",),
    "hiphop": ("wizznic-data", "noiz2sa-data", "torus-trooper-data", "tumiki-fighters-data"),
    "jazz": ("enigma-data", "trackballs-data"),
    "metal": ("marsshooter-data", "fretsonfire-songs-muldjord"),
    "pop": ("supertux-data",),
    "reggae": ("singularity-music",),
    "rock": ("fretsonfire-songs-sectoid", "ufoai-music"),
}
LICENCES = {
    "colobot-common-sounds": "GPL-3+",
    "enigma-data": "GPL-2+",
    "fretsonfire-songs-muldjord": "CC-BY-SA-3.0",
    "fretsonfire-songs-sectoid": "MIT",
    "hedgewars-data": "GPL-2",
    "marsshooter-data": "CC-BY-SA-3.0",
    "nexuiz-music": "GPL-2+",
    "noiz2sa-data": "BSD-2-clause",
    "singularity-music": "CC-BY-SA-3.0",
    "starfighter-data": "CC-BY, CC-BY-SA or GPL, by file",
    "supertux-data": "GPL-2+",
    "torus-trooper-data": "BSD-2-clause",
    "trackballs-data": "GPL-2+, three tracks other",
    "tumiki-fighters-data": "BSD-2-clause",
    "ufoai-music": "GPL-2+, CC-BY, CC-BY-SA or public domain, by file",
    "wesnoth-1.16-music": "GPL-2+",
    "wizznic-data": "GPL-3",
}
PIECE_S = 30.0
RATE = 22_050
STEMS = ("guitar", "rhythm", "drums")  # beside song.ogg, which lacks them
EXCERPTS_PER_SONG = 12


def fetch(cache: Path) -> None:
    """Download the packages with apt-get and unpack them with dpkg-deb; what is there is kept."""
    cache.mkdir(parents=True, exist_ok=True)
    for package in LICENCES:
        if (cache / package).is_dir():
            continue
        if not list(cache.glob(f"{package}_*.deb")):
            _call(["apt-get", "download", package], cache)
        archive = next(cache.glob(f"{package}_*.deb"))
        _call(["dpkg-deb", "-x", archive.name, f"{package}.part"], cache)
        for bundle in (cache / f"{package}.part").rglob("*.pk3"):
            _call([sys.executable, "-m", "zipfile", "-e", bundle.name, "unpacked"], bundle.parent)
        (cache / f"{package}.part").rename(cache / package)
        archive.unlink()


def songs_of(cache: Path, package: str) -> list[Path]:
    """The package's pieces of music of at least 30 s, in order of their paths; stems count with their song."""
    folder = cache / package
    if not folder.is_dir():
        raise InputError(f"the package {package} is not here", cache, "run the fetch step first")
    music = (path for path in find_audio(folder) if path.stem not in STEMS and path.suffix in (".ogg", ".mp3"))
    return [path for path in music if _seconds(path) >= PIECE_S]


def arrange(cache: Path, bids_dir: Path, out: Path) -> None:
    """Give every track in the study's events 30 s of recorded music of its bundle."""
    study = read_study(bids_dir, need_images=False)
    rows = []
    for genre, packages in BUNDLES.items():
        test = sorted({clip.track for clip in study.test_clips if clip.genre == genre})
        train = sorted({clip.track for clip in study.train_clips if clip.genre == genre})
        songs = [(package, song) for package in packages for song in songs_of(cache, package)]
        excerpts = _excerpts(songs, len(test) + len(train))
        for track, (package, song, start) in zip([*test, *train], _split(excerpts, len(test), len(train)), strict=True):
            path = out / "stimuli" / genre / f"{track}.wav"
            if not path.is_file():
                write_audio(path, _mixed(song, start), RATE)
            rows.append((track, genre, package, _title(song), start, LICENCES[package]))
    _write_tables(rows, out / "stimuli")


def fill_gallery(cache: Path, out: Path) -> None:
    """The first 30 s of every song that no stimulus is cut from, with a metadata table."""
    used = set(pd.read_csv(out / "stimuli" / "tracks.tsv", sep="\t")[["package", "song"]].itertuples(index=False))
    bundle_of = {package: genre for genre, packages in BUNDLES.items() for package in packages}
    rows = []
    for package in LICENCES:
        for song in songs_of(cache, package):
            if (package, _title(song)) in used:
                continue
            path = out / "gallery" / package / f"{_digest(song, cache)}.wav"
            if not path.is_file():
                write_audio(path, _mixed(song, 0.0), RATE)
            rows.append((f"{package}/{path.name}", _title(song), package, bundle_of[package], LICENCES[package]))
    table = pd.DataFrame(rows, columns=["file", "title", "artist", "genre", "licence"])
    table.to_csv(out / "gallery" / "metadata.tsv", sep="\t", index=False, na_rep="n/a")
    print(f"gallery_songs: {len(table)}")


def _excerpts(songs: list[tuple[str, Path]], needed: int) -> list[list[tuple[str, Path, float]]]:
    """Per song its consecutive 30-s excerpts; every third song is left to the gallery where the others are enough."""
    excerpts = [
        [(package, song, PIECE_S * i) for i in range(min(EXCERPTS_PER_SONG, int(_seconds(song) // PIECE_S)))]
        for package, song in songs
    ]
    excerpts = [[each for each in parts if _sounds(*each[1:])] for parts in excerpts]
    kept = [parts for i, parts in enumerate(excerpts) if i % 3 != 2]
    return kept if sum(map(len, kept)) >= 1.2 * needed else excerpts


def _split(songs: list[list[tuple[str, Path, float]]], n_test: int, n_train: int) -> Iterator[tuple[str, Path, float]]:
    """Test excerpts from songs of their own (one or two each), training excerpts from the others."""
    spread = np.linspace(0, len(songs), max(2, min(n_test, len(songs) // 3)) + 1).astype(int)
    test_songs = [first for first, _ in pairwise(spread)]
    test = _round_robin([songs[i] for i in test_songs])[:n_test]
    train = _round_robin([song for i, song in enumerate(songs) if i not in test_songs])[:n_train]
    if len(test) < n_test or len(train) < n_train:
        raise InputError(f"the bundle has {len(test)} + {len(train)} excerpts where {n_test} + {n_train} are needed")
    yield from test
    yield from train


def _round_robin(songs: list[list[tuple[str, Path, float]]]) -> list[tuple[str, Path, float]]:
    longest = max(map(len, songs), default=0)
    return [song[i] for i in range(longest) for song in songs if i < len(song)]


def _mixed(song: Path, start: float) -> np.ndarray:
    """30 s of the song, mono, its stems added."""
    stems = [song.with_name(f"{stem}{song.suffix}") for stem in STEMS] if song.stem == "song" else []
    parts = [read_audio(path, RATE, start=start, duration=PIECE_S)[0] for path in (song, *filter(Path.is_file, stems))]
    length = round(PIECE_S * RATE)
    mixed = np.sum([np.pad(part[:length], (0, max(0, length - len(part)))) for part in parts], axis=0, dtype=np.float32)
    return mixed / max(1.0, float(np.abs(mixed).max()))


def _sounds(song: Path, start: float) -> bool:
    """Whether no second of the excerpt is silent."""
    seconds = _mixed(song, start).reshape(-1, RATE)
    return bool(np.sqrt(np.mean(seconds**2, axis=1)).min() > 1e-3)


def _write_tables(rows: list[tuple], out: Path) -> None:
    table = pd.DataFrame(rows, columns=["track", "genre", "package", "song", "start_s", "licence"])
    table.to_csv(out / "tracks.tsv", sep="\t", index=False, na_rep="n/a", float_format="%.6g")
    lines = [f"{row.track}.wav ::: {row.package} ::: {row.song}" for row in table.itertuples()]
    (out / "GTZANindex.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"stimuli: {len(table)}\nsongs: {len(table[['package', 'song']].drop_duplicates())}")


def _title(song: Path) -> str:
    """The song's name: its file's, or its folder's where every song's file is called song."""
    return song.parent.name if song.stem == "song" else song.name


def _seconds(path: Path) -> float:
    try:
        return duration_of(path)
    except InputError:
        return 0.0


def _digest(path: Path, cache: Path) -> str:
    return hashlib.sha256(str(path.relative_to(cache)).encode()).hexdigest()[:12]


def _call(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"`{' '.join(command)}` failed: {done.stderr.strip().splitlines()[-1:]}", folder)


def main() -> None:
    """Read the arguments and run one step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["fetch", "gtzan", "gallery"])
    parser.add_argument("cache", type=Path)
    parser.add_argument("bids_dir", type=Path, nargs="?")
    parser.add_argument("out", type=Path, nargs="?")
    given = parser.parse_args()
    if given.step == "fetch":
        fetch(given.cache)
    elif given.step == "gtzan":
        arrange(given.cache, given.bids_dir, given.out)
    else:
        fill_gallery(given.cache, given.out)


if __name__ == "__main__":
    main()
